"""Which photographs a run learns from, and which make up the sets that it is judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facewitness.data import manifest as manifests
from facewitness.data import splits
from facewitness.experiments.recipe import ExperimentRecipe, RunSection, SetSection
from facewitness.experiments.sections import GeneralizationSection, Root
from facewitness.types import REAL_METHOD, RecipeError, Sample

if TYPE_CHECKING:
    from facewitness.experiments.plan import Plan

PERMUTED = "permuted"  # the method of fakes whose label was dealt at random
FITTED = "fitted"  # the set that a last layer is fitted on anew: people of the validation split
_VALIDATION = 0.1
_SPLITS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {  # people of a set -> splits of its fakes, of its reals
    "unseen": (("test",), ("test",)),
    "trained": (("train",), ("test",)),
    "validation": (("val",), ("val",)),
    "any": (manifests.SPLITS, manifests.SPLITS),
}


class Judged(NamedTuple):
    """All photographs that are judged, and which of them make up each set."""

    samples: list[Sample]  # all of them in the split "test"
    sets: Mapping[str, list[int]]  # name -> places in ``samples``


def by_video(samples: Sequence[Sample], sources: Sequence[str]) -> list[Sample]:
    """Return the samples; in some sources a video stands for its people, and a tenth of ``train`` validates.

    For data sets whose official splits divide videos, not people.
    """
    return [_by_video(sample) if sample.dataset in sources else sample for sample in samples]


def _by_video(sample: Sample) -> Sample:
    name = sample.video or str(sample.path)
    drawn = hashlib.sha256(name.encode()).digest()[0] / 256 < _VALIDATION
    split = "val" if sample.split == "train" and drawn else sample.split
    return replace(sample, identities=(f"{sample.dataset} {name}",), split=split)


def training(section: RunSection, samples: Sequence[Sample]) -> list[Sample]:
    """Return what a run may learn from: photographs of its sources of training and validation people."""
    chosen = [s for s in _of_sources(section.sources, samples) if s.split != "test"]
    if section.labels == "permuted":
        return list(_permuted([s for s in chosen if not s.label or s.method in section.methods]))
    return chosen


def _permuted(samples: Sequence[Sample]) -> Iterator[Sample]:
    """The same photographs with the labels of their split dealt at random."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        chosen = [sample for sample in samples if sample.split == split]
        for sample, label in zip(chosen, rng.permutation([sample.label for sample in chosen]), strict=True):
            method = PERMUTED if label else REAL_METHOD
            yield replace(sample, label=int(label), method=method, mask=None, region=None)


def judged(settings: ExperimentRecipe, samples: Sequence[Sample]) -> Judged:
    """Return all photographs that any set asks for, each once.

    Raises:
        RecipeError: a set has no real or no fake.
    """
    members = {one.name: _members(one, samples) for one in every_set(settings)}
    for name, chosen in members.items():
        for label, what in enumerate(("real", "fake")):
            if not any(sample.label == label for sample in chosen):
                raise RecipeError(f"{settings.name}: the set {name} has no {what}; choose other methods or sources")
    wanted = {sample.path for chosen in members.values() for sample in chosen}
    found = [replace(sample, split="test") for sample in samples if sample.path in wanted]
    place = {sample.path: number for number, sample in enumerate(found)}
    return Judged(found, {name: sorted(place[sample.path] for sample in chosen) for name, chosen in members.items()})


def every_set(settings: ExperimentRecipe) -> list[SetSection]:
    """Return the sets of a recipe, and for each root its own and the one that last layers are fitted on anew."""
    found = list(settings.set)
    for root in roots(settings):
        section = SetSection(name=root.name, methods=root.methods, sources=root.sources)
        found += [section, section.model_copy(update={"name": f"{root.name} {FITTED}", "people": "validation"})]
    return found


def roots(settings: ExperimentRecipe) -> list[Root]:
    """Return the training sets of a generalizability study."""
    return [root for part in settings.section if isinstance(part, GeneralizationSection) for root in part.roots]


def _members(wanted: SetSection, samples: Sequence[Sample]) -> list[Sample]:
    """Return fakes and reals of a set.

    Fakes of trained people stand beside reals of others: a detector has learnt that those of its own people are real.
    """
    chosen = _of_sources(wanted.sources, samples)
    fakes_of, reals_of = _SPLITS[wanted.people]
    fakes = {s.path for s in chosen if s.label and s.method in wanted.methods and s.split in fakes_of}
    applied = {s.dataset for s in chosen if wanted.people == "validation" or s.path in fakes}
    return [s for s in chosen if s.path in fakes or (not s.label and s.split in reals_of and s.dataset in applied)]


def _of_sources(sources: Sequence[str], samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if not sources or sample.dataset in sources]


def check(plan: Plan) -> None:
    """See that every method and source that a recipe names is in its manifest.

    Raises:
        ManifestError: a manifest cannot be used.
        RecipeError: a name is not there, or a set would hold what a run learns from.
    """
    _check_sets(plan.settings, plan.recipe)
    asked = list(_asked(plan))
    have = {}
    for file in {manifest for manifest, *_ in asked}:
        samples = plan.samples(file)
        splits.verify(samples)
        have[file] = {"method": manifests.kinds(samples), "source": {sample.dataset for sample in samples}}
    for manifest, where, kind, name in asked:
        if name not in have[manifest][kind]:
            known = ", ".join(sorted(have[manifest][kind]))
            what = "fake of the method" if kind == "method" else "photograph of the source"
            raise RecipeError(f"{plan.recipe}: {where}: {manifest} has no {what} {name!r}; it has {known}")


def _asked(plan: Plan) -> Iterator[tuple[Path, str, str, str]]:
    """Yield every name of a method or a source in a recipe: (manifest, where it stands, kind, name)."""
    settings, whole = plan.settings, Path(plan.settings.manifest)
    for run in settings.run:
        yield from ((plan.manifest_of(run.name), run.name, *named) for named in _names(run))
    for one in every_set(settings):
        yield from ((whole, one.name, *named) for named in _names(one))
    yield from ((whole, "by_video", "source", name) for name in settings.by_video)
    for section in settings.section:
        for file in {plan.judged_on(name) for name in section.run_names()} or {whole}:
            yield from ((file, section.where(), "method", name) for name in section.methods_named())


def _names(section: RunSection | SetSection) -> Iterator[tuple[str, str]]:
    yield from (("method", name) for name in section.methods)
    yield from (("source", name) for name in section.sources)


def _check_sets(settings: ExperimentRecipe, recipe: Path) -> None:
    for one in settings.set:
        for run in settings.run:
            both = not (run.sources and one.sources) or set(run.sources) & set(one.sources)
            if one.people == "any" and both:
                raise RecipeError(
                    f"{recipe}: set {one.name}: {run.name} learns from its source; "
                    'people = "any" is for a source that nothing learns from'
                )
    for root in roots(settings):
        for one in settings.set:
            known = sorted(set(root.methods) & set(one.methods))
            if one.people == "trained" and known:
                raise RecipeError(
                    f"{recipe}: set {one.name}: root {root.name} learns from its very fakes of {known[0]!r}; a set of "
                    "trained people needs a method that no root learns from"
                )
