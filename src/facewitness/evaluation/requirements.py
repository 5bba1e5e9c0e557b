"""What is asked of a default detector, held against the numbers of its evaluation. Computed, never judged by hand."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facewitness.evaluation import tables
from facewitness.evaluation.tables import number
from facewitness.types import ManifestError

LEAST_AUC = 0.95
LEAST_IOU = 0.6
MOST_FALSE_POSITIVES = 0.02


class Evaluation(NamedTuple):
    """An evaluation folder, read back."""

    table: pl.DataFrame  # see evaluation.tables
    record: Mapping[str, Any]  # evaluation.json

    def row(
        self, metric: str, method: str | None = None, source: str | None = None, attribute: str | None = None
    ) -> dict[str, Any]:
        """Return the row of a number; {} if the table has none."""
        return tables.row(self.table, metric=metric, set=tables.set_name(method, source, attribute))

    @property
    def methods(self) -> list[str]:
        """The methods that were judged, in the table's order."""
        return self._named("method ")

    @property
    def sources(self) -> list[str]:
        """The sources of the photographs, in the table's order."""
        return self._named("source ")

    @property
    def real_sources(self) -> list[str]:
        """Those of them that have real photographs."""
        return [name for name in self.sources if name in self.record["counts"]["real"]]

    @property
    def attributes(self) -> list[str]:
        """What the data say of enough real photographs, in the table's order."""
        return self._named("attribute ")

    def _named(self, prefix: str) -> list[str]:
        names = self.table["set"].unique(maintain_order=True)
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix) and ", source " not in name]


class Requirement(NamedTuple):
    """One thing asked of a detector, and what it showed. ``satisfied`` None: it was not measured."""

    what: str
    asked: str  # "" if the number is only to be reported
    shown: str
    satisfied: bool | None
    sure: bool = True  # False: the interval reaches past the limit


def read(folder: Path) -> Evaluation:
    """An evaluation folder as ``evaluation.evaluate.evaluate`` leaves it.

    Raises:
        ManifestError: it is not one, or is not finished.
    """
    try:
        table = pl.read_parquet((folder / "table.parquet").read_bytes())
        record = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise ManifestError(f"{folder} holds no finished evaluation ({error}); run facewitness evaluate") from error
    return Evaluation(table, record)


def requirements(main: Evaluation, seen: Sequence[str], left_out: Mapping[str, Evaluation]) -> list[Requirement]:
    """What is asked of the default detector, each judged by the number itself; ``sure`` tells of its interval.

    ``seen`` are the methods it was trained on; ``left_out`` maps a method to the evaluation of a detector without it.
    """
    found = [_judged(f"AUC, {method}", main.row("auc", method), least=LEAST_AUC) for method in seen]
    found += [_judged(f"map IoU, {method}", main.row("iou@0.5", method), least=LEAST_IOU) for method in seen]
    for dataset in main.real_sources:
        row = main.row("false_positive_rate@threshold", source=dataset)
        found.append(_judged(f"false positives, reals of {dataset}", row, most=MOST_FALSE_POSITIVES))
    for method in seen:
        row = left_out[method].row("auc", method) if method in left_out else {}
        found.append(_judged(f"AUC on {method} when trained without it", row))
    return found


def _judged(what: str, row: Mapping[str, Any], least: float | None = None, most: float | None = None) -> Requirement:
    """A number and its interval, held against a limit; without one it is only to be reported."""
    asked = f"at least {least}" if least is not None else f"at most {most * 100:g} %" if most is not None else ""
    if not row or row["value"] is None:
        return Requirement(what, asked, "not measured", None)
    low, high = (-math.inf if least is None else least, math.inf if most is None else most)
    sure = row["low"] is not None and low <= row["low"] and row["high"] <= high
    return Requirement(what, asked, number(row, percent=most is not None), low <= row["value"] <= high, sure)
