"""From the scores of a detector's runs to rows of the tidy table: what it reaches on methods seen and unseen.

Every number is a mean over seeds; its interval is a percentile bootstrap of people, the same draws for all seeds and
sets. No photograph is read here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness.evaluation.slices import comparable_reals
from facewitness.forge.methods import METHODS as FORGED
from facewitness.metrics import seeds
from facewitness.metrics.detection import Numbers, auc_weighted, balanced_accuracy_weighted, called_weighted
from facewitness.metrics.intervals import Interval, bootstrap, bootstrap_mean
from facewitness.metrics.seeds import Each
from facewitness.types import ManifestError

SEEN, UNSEEN, GAP = "seen", "unseen", "gap"
ACCURACY = "balanced_accuracy@0.5"
MAP_COLUMNS = {"iou": "iou@0.5", "pixel_auc": "pixel_auc", "mass_inside": "mass_inside", "pointing": "pointing"}
"""Columns of the scores -> metrics: means over the fakes of a set whose map was judged."""
Metric = Callable[[Numbers, Numbers, Numbers], Numbers]  # see ``metrics.detection``
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "auc": auc_weighted,
        ACCURACY: balanced_accuracy_weighted(0.5),
        "false_positive_rate@0.5": called_weighted(0, 0.5),
    }
)


class Part(NamedTuple):
    """Which rows of the scores make up a set."""

    name: str
    member: Numbers  # (N,) 1 for a row that counts
    unscored: int


def seen_unseen_rows(
    detector: str, tables: Sequence[pl.DataFrame], seen: Sequence[str], metrics: Mapping[str, Metric] = METRICS
) -> list[dict[str, Any]]:
    """Return the rows of one detector from the scores of its seeds (``evaluation.scores.SCHEMA``).

    The sets are ``seen``, ``unseen``, ``gap`` (seen less unseen), ``method NAME`` and ``family NAME``.

    Raises:
        ManifestError: the seeds were judged on different photographs.
    """
    if any(not table["path"].equals(tables[0]["path"]) for table in tables):
        raise ManifestError(f"{detector}: its seeds were judged on different photographs; judge them again")
    first = tables[0]
    scored = pl.Series(np.all([table["score"].is_not_null() for table in tables], axis=0), dtype=pl.Boolean)
    kept = first.filter(scored)
    scores = np.stack([table.filter(scored)["score"].to_numpy() for table in tables])  # (seeds, N)
    parts = {part.name: part for part in _parts(first, kept, seen)}
    rows = _verdict_rows(parts, scores, kept, metrics)
    for part in parts.values():
        rows += _map_rows(part, kept, tables, scored)
    unscored = {name: part.unscored for name, part in parts.items()}
    unscored[GAP] = unscored.get(UNSEEN, 0)
    return [{**row, "detector": detector, "n_unscored": unscored[row["set"]]} for row in rows]


def _verdict_rows(
    parts: Mapping[str, Part], scores: Numbers, kept: pl.DataFrame, metrics: Mapping[str, Metric]
) -> list[dict[str, Any]]:
    members = {name: part.member > 0 for name, part in parts.items()}
    each = {
        (name, metric): seeds.on(scores, member, function)
        for name, member in members.items()
        for metric, function in metrics.items()
    }
    if SEEN in parts and UNSEEN in parts:
        each |= {
            (GAP, name): seeds.less(each[SEEN, name], each[UNSEEN, name])
            for name in ("auc", ACCURACY)
            if name in metrics
        }
        members[GAP] = members[UNSEEN]
    labels = kept["label"].to_numpy().astype(np.float64)
    return list(seeded_rows(each, scores, labels, kept["person"].to_list(), members))


def seeded_rows(
    each: Mapping[tuple[str, str], Each],
    scores: Numbers,
    labels: Numbers,
    people: Sequence[str],
    members: Mapping[str, NDArray[np.bool_]],
) -> Iterator[dict[str, Any]]:
    """Yield a row of the tidy table for each number of some seeds; all are taken from the same draws of people.

    Args:
        each: numbers by set and metric.
        scores: (seeds, N).
        labels: (N,).
        people: the person of each photograph.
        members: set -> (N,) the photographs that count in it.
    """
    metrics = {"|".join(key): seeds.over_seeds(function) for key, function in each.items()}
    intervals = bootstrap(metrics, scores[0], labels, people)
    for (name, metric), function in each.items():
        single = function(labels, np.ones((1, len(labels))))[:, 0]
        yield _row(name, metric, intervals[f"{name}|{metric}"], single, labels[members[name]])


def _map_rows(
    part: Part, kept: pl.DataFrame, tables: Sequence[pl.DataFrame], scored: pl.Series
) -> Iterator[dict[str, Any]]:
    fake = pl.Series((part.member > 0) & (kept["label"].to_numpy() == 1))
    for column, metric in MAP_COLUMNS.items():
        columns = [table.filter(scored).filter(fake)[column] for table in tables]
        judged = pl.Series(np.all([values.is_not_null() for values in columns], axis=0), dtype=pl.Boolean)
        if not judged.any():
            continue
        values = np.stack([values.filter(judged).to_numpy() for values in columns])
        interval = bootstrap_mean(values.mean(0), kept.filter(fake).filter(judged)["person"].to_list())
        yield _row(part.name, metric, interval, values.mean(1), np.ones(values.shape[1]))


def _row(name: str, metric: str, interval: Interval, single: Numbers, labels: Numbers) -> dict[str, Any]:
    """A number of a set, what ``single`` seeds say of it, and the photographs that it is of."""
    fakes = int(labels.sum())
    return {
        **{"set": name, "metric": metric, **interval._asdict(), "n_real": len(labels) - fakes, "n_fake": fakes},
        **{"seed_low": single.min(), "seed_high": single.max(), "n_seeds": len(single)},
    }


def families(methods: Sequence[str]) -> dict[str, list[str]]:
    """Return methods by the family that the forge knows them in; one that it does not know is a family of its own."""
    found: dict[str, list[str]] = {}
    for method in methods:
        found.setdefault(FORGED[method].family if method in FORGED else method, []).append(method)
    return found


def _parts(everything: pl.DataFrame, kept: pl.DataFrame, seen: Sequence[str]) -> list[Part]:
    methods = everything.filter(pl.col("label") == 1)["method"].unique().sort().to_list()
    unseen = [method for method in methods if method not in seen]
    groups = {SEEN: [method for method in methods if method in seen], UNSEEN: unseen}
    groups |= {f"method {method}": [method] for method in methods}
    groups |= {f"family {family}": members for family, members in families(unseen).items()}
    parts = []
    for name, members in groups.items():
        if members:
            chosen = against(everything, members)
            member = kept.select(against(kept, members).alias("in"))["in"].to_numpy().astype(np.float64)
            parts.append(Part(name, member, everything.filter(chosen & pl.col("score").is_null()).height))
    return parts


def against(scores: pl.DataFrame, methods: Sequence[str]) -> pl.Expr:
    """Return the condition of a set: fakes of some methods, and the reals that they are compared with.

    A table that also has ``kinds`` can be asked for a method's fakes with an attribute (``Sample.kinds``).
    """
    asked = pl.col("kinds").list.set_intersection(list(methods)).list.len() > 0
    matching = asked if "kinds" in scores.columns else pl.col("method").is_in(methods)
    fakes = (pl.col("label") == 1) & matching
    applied = scores.filter(fakes)["dataset"].unique().to_list()
    return fakes | comparable_reals(scores, applied, scores.filter(fakes).height)
