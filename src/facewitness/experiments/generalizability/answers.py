"""The four questions, answered from what a study has kept: scores, likeness of heat maps, neurons; no photograph.

Intervals are percentile bootstraps of people. All numbers of a detector come from the same draws, so that a difference
is a paired one; those of several seeds are averaged, and of each the lowest and highest seed is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness.evaluation.scores import person
from facewitness.experiments.generalizability import plan
from facewitness.experiments.generalizability.plan import FITTED, RootSection, Run
from facewitness.experiments.generalizability.work import COMMON, Study
from facewitness.explain import neurons
from facewitness.metrics import seeds
from facewitness.metrics.calibration import ece_weighted
from facewitness.metrics.detection import Numbers, Weighted, auc_weighted, balanced_accuracy_weighted
from facewitness.metrics.intervals import Interval, bootstrap, bootstrap_mean
from facewitness.metrics.seeds import Each

BUCKETS = (0.7, 0.9)  # of SSIM: dissimilar, a little alike, alike
UNSEEN = "unseen"
RANDOM_DRAWS = 10
_METRICS: Mapping[str, Weighted] = {
    "accuracy": balanced_accuracy_weighted(0.5),
    "auc": auc_weighted,
    "ece": ece_weighted(),
}
_NAMES = {"subject": pl.String, "root": pl.String, "kind": pl.String}
_INTERVAL = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
WORTH: Mapping[str, Any] = {
    **_NAMES,
    "set": pl.String,  # a set, the root itself, "unseen" (the mean of the unseen sets), or a specialised group
    "metric": pl.String,  # accuracy (both classes counting alike), auc, ece, degradation, difference (in points)
    **_INTERVAL,
    "lowest": pl.Float64,
    "highest": pl.Float64,
    "seeds": pl.Int64,
    "n_real": pl.Int64,
    "n_fake": pl.Int64,
}
LOOKS: Mapping[str, Any] = {
    **{"subject": pl.String, "root": pl.String, "set": pl.String, "map": pl.String, "pair": pl.String},
    **_INTERVAL,
    **{"dissimilar": pl.Float64, "little": pl.Float64, "alike": pl.Float64, "n": pl.Int64, "flat": pl.Int64},
}
OVERLAPS: Mapping[str, Any] = {
    **_NAMES,
    **{"neurons": pl.Int64, "top": pl.Int64, "sets": pl.Int64, "hits": pl.Int64, "found": pl.Int64},
    "chance": pl.Float64,
}
KEPT: Mapping[str, Any] = {**_NAMES, "variant": pl.String, "metric": pl.String, **_INTERVAL, "n_fake": pl.Int64}


def worth(study: Study) -> pl.DataFrame:
    """RQ1 and RQ2: each detector on each set, what it loses, and how much of that the specialised sets give back."""
    rows: list[dict[str, Any]] = []
    for root in study.settings.root:
        for subject in study.settings.subject:
            for kind in plan.KINDS:
                runs = [Run(subject.name, root.name, kind, seed) for seed in study.settings.seeds]
                tables = [table for run in runs if (table := study.scores(run)) is not None]
                if tables:
                    scores = np.stack(
                        [table["score"].cast(pl.Float64).fill_null(np.nan).to_numpy() for table in tables]
                    )
                    rows += _worth(study, root, {"subject": subject.name, "root": root.name, "kind": kind}, scores)
    return pl.DataFrame(rows, WORTH).with_columns(pl.col(pl.Float64).fill_nan(None))


def degradation(of: Mapping[str, Each], original: str, unseen: Sequence[str]) -> Each:
    """Accuracy on the original set less the mean over others, in percentage points."""
    mean = seeds.averaged([of[name] for name in unseen])
    return lambda labels, weights: 100 * (of[original](labels, weights) - mean(labels, weights))


def _worth(
    study: Study, root: RootSection, named: Mapping[str, str], scores: NDArray[np.float64]
) -> Iterator[dict[str, Any]]:
    samples = study.judged.samples
    good = np.isfinite(scores).all(0)
    labels = np.array([sample.label for sample in samples], np.float64)
    learnt = set(plan.methods(study.settings, root, named["kind"]))  # type: ignore[arg-type]
    seen = {one.name for one in study.settings.set if one.people == "trained" and learnt & set(one.methods)}
    same_people = [name for name in root.same_people if name not in seen]  # the others' very fakes were trained on
    special = [*root.same_method, *same_people]
    names = list(dict.fromkeys([root.name, *study.settings.unseen, *special]))
    members = {name: np.isin(np.arange(len(samples)), study.judged.sets[name]) & good for name in names}
    for name in names:
        if len(set(labels[members[name]])) < 2:
            return  # a class without one face that was found: a gap in the table
    # Whoever is in no set of this root would be drawn for nothing.
    used = np.any(list(members.values()), axis=0)
    shown = {name: member[used] for name, member in members.items()}
    each: dict[tuple[str, str], Each] = {
        (name, metric): seeds.on(scores[:, used], shown[name], function)
        for name in names
        for metric, function in _METRICS.items()
    }
    exact = {name: each[name, "accuracy"] for name in names}
    groups = {"same method": root.same_method, "same people": same_people}
    for metric in ("accuracy", "auc"):
        each[UNSEEN, metric] = seeds.averaged([each[name, metric] for name in study.settings.unseen])
    fall = each[UNSEEN, "degradation"] = degradation(exact, root.name, study.settings.unseen)
    for group, own in groups.items():
        if own:
            smaller = each[group, "degradation"] = degradation(exact, root.name, own)
            each[group, "difference"] = seeds.less(fall, smaller)
    asked = {"|".join(what): seeds.over_seeds(function) for what, function in each.items()}
    people = [person(sample) for sample, here in zip(samples, used, strict=True) if here]
    found = bootstrap(asked, scores[0, used], labels[used], people)
    union = {UNSEEN: study.settings.unseen, **groups}
    for (name, metric), function in each.items():
        single = function(labels[used], np.ones((1, int(used.sum()))))[:, 0]
        member = np.any([shown[one] for one in union.get(name, [name])], axis=0)
        fakes = int(labels[used][member].sum())
        yield {
            **{**named, "set": name, "metric": metric, **found[f"{name}|{metric}"]._asdict()},
            **{"lowest": single.min(), "highest": single.max(), "seeds": len(scores)},
            **{"n_real": int(member.sum()) - fakes, "n_fake": fakes},
        }


def looks(study: Study) -> pl.DataFrame:
    """RQ3: how alike the heat maps of detectors of one root are, set by set, and of the null cases."""
    rows: list[dict[str, Any]] = []
    for root in study.settings.root:
        for subject in study.settings.subject:
            original = Run(subject.name, root.name, "original", study.settings.seeds[0])
            file = study.likeness(original)
            if not file.exists():
                continue
            table = pl.read_parquet(file.read_bytes())
            common = table.filter(pl.col("pair").is_in(COMMON)).group_by("set", "map", "place", maintain_order=True)
            mean = common.agg(pl.col("ssim").mean(), pl.lit("common root").alias("pair"))  # of those that are not flat
            together = pl.concat([mean, table], how="diagonal_relaxed")
            for (name, kind, pair), part in together.group_by("set", "map", "pair", maintain_order=True):
                seen = part.filter(pl.col("ssim").is_not_null())
                row = {"subject": subject.name, "root": root.name, "set": name, "map": kind, "pair": pair}
                rows.append({**row, **_buckets(study, seen), "n": seen.height, "flat": part.height - seen.height})
    return pl.DataFrame(rows, LOOKS).with_columns(pl.col(pl.Float64).fill_nan(None))


def _buckets(study: Study, seen: pl.DataFrame) -> dict[str, Any]:
    if not seen.height:
        return {}
    values = seen["ssim"].to_numpy()
    low, high = BUCKETS
    people = [person(study.judged.samples[place]) for place in seen["place"]]
    return {
        **bootstrap_mean(values, people)._asdict(),
        "dissimilar": float((values < low).mean()),
        "little": float(((values >= low) & (values < high)).mean()),
        "alike": float((values >= high).mean()),
    }


class Read(NamedTuple):
    """What a detector's last layer reads of a set, and whose photographs these are."""

    read: neurons.Read
    effects: neurons.Effects
    labels: NDArray[np.float64]
    people: list[str]


def reads(study: Study, run: Run) -> dict[str, Read] | None:
    """By set; None where the neurons were not read, or the detector has no dense layer to read them from."""
    wanted = [run.root, *study.settings.unseen, f"{run.root} {FITTED}"]
    found = {}
    for name in wanted:
        file = study.neurons(run, name)
        if not file.exists():
            return None
        with np.load(file) as kept:
            samples = [study.judged.samples[int(place)] for place in kept["places"]]
            read = neurons.Read(kept["features"], kept["weight"], float(kept["bias"]))
        labels = np.array([sample.label for sample in samples], np.float64)
        effects = neurons.effects(read, neurons.spread([read], study.settings.values))
        found[name] = Read(read, effects, labels, [person(sample) for sample in samples])
    return found


def contributions(study: Study) -> tuple[pl.DataFrame, pl.DataFrame]:
    """RQ4: which sets share the neurons that contribute most, and what comes of keeping those that all share."""
    shared: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    for run in plan.runs(study.settings):
        if run.kind not in plan.KINDS or run.seed != study.settings.seeds[0]:
            continue
        given = reads(study, run)
        if given is not None:
            named = {"subject": run.subject, "root": run.root, "kind": run.kind}
            shared += [{**named, **row} for row in _overlaps(study, given)]
            kept += [{**named, **row} for row in _universal(study, given, run.root)]
    return pl.DataFrame(shared, OVERLAPS), pl.DataFrame(kept, KEPT).with_columns(pl.col(pl.Float64).fill_nan(None))


def _overlaps(study: Study, given: Mapping[str, Read]) -> Iterator[dict[str, Any]]:
    """How many of the most contributing neurons are so on how many of the sets, and by chance."""
    effects = [one.effects for name, one in given.items() if not name.endswith(FITTED)]
    total = len(effects[0].values)
    for share in study.settings.shares:
        count = max(1, round(total * share))
        found = neurons.overlap([one.top(count) for one in effects], total)
        chance = neurons.by_chance(count, total, len(effects))
        for hits, (number, expected) in enumerate(zip(found, chance, strict=True)):
            yield {
                **{"neurons": total, "top": count, "sets": len(effects)},
                **{"hits": hits, "found": number, "chance": expected},
            }


VARIANTS = {
    "trained": "as it was trained",
    "kept": "universal neurons kept, the others held at their mean",
    "fitted": "last layer fitted anew, all neurons",
    "fitted universal": "fitted anew, universal neurons only",
    "fitted random": "fitted anew, as many neurons at random",
    "fitted weighted": "fitted anew, each neuron scaled by its effect",
}


def _universal(study: Study, given: Mapping[str, Read], root: str) -> Iterator[dict[str, Any]]:
    """What the paper proposes (section 5): keep the universally contributing neurons, and see what becomes of the rest.

    For each unseen set, the neurons are those in the upper half on every *other* set, so that the set judged has no
    part in the choice; the layer is fitted anew (logistic regression) to people of the root's validation split. The
    numbers are means over the unseen sets; "gain" is the difference to ``fitted``, or of ``kept`` to ``trained``, on
    the same draws.
    """
    margins = [found for name in study.settings.unseen if (found := _variants(given, name, root)) is not None]
    if len(margins) < len(study.settings.unseen):
        return  # too few neurons are universal to leave any out
    parts = [given[name] for name in study.settings.unseen]
    fakes = int(sum(part.labels.sum() for part in parts))
    for variant, metric, interval in _compared(margins, parts):
        yield {"variant": variant, "metric": metric, **interval._asdict(), "n_fake": fakes}


def _variants(given: Mapping[str, Read], judged: str, root: str) -> dict[str, list[Numbers]] | None:
    """The margins (N,) of a set by each variant; of random neurons, one for each draw."""
    others = [one.effects for name, one in given.items() if name != judged and not name.endswith(FITTED)]
    total = len(others[0].values)
    common = sorted(set.intersection(*({int(i) for i in one.top(max(1, total // 2))} for one in others)))
    if not common or len(common) == total:
        return None
    read, fit = given[judged].read, given[f"{root} {FITTED}"]
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
    known: Numbers, labels: Numbers, features: Numbers, neurons_: NDArray[np.int64], scale: Numbers | None = None
) -> Numbers:
    """The margin of a last layer fitted to (known, labels) over some neurons, on features; all are standardised."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = known.mean(0), known.std(0)
    factor = np.divide(1 if scale is None else scale, spread, out=np.zeros_like(spread), where=spread > 0)
    one, other = (((part - mean) * factor)[:, neurons_] for part in (known, features))
    model = LogisticRegression(max_iter=1000, class_weight="balanced").fit(one, labels)
    return np.asarray(model.decision_function(other), np.float64)


def _compared(
    margins: Sequence[Mapping[str, list[Numbers]]], parts: Sequence[Read]
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
                for own, member in zip(margins, members, strict=True)
                for margin in own[variant]
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
    asked = {"|".join(what): seeds.over_seeds(value) for what, value in found.items()}
    for name, interval in bootstrap(asked, labels, labels, people).items():
        variant, metric = name.split("|")
        yield variant, metric, interval


def _among(margin: Numbers, member: NDArray[np.bool_]) -> Numbers:
    """The margins of a set at its places among all, (1, N)."""
    found = np.zeros((1, len(member)))
    found[0, member] = margin
    return found
