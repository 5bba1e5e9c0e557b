"""What is asked of a default detector, held against the numbers of its evaluation. Computed, never judged by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facewitness.types import ManifestError

AUC_BAR = 0.95
IOU_BAR = 0.6
FALSE_POSITIVE_BAR = 0.02


class Evaluation(NamedTuple):
    """An evaluation folder, read back."""

    table: pl.DataFrame  # see evaluation.table.SCHEMA
    record: Mapping[str, Any]  # evaluation.json

    def row(self, metric: str, kind: str, method: str | None = None, dataset: str | None = None) -> dict[str, Any]:
        """The row of a number; {} if the table has none."""
        same = (pl.col("metric") == metric) & (pl.col("slice") == kind)
        same &= pl.col("method").eq_missing(pl.lit(method)) & pl.col("dataset").eq_missing(pl.lit(dataset))
        found = self.table.filter(same)
        return found.row(0, named=True) if found.height else {}

    def names(self, column: str, kind: str) -> list[str]:
        """The methods or data sets there are slices of, in the table's order."""
        return self.table.filter(pl.col("slice") == kind)[column].unique(maintain_order=True).to_list()


class Requirement(NamedTuple):
    """One thing asked of a detector, and what it showed. ``met`` None: it was not measured."""

    what: str
    asked: str  # "" if the number is only to be reported
    shown: str
    satisfied: bool | None
    sure: bool = True  # False: the interval reaches past the bar


def read(folder: Path) -> Evaluation:
    """An evaluation folder as ``evaluation.run.evaluate`` leaves it.

    Raises:
        ManifestError: it is not one, or is not finished.
    """
    try:
        table = pl.read_parquet((folder / "table.parquet").read_bytes())
        record = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise ManifestError(f"{folder} holds no finished evaluation ({error}); run facewitness evaluate") from error
    return Evaluation(table, record)


def bars(main: Evaluation, seen: Sequence[str], left_out: Mapping[str, Evaluation]) -> list[Requirement]:
    """What is asked of the default detector, each judged by the number itself; ``sure`` tells of its interval.

    ``seen`` are the methods it was trained on; ``left_out`` maps a method to the evaluation of a detector without it.
    """
    found = []
    for method in seen:
        found.append(_at_least(f"AUC, {method}", main.row("auc", "method", method), AUC_BAR))
    for method in seen:
        found.append(_at_least(f"map IoU, {method}", main.row("iou", "method", method), IOU_BAR))
    for dataset in main.names("dataset", "dataset"):
        row = main.row("fpr_at_fake_threshold", "dataset", dataset=dataset)
        found.append(_at_most(f"false positives, reals of {dataset}", row, FALSE_POSITIVE_BAR))
    for method in seen:
        row = left_out[method].row("auc", "method", method) if method in left_out else {}
        found.append(_bar(f"AUC on {method} when trained without it", row, "", lambda _: True, lambda _: True))
    return found


def _at_least(what: str, row: Mapping[str, Any], bar: float) -> Requirement:
    return _bar(what, row, f"at least {bar}", lambda value: value >= bar, lambda row: row["low"] >= bar)


def _at_most(what: str, row: Mapping[str, Any], bar: float) -> Requirement:
    asked = f"at most {bar * 100:g} %"
    return _bar(what, row, asked, lambda value: value <= bar, lambda row: row["high"] <= bar, percent=True)


def _bar(
    what: str,
    row: Mapping[str, Any],
    asked: str,
    holds: Callable[[float], bool],
    surely: Callable[[Mapping[str, Any]], bool],
    percent: bool = False,
) -> Requirement:
    if not row or row["value"] is None:
        return Requirement(what, asked, "not measured", None)
    return Requirement(what, asked, number(row, percent), holds(row["value"]), row["low"] is not None and surely(row))


def number(row: Mapping[str, Any], percent: bool = False) -> str:
    """A number with its interval, as ``0.950 (0.931-0.964)``; a dash where there is none."""
    if not row or row["value"] is None:
        return "-"

    def shown(value: float) -> str:
        return f"{value * 100:.1f} %" if percent else f"{value:.3f}"

    if row["low"] is None:
        return shown(row["value"])
    between = f"{row['low'] * 100:.1f}-{row['high'] * 100:.1f}" if percent else f"{row['low']:.3f}-{row['high']:.3f}"
    return f"{shown(row['value'])} ({between})"
