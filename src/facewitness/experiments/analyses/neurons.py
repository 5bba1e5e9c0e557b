"""RQ4 of the generalizability study: neurons that contribute on every set, and what comes of keeping only those."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness.experiments.analyses.study import Study
from facewitness.experiments.plan import Run
from facewitness.experiments.samples import FITTED
from facewitness.explain import neurons
from facewitness.metrics import seeds
from facewitness.metrics.detection import Numbers, auc_weighted, balanced_accuracy_weighted
from facewitness.metrics.intervals import Interval, bootstrap
from facewitness.metrics.seeds import Each

RANDOM_DRAWS = 10
_NAMES = {"detector": pl.String, "root": pl.String, "type": pl.String}
OVERLAPS: dict[str, Any] = {
    **_NAMES,
    **dict.fromkeys(("neurons", "top", "sets", "hits", "found"), pl.Int64),
    "chance": pl.Float64,
}
KEPT: dict[str, Any] = {
    **_NAMES,
    **{"variant": pl.String, "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64},
    "n_fake": pl.Int64,
}
VARIANTS = {
    "trained": "as it was trained",
    "kept": "universal neurons kept, the others held at their mean",
    "fitted": "last layer fitted anew, all neurons",
    "fitted universal": "fitted anew, universal neurons only",
    "fitted random": "fitted anew, as many neurons at random",
    "fitted weighted": "fitted anew, each neuron scaled by its effect",
}


class SetNeurons(NamedTuple):
    """What a detector's last layer reads of a set, and whose photographs these are."""

    read: neurons.Read
    effects: neurons.Effects
    labels: NDArray[np.float64]
    people: list[str]


def contribution_tables(study: Study) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return which sets share the neurons that contribute most, and what comes of keeping those that all share."""
    shared: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for trained in study.detectors():
        sets = read_sets(study, study.first(trained))
        if sets is not None:
            names = trained._asdict()
            shared += [{**names, **row} for row in _overlaps(study, sets)]
            kept += [{**names, **row} for row in _universal(study, sets, trained.root)]
    return pl.DataFrame(shared, OVERLAPS), pl.DataFrame(kept, KEPT).with_columns(pl.col(pl.Float64).fill_nan(None))


def read_sets(study: Study, run: Run) -> dict[str, SetNeurons] | None:
    """Return what was read of each set; None where it was not, or the detector has no dense layer to read from."""
    if not study.plan.is_trained(run):
        return None
    root, found = study.of(run).root, {}
    for name in [root, *study.section.unseen, f"{root} {FITTED}"]:
        file = study.neurons_file(run, name)
        if not file.exists():
            return None
        with np.load(file) as kept:
            samples = [study.judged.samples[int(place)] for place in kept["places"]]
            read = neurons.Read(kept["features"], kept["weight"], float(kept["bias"]))
        labels = np.array([sample.label for sample in samples], np.float64)
        effects = neurons.effects(read, neurons.spread([read], study.section.values))
        found[name] = SetNeurons(read, effects, labels, [sample.person for sample in samples])
    return found


def _overlaps(study: Study, sets: Mapping[str, SetNeurons]) -> Iterator[dict[str, Any]]:
    """How many of the most contributing neurons are so on how many of the sets, and by chance."""
    effects = [one.effects for name, one in sets.items() if not name.endswith(FITTED)]
    total = len(effects[0].values)
    for share in study.section.shares:
        count = max(1, round(total * share))
        found = neurons.overlap([one.top(count) for one in effects], total)
        chance = neurons.by_chance(count, total, len(effects))
        for hits, (number, expected) in enumerate(zip(found, chance, strict=True)):
            yield {
                **{"neurons": total, "top": count, "sets": len(effects)},
                **{"hits": hits, "found": number, "chance": expected},
            }


def _universal(study: Study, sets: Mapping[str, SetNeurons], root: str) -> Iterator[dict[str, Any]]:
    """What the paper proposes (section 5): keep the universally contributing neurons, and see what becomes of the rest.

    For each unseen set, the neurons are those in the upper half on every *other* set, so that the set judged has no
    part in the choice; the layer is fitted anew (logistic regression) to people of the root's validation split. The
    numbers are means over the unseen sets; "gain" is the difference to ``fitted``, or of ``kept`` to ``trained``, on
    the same draws.
    """
    unseen = study.section.unseen
    margins = [margin for name in unseen if (margin := _variants(sets, name, root)) is not None]
    if len(margins) < len(unseen):
        return  # too few neurons are universal to leave any out
    parts = [sets[name] for name in unseen]
    fakes = int(sum(part.labels.sum() for part in parts))
    for variant, metric, interval in _compared(margins, parts):
        yield {"variant": variant, "metric": metric, **interval._asdict(), "n_fake": fakes}


def _variants(sets: Mapping[str, SetNeurons], judged: str, root: str) -> dict[str, list[Numbers]] | None:
    """The margins (N,) of a set by each variant; of random neurons, one for each draw."""
    others = [one.effects for name, one in sets.items() if name != judged and not name.endswith(FITTED)]
    total = len(others[0].values)
    common = sorted(set.intersection(*({int(i) for i in one.top(max(1, total // 2))} for one in others)))
    if not common or len(common) == total:
        return None
    read, fit = sets[judged].read, sets[f"{root} {FITTED}"]
    features = read.features.astype(np.float64)
    known = fit.read.features.astype(np.float64)
    rest = np.setdiff1d(np.arange(total), common)
    pruned = features.copy()
    pruned[:, rest] = known[:, rest].mean(0)
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.permutation(total)[: len(common)]) for _ in range(RANDOM_DRAWS)]
    effect = np.mean([one.score() for one in others], axis=0)
    scale = np.sqrt(effect / max(float(effect.max()), 1e-12))
    everything = np.arange(total)
    return {
        "trained": [features @ read.weight + read.bias],
        "kept": [pruned @ read.weight + read.bias],
        "fitted": [_fitted(known, fit.labels, features, everything)],
        "fitted universal": [_fitted(known, fit.labels, features, np.array(common))],
        "fitted random": [_fitted(known, fit.labels, features, one) for one in drawn],
        "fitted weighted": [_fitted(known, fit.labels, features, everything, scale)],
    }


def _fitted(
    known: Numbers, labels: Numbers, features: Numbers, chosen: NDArray[np.int64], scale: Numbers | None = None
) -> Numbers:
    """The margin, on ``features``, of a last layer fitted to (known, labels) over some neurons, standardised."""
    from sklearn.linear_model import LogisticRegression

    mean, deviation = known.mean(0), known.std(0)
    factor = np.divide(1 if scale is None else scale, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    train, test = (((part - mean) * factor)[:, chosen] for part in (known, features))
    model = LogisticRegression(max_iter=1000, class_weight="balanced").fit(train, labels)
    return np.asarray(model.decision_function(test), np.float64)


def _compared(
    margins: Sequence[Mapping[str, list[Numbers]]], parts: Sequence[SetNeurons]
) -> Iterator[tuple[str, str, Interval]]:
    """Accuracy and AUC of every variant, and what it gains, as means over sets (and over draws)."""
    labels = np.concatenate([part.labels for part in parts])
    people = [name for part in parts for name in part.people]
    number = np.repeat(np.arange(len(parts)), [len(part.labels) for part in parts])
    members = [number == place for place in range(len(parts))]

    def each(variant: str, metric: str) -> Each:
        function = balanced_accuracy_weighted(0.0) if metric == "accuracy" else auc_weighted
        return seeds.averaged(
            [
                seeds.on(_among(margin, member), member, function)
                for of_set, member in zip(margins, members, strict=True)
                for margin in of_set[variant]
            ]
        )

    found: dict[tuple[str, str], Each] = {}
    for metric in ("accuracy", "auc"):
        values = {variant: each(variant, metric) for variant in VARIANTS}
        for variant, value in values.items():
            found[variant, metric] = value
            if variant not in ("trained", "fitted"):
                against = values["trained" if variant == "kept" else "fitted"]
                found[variant, f"{metric} gain"] = seeds.less(value, against)
    metrics = {"|".join(key): seeds.over_seeds(value) for key, value in found.items()}
    for name, interval in bootstrap(metrics, labels, labels, people).items():
        variant, metric = name.split("|")
        yield variant, metric, interval


def _among(margin: Numbers, member: NDArray[np.bool_]) -> Numbers:
    """The margins of a set at its places among all, (1, N)."""
    found = np.zeros((1, len(member)))
    found[0, member] = margin
    return found
