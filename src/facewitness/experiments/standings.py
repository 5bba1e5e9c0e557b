"""From the scores of many runs to one tidy table: what each detector is worth on what it has seen and on what not.

Every number is a mean over a detector's seeds; its interval is a percentile bootstrap of people, the same draws for all
seeds, and ``lowest`` and ``highest`` are those of the single seeds. No photograph is touched here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facewitness.evaluation.table import write_table
from facewitness.forge.methods import METHODS
from facewitness.metrics import seeds
from facewitness.metrics.detection import Numbers, auc_weighted, balanced_accuracy_weighted, called_weighted
from facewitness.metrics.intervals import bootstrap, bootstrap_mean
from facewitness.types import ManifestError

TABLE = "standings.parquet"
SEEN, UNSEEN, FALL = "seen", "unseen", "fall"
SCHEMA: Mapping[str, Any] = {
    "detector": pl.String,
    "slice": pl.String,  # "seen", "unseen", "fall" (seen less unseen), "method NAME" or "family NAME"
    "metric": pl.String,  # auc, accuracy (at 0.5, both classes counting alike), false_positives (at 0.5), and MAPS
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "lowest": pl.Float64,
    "highest": pl.Float64,
    "seeds": pl.Int64,
    "n_real": pl.Int64,
    "n_fake": pl.Int64,
    "n_failed": pl.Int64,
}


MAPS = ("iou", "pixel_auc", "mass_inside", "pointing")
"""Means over the fakes of a slice whose map was judged."""


class Slice(NamedTuple):
    """Which rows of the scores speak of one thing."""

    name: str
    member: Numbers  # (N,) 1 for a row that counts
    failed: int


def write(out: Path, runs: Sequence[tuple[str, int, Path]], seen: Sequence[str]) -> pl.DataFrame:
    """The table of (detector, seed, evaluation folder), written to ``out`` as Parquet and CSV.

    Raises:
        ManifestError: an evaluation is missing, or two of a detector are not of the same photographs.
    """
    by_detector: dict[str, list[pl.DataFrame]] = {}
    for detector, _, folder in runs:
        try:
            by_detector.setdefault(detector, []).append(pl.read_parquet((folder / "scores.parquet").read_bytes()))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ManifestError(f"{folder} holds no finished evaluation ({error})") from error
    rows = [row for detector, tables in by_detector.items() for row in standing(detector, tables, seen)]
    table = pl.DataFrame(rows, SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    return table


def standing(detector: str, tables: Sequence[pl.DataFrame], seen: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of one detector from the scores of its seeds (``evaluation.scores.SCHEMA``)."""
    first = tables[0]
    if any(not table["path"].equals(first["path"]) for table in tables):
        raise ManifestError(f"{detector}: its seeds were judged on different photographs; judge them again")
    scored = pl.Series(np.all([table["score"].is_not_null() for table in tables], axis=0))
    kept = first.filter(scored)
    scores = np.stack([table.filter(scored)["score"].to_numpy() for table in tables])  # (seeds, N)
    labels = kept["label"].to_numpy().astype(np.float64)
    parts = _slices(first, kept, seen)
    members = {part.name: part.member > 0 for part in parts}
    each = {
        (part.name, metric): seeds.on(scores, members[part.name], function)
        for part in parts
        for metric, function in _METRICS.items()
    }
    if SEEN in members and UNSEEN in members:
        each |= {(FALL, metric): seeds.less(each[SEEN, metric], each[UNSEEN, metric]) for metric in ("auc", "accuracy")}
    metrics = {"|".join(what): seeds.over_seeds(function) for what, function in each.items()}
    found = bootstrap(metrics, scores[0], labels, kept["person"].to_list())
    by_name = {part.name: part for part in parts}
    rows = []
    for (name, metric), function in each.items():
        interval = found[f"{name}|{metric}"]
        single = function(labels, np.ones((1, len(labels))))[:, 0]
        part = by_name[UNSEEN if name == FALL else name]
        fakes = int(labels[part.member > 0].sum())
        rows.append(
            {
                **{"detector": detector, "slice": name, "metric": metric},
                **{"value": interval.value, "low": interval.low, "high": interval.high},
                **{"lowest": single.min(), "highest": single.max(), "seeds": len(tables)},
                **{"n_real": int(part.member.sum()) - fakes, "n_fake": fakes, "n_failed": part.failed},
            }
        )
    return rows + [row for part in parts for row in _maps(detector, part, kept, tables, scored)]


def _maps(
    detector: str, part: Slice, kept: pl.DataFrame, tables: Sequence[pl.DataFrame], scored: pl.Series
) -> Iterator[dict[str, Any]]:
    fake = pl.Series((part.member > 0) & (kept["label"].to_numpy() == 1))
    for metric in MAPS:
        columns = [table.filter(scored).filter(fake)[metric] for table in tables]
        judged = pl.Series(np.all([column.is_not_null() for column in columns], axis=0), dtype=pl.Boolean)
        if not judged.any():
            continue
        values = np.stack([column.filter(judged).to_numpy() for column in columns])
        found = bootstrap_mean(values.mean(0), kept.filter(fake).filter(judged)["person"].to_list())
        single = values.mean(1)
        yield {
            **{"detector": detector, "slice": part.name, "metric": metric},
            **{"value": found.value, "low": found.low, "high": found.high},
            **{"lowest": single.min(), "highest": single.max(), "seeds": len(tables)},
            **{"n_real": 0, "n_fake": values.shape[1], "n_failed": part.failed},
        }


def families(methods: Sequence[str]) -> dict[str, list[str]]:
    """Methods by the family the forge knows them in; one it does not know is a family of its own."""
    found: dict[str, list[str]] = {}
    for method in methods:
        found.setdefault(METHODS[method].family if method in METHODS else method, []).append(method)
    return found


def _slices(everything: pl.DataFrame, kept: pl.DataFrame, seen: Sequence[str]) -> list[Slice]:
    methods = everything.filter(pl.col("label") == 1)["method"].unique().sort().to_list()
    unseen = [method for method in methods if method not in seen]
    groups = {SEEN: [m for m in methods if m in seen], UNSEEN: unseen}
    groups |= {f"method {method}": [method] for method in methods}
    groups |= {f"family {family}": of for family, of in families(unseen).items()}
    found = []
    for name, of in groups.items():
        if of:
            chosen = against(everything, of)
            member = kept.select(against(kept, of).alias("in"))["in"].to_numpy().astype(np.float64)
            failed = everything.filter(chosen & pl.col("score").is_null()).height
            found.append(Slice(name, member, failed))
    return found


def against(scores: pl.DataFrame, methods: Sequence[str]) -> pl.Expr:
    """Of a table with method, label and dataset: the fakes of some methods, and the reals of the sources they have.

    A table that also has ``kinds`` can be asked for a method's fakes with an attribute (``Sample.kinds``).
    """
    asked = pl.col("kinds").list.set_intersection(list(methods)).list.len() > 0
    own = asked if "kinds" in scores.columns else pl.col("method").is_in(methods)
    fakes = (pl.col("label") == 1) & own
    applied = scores.filter(fakes)["dataset"].unique().to_list()
    return fakes | ((pl.col("label") == 0) & pl.col("dataset").is_in(applied))


_METRICS: Mapping[str, Callable[[Numbers, Numbers, Numbers], Numbers]] = {
    "auc": auc_weighted,
    "accuracy": balanced_accuracy_weighted(0.5),
    "false_positives": called_weighted(0, 0.5),
}
