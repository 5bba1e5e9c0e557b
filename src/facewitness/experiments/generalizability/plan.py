"""What a study consists of: its recipe, its trainings, and the sets of photographs that these are judged on.

Each detector is trained on each root (a training set) three times: the original; transfer, where only its last layers
go on from there with more methods; and merge, where all of them do. A set is chosen by columns of the manifest: the
method of the fakes, the source of the photographs, and whether the people in the fakes were seen in training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from facewitness import config
from facewitness.config import Recipe
from facewitness.data import manifest as manifests
from facewitness.data import splits
from facewitness.types import REAL_METHOD, RecipeError, Sample

Kind = Literal["original", "transfer", "merge", "permuted", "again"]
KINDS: tuple[Kind, ...] = ("original", "transfer", "merge")
NULLS: tuple[Kind, ...] = ("permuted", "again")
"""For RQ3: a net that learnt from labels dealt at random, and the original with another seed."""
PERMUTED = "permuted"  # the method of what is called fake by lot
_VALIDATION = 0.1
FITTED = "fitted"  # the set that a last layer is fitted on anew: people of the validation split


class SetSection(Recipe):
    """Photographs to judge: fakes of some methods, and reals of the sources that these were applied to."""

    name: str
    methods: list[str] = Field(min_length=1)
    sources: list[str] = Field(default_factory=list)  # ``dataset`` of the photographs; empty: all
    people: Literal["unseen", "trained", "any"] = "unseen"
    """In the fakes: those of the split ``test``; of ``train`` (the reals beside them are of ``test``); or all, which is
    for a source that nothing learns from."""


class RootSection(Recipe):
    """A training set; its photographs of unseen people are the set that degradation is measured from."""

    name: str
    methods: list[str] = Field(min_length=1)
    sources: list[str] = Field(default_factory=list)
    same_method: list[str] = Field(default_factory=list)  # RQ2: sets of the same method from another source
    same_people: list[str] = Field(default_factory=list)  # RQ2: sets of the same people by another method


class Subject(Recipe):
    """A detector that is studied."""

    name: str
    recipe: str  # of its training, relative to the study's own file
    set: list[str] = Field(default_factory=list)  # "a.b=c", laid over the common ones
    last: list[str] = Field(min_length=1)  # the parts of the net that transfer learning trains


class StudyRecipe(Recipe):
    """A study."""

    name: str
    manifest: str
    subject: list[Subject] = Field(min_length=1)
    root: list[RootSection] = Field(min_length=1)
    set: list[SetSection] = Field(min_length=1)
    unseen: list[str] = Field(min_length=1)  # names of sets: RQ1 measures the fall to their mean
    extra_methods: list[str] = Field(min_length=1)  # what transfer and merge see beside their root's
    extra_sources: list[str] = Field(default_factory=list)  # where that comes from, beside the root's sources
    by_video: list[str] = Field(default_factory=list)  # sources whose official splits divide videos, not people
    seeds: list[int] = Field(default_factory=lambda: [1], min_length=1)
    common: list[str] = Field(default_factory=list)  # "a.b=c", laid over every training
    augmented: list[str] = Field(default_factory=list)  # laid over those of transfer and merge
    nulls: list[str] = Field(default_factory=list)  # subjects that RQ3's null cases are trained for
    pictures: int = Field(100, ge=1)  # fakes of each set whose heat maps are compared
    neurons: int = Field(400, ge=2)  # photographs of each set whose neurons are read
    shares: list[float] = Field(default_factory=lambda: [1 / 16, 1 / 8, 1 / 4, 1 / 2], min_length=1)  # of the neurons
    values: int = Field(4, ge=2)  # that a neuron is held at
    fallen: float = 30.0  # points of degradation over which a detector is one that RQ2 asks about
    title: str = "How far detectors generalize"
    discussion: str = ""  # printed on the page as it stands, and marked as written by hand


class Run(NamedTuple):
    """One training."""

    subject: str
    root: str
    kind: Kind
    seed: int

    def __str__(self) -> str:
        return f"{self.subject}-{self.root}-{self.kind}-{self.seed}"


class Judged(NamedTuple):
    """All photographs that are judged, and which of them make up each set."""

    samples: list[Sample]  # all of them in the split "test"
    sets: Mapping[str, list[int]]  # name -> places in ``samples``


def load(recipe: Path, overrides: Sequence[str] = ()) -> StudyRecipe:
    """Read and check a recipe.

    Raises:
        RecipeError: a name stands for nothing, or for two things.
    """
    settings = config.load(recipe, StudyRecipe, overrides)
    names = [one.name for one in settings.set] + [root.name for root in settings.root]
    for what, given in (("set or root", names), ("subject", [one.name for one in settings.subject])):
        twice = sorted({name for name in given if given.count(name) > 1})
        if twice:
            raise RecipeError(f"{recipe}: two of one name: {what} {twice[0]!r}")
    sets = {one.name: one for one in settings.set}
    asked = [("unseen", name) for name in settings.unseen]
    asked += [(f"root {root.name}", name) for root in settings.root for name in (*root.same_method, *root.same_people)]
    for where, name in asked:
        if name not in sets:
            raise RecipeError(f"{recipe}: {where}: no set {name!r}; there are {', '.join(sets)}")
    for one in settings.set:
        for root in settings.root:
            learnt = {*root.sources, *settings.extra_sources} & set(one.sources) or not (root.sources and one.sources)
            if one.people == "any" and learnt:
                raise RecipeError(
                    f"{recipe}: set {one.name}: root {root.name} (or extra_sources) learns from its source; "
                    'people = "any" is for a source that nothing learns from'
                )
            known = sorted(set(root.methods) & set(one.methods))
            if one.people == "trained" and known:
                raise RecipeError(
                    f"{recipe}: set {one.name}: root {root.name} learns from its very fakes of {known[0]!r}; a set of "
                    "trained people needs a method that no root learns from"
                )
    for name in settings.nulls:
        if name not in {one.name for one in settings.subject}:
            raise RecipeError(f"{recipe}: nulls: no subject {name!r}")
    return settings


def runs(settings: StudyRecipe) -> list[Run]:
    """Every training, those that others begin from first."""
    found = []
    for root in settings.root:
        for subject in settings.subject:
            for seed in settings.seeds:
                found += [Run(subject.name, root.name, kind, seed) for kind in KINDS]
            if subject.name in settings.nulls:
                found += [Run(subject.name, root.name, kind, settings.seeds[0]) for kind in NULLS]
    return found


def judged(settings: StudyRecipe, samples: Sequence[Sample]) -> Judged:
    """All that any set asks for, each photograph once.

    Raises:
        RecipeError: a set has no real or no fake.
    """
    everything = [*settings.set, *(_as_set(root) for root in settings.root)]
    members: dict[str, list[Sample]] = {one.name: _members(one, samples) for one in everything}
    members |= {f"{root.name} {FITTED}": _fitted(root, samples) for root in settings.root}
    for name, own in members.items():
        for label, what in enumerate(("real", "fake")):
            if not any(sample.label == label for sample in own):
                raise RecipeError(f"{settings.name}: the set {name} has no {what}; choose other methods or sources")
    wanted = {sample.path for own in members.values() for sample in own}
    found = [replace(sample, split="test") for sample in samples if sample.path in wanted]
    place = {sample.path: number for number, sample in enumerate(found)}
    return Judged(found, {name: sorted(place[sample.path] for sample in own) for name, own in members.items()})


def is_augmented(kind: Kind) -> bool:
    """Whether a run sees the extra methods."""
    return kind in ("transfer", "merge")


def training(settings: StudyRecipe, root: RootSection, kind: Kind, samples: Sequence[Sample]) -> list[Sample]:
    """What a run of a root may learn from: photographs of its training and validation people."""
    sources = [*root.sources, *settings.extra_sources] if root.sources and is_augmented(kind) else root.sources
    own = [s for s in samples if s.split != "test" and _is_of(sources, s)]
    if kind == "permuted":
        return list(_dealt([s for s in own if not s.label or s.method in root.methods]))
    return own


def methods(settings: StudyRecipe, root: RootSection, kind: Kind) -> list[str]:
    """The fakes that a run learns from."""
    if kind == "permuted":
        return [PERMUTED]
    extra = settings.extra_methods if is_augmented(kind) else []
    return list(dict.fromkeys([*root.methods, *extra]))


def read(settings: StudyRecipe) -> list[Sample]:
    """The manifest's samples.

    Raises:
        ManifestError: it cannot be used.
        RecipeError: it lacks a method or a source that the recipe names.
    """
    samples = [
        _by_video(sample) if sample.dataset in settings.by_video else sample
        for sample in manifests.read(Path(settings.manifest))
    ]
    splits.verify(samples)
    have = {"method": {s.method for s in samples if s.label}, "source": {s.dataset for s in samples}}
    parts: list[SetSection | RootSection] = [*settings.set, *settings.root]
    asked = [("method", name) for part in parts for name in part.methods]
    asked += [("source", name) for part in parts for name in part.sources]
    asked += [("method", name) for name in settings.extra_methods]
    asked += [("source", name) for name in (*settings.extra_sources, *settings.by_video)]
    for what, name in asked:
        if name not in have[what]:
            raise RecipeError(
                f"{settings.name}: {settings.manifest} has no {what} {name!r}; it has {', '.join(sorted(have[what]))}"
            )
    return samples


def _by_video(sample: Sample) -> Sample:
    """A sample whose video stands for its people; a tenth of what is for training validates."""
    name = sample.video or str(sample.path)
    drawn = hashlib.sha256(name.encode()).digest()[0] / 256 < _VALIDATION
    split = "val" if sample.split == "train" and drawn else sample.split
    return replace(sample, identities=(f"{sample.dataset} {name}",), split=split)


def _as_set(root: RootSection) -> SetSection:
    return SetSection(name=root.name, methods=root.methods, sources=root.sources)


def _members(wanted: SetSection, samples: Sequence[Sample]) -> list[Sample]:
    """Fakes of trained people stand beside reals of others: their own were trained on, and would be known by heart."""
    own = [s for s in samples if _is_of(wanted.sources, s)]
    fakes_of = {"unseen": ("test",), "trained": ("train",), "any": manifests.SPLITS}[wanted.people]
    reals_of = manifests.SPLITS if wanted.people == "any" else ("test",)
    fakes = {s.path for s in own if s.label and s.method in wanted.methods and s.split in fakes_of}
    applied = {s.dataset for s in own if s.path in fakes}
    return [s for s in own if s.path in fakes or (not s.label and s.split in reals_of and s.dataset in applied)]


def _fitted(root: RootSection, samples: Sequence[Sample]) -> list[Sample]:
    return [
        s for s in samples if s.split == "val" and _is_of(root.sources, s) and (not s.label or s.method in root.methods)
    ]


def _is_of(sources: Sequence[str], sample: Sample) -> bool:
    return not sources or sample.dataset in sources


def _dealt(samples: Sequence[Sample]) -> Iterator[Sample]:
    """The same photographs with the labels of their split dealt at random."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        own = [sample for sample in samples if sample.split == split]
        for sample, label in zip(own, rng.permutation([sample.label for sample in own]), strict=True):
            method = PERMUTED if label else REAL_METHOD
            yield replace(sample, label=int(label), method=method, mask=None, region=None)
