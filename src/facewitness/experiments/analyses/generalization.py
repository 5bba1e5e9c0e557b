"""RQ1 and RQ2 of the generalizability study: accuracy on each set, degradation, and what specialised sets give back.

Intervals are percentile bootstraps of people. All numbers of a detector come from the same draws, so that a difference
is a paired one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness.evaluation import tables
from facewitness.experiments import measure
from facewitness.experiments.analyses.study import Study, Trained
from facewitness.experiments.seen_unseen import ACCURACY, UNSEEN, seeded_rows
from facewitness.metrics import seeds
from facewitness.metrics.calibration import ece_weighted
from facewitness.metrics.detection import Weighted, auc_weighted, balanced_accuracy_weighted
from facewitness.metrics.seeds import Each

_METRICS: Mapping[str, Weighted] = {
    ACCURACY: balanced_accuracy_weighted(0.5),
    "auc": auc_weighted,
    "ece": ece_weighted(),
}


def accuracy_table(study: Study) -> pl.DataFrame:
    """Return the tidy table of every detector on each set, with columns root and type beside ``detector``."""
    rows: list[dict[str, Any]] = []
    names: list[Trained] = []
    for trained in study.detectors():
        runs = [run for run in study.runs(trained) if study.plan.is_trained(run)]
        scored = [table for run in runs if (table := measure.scores(study.plan, run)) is not None]
        if scored:
            scores = np.stack([table["score"].cast(pl.Float64).fill_null(np.nan).to_numpy() for table in scored])
            found = list(_rows(study, trained, scores))
            rows += found
            names += [trained] * len(found)
    table = tables.build(rows)
    return table.with_columns(
        pl.Series("root", [name.root for name in names], pl.String),
        pl.Series("type", [name.type for name in names], pl.String),
    )


def degradation(of: Mapping[str, Each], original: str, others: Sequence[str]) -> Each:
    """Return accuracy on the original set less the mean over others, in percentage points."""
    mean = seeds.averaged([of[name] for name in others])
    return lambda labels, weights: 100 * (of[original](labels, weights) - mean(labels, weights))


def _rows(study: Study, trained: Trained, scores: NDArray[np.float64]) -> Iterator[dict[str, Any]]:
    samples, section, root = study.judged.samples, study.section, study.roots[trained.root]
    good = np.isfinite(scores).all(0)
    labels = np.array([sample.label for sample in samples], np.float64)
    groups = {"same method": root.same_method, "same people": _untrained(study, trained)}
    sets = list(dict.fromkeys([root.name, *section.unseen, *groups["same method"], *groups["same people"]]))
    members = {name: np.isin(np.arange(len(samples)), study.judged.sets[name]) & good for name in sets}
    if any(len(set(labels[member])) < 2 for member in members.values()):
        return  # a class without one face that was found: a gap in the table
    used = np.any(list(members.values()), axis=0)  # whoever is in no set of this root would be drawn for nothing
    inside = {name: member[used] for name, member in members.items()}
    each = _numbers(scores[:, used], inside, root.name, section.unseen, groups)
    for name, names in {UNSEEN: section.unseen, **groups}.items():
        inside[name] = np.any([inside[one] for one in names], axis=0) if names else np.zeros(int(used.sum()), bool)
    people = [sample.person for sample, here in zip(samples, used, strict=True) if here]
    for row in seeded_rows(each, scores[:, used], labels[used], people, inside):
        yield {**row, "detector": trained.detector}


def _untrained(study: Study, trained: Trained) -> list[str]:
    """Return the sets of the same people, but those whose very fakes the detector was trained on."""
    learnt = set(study.plan.sections[study.names[trained]].methods)
    known = {one.name for one in study.plan.settings.set if one.people == "trained" and learnt & set(one.methods)}
    return [name for name in study.roots[trained.root].same_people if name not in known]


def _numbers(
    scores: NDArray[np.float64],
    inside: Mapping[str, NDArray[np.bool_]],
    own: str,
    unseen: Sequence[str],
    groups: Mapping[str, Sequence[str]],
) -> dict[tuple[str, str], Each]:
    """Return every number of a detector by set and metric: of each set, of the unseen ones together, of the groups."""
    each: dict[tuple[str, str], Each] = {
        (name, metric): seeds.on(scores, member, function)
        for name, member in inside.items()
        for metric, function in _METRICS.items()
    }
    accuracy = {name: each[name, ACCURACY] for name in inside}
    for metric in (ACCURACY, "auc"):
        each[UNSEEN, metric] = seeds.averaged([each[name, metric] for name in unseen])
    each[UNSEEN, "degradation"] = degradation(accuracy, own, unseen)
    for group, names in groups.items():
        if names:
            each[group, "degradation"] = degradation(accuracy, own, names)
            each[group, "difference"] = seeds.less(each[UNSEEN, "degradation"], each[group, "degradation"])
    return each
