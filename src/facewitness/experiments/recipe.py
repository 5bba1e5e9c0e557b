"""The recipe of an experiment: runs to train, sets to judge them on, and the sections of a report.

A run, a set or a section may be written once for many: ``[matrix]`` names axes, each a list of tables, and a string
such as ``"{detector.name}"`` stands for a field of each. An entry that mentions axes is repeated for every combination
of their values. A string that is nothing but a placeholder takes the value as it is; a list in a list is flattened.
``{seed}`` stays, and is filled in for each seed of a run.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from facewitness import config
from facewitness.config import Recipe
from facewitness.experiments.sections import Section
from facewitness.types import RecipeError

Kind = Literal["train", "search", "lae", "finetune"]
_PLACEHOLDER = re.compile(r"\{(\w+)\.(\w+)\}")


class RunSection(Recipe):
    """One training, or one for each seed.

    ``kind`` says which: ``train`` a detector; ``search`` for ADD's cells; ``lae``, stage 1 of LAE; ``finetune``, its
    stage 2, on top of ``from``.
    """

    name: str
    kind: Kind = "train"
    recipe: str = ""  # of the training, relative to this file; a finetuning has that of its stage 1
    set: list[str] = Field(default_factory=list)  # "a.b=c", laid over ``common`` of the kind
    methods: list[str] = Field(default_factory=list)  # fakes to learn from
    sources: list[str] = Field(default_factory=list)  # ``dataset`` of the photographs to learn from; empty: all
    manifest: str = ""  # the experiment's, if empty
    labels: Literal["true", "permuted"] = "true"  # permuted: dealt at random, as a null case
    seeds: list[int] | None = None  # the experiment's if left out; empty: that of the training recipe
    begins_from: str = Field("", alias="from")  # a run whose weights initialize this one: same seed, or its first
    cells: str = ""  # a search, whose cells are the net's
    parameters: int | None = Field(None, ge=1)  # the net gets the most channels with which it has no more than these
    masks: int = Field(0, ge=0)  # of a finetuning: so many answered by the manifest
    choice: Literal["active", "random"] = "active"  # of the photographs that get a mask
    folder: str = ""  # name of the run's folder before its hash; name and seed if empty
    label: str = ""  # name in tables; ``name`` if empty
    reported: str = ""  # figures that papers give, for the report
    group: dict[str, str] = Field(default_factory=dict)  # further names for analyses, such as root and kind


class SetSection(Recipe):
    """Photographs to judge: fakes of some methods, and reals of the sources that these were applied to."""

    name: str
    methods: list[str] = Field(min_length=1)
    sources: list[str] = Field(default_factory=list)  # empty: all
    people: Literal["unseen", "trained", "validation", "any"] = "unseen"
    """In the fakes: those of the split ``test``; of ``train`` (the reals beside them are of ``test``); of ``val``; or
    all, which is for a source that nothing learns from."""


class ExperimentRecipe(Recipe):
    """An experiment after its matrix was expanded."""

    name: str
    title: str
    manifest: str
    judged: str = ""  # the manifest that runs are judged on; the one that each learns from, if empty
    seeds: list[int] = Field(default_factory=lambda: [1], min_length=1)
    common: dict[Kind, list[str]] = Field(default_factory=dict)  # "a.b=c" laid over every recipe of a kind of run
    run: list[RunSection] = Field(min_length=1)
    set: list[SetSection] = Field(default_factory=list)
    section: list[Annotated[Section, Field(discriminator="kind")]] = Field(default_factory=list)
    limit: int | None = Field(None, ge=1)  # judged maps: at most so many reals, and so many fakes of each method
    by_video: list[str] = Field(default_factory=list)  # sources whose official splits divide videos, not people
    named_by_path: bool = False  # the whole path of the initial weights decides a run's name, not its last part


def load(recipe: Path, overrides: Sequence[str] = ()) -> ExperimentRecipe:
    """Read an experiment's recipe, expand its matrix, and check every name in it that needs no data.

    Raises:
        RecipeError: the recipe cannot be read or does not fit, or a name stands for nothing or for two things.
    """
    data = config.read(recipe, overrides)
    matrix = data.pop("matrix", {})
    for part in ("run", "set", "section"):
        data[part] = [one for entry in data.get(part, []) for one in expand(entry, matrix, f"{recipe}: {part}")]
    settings = config.validate(data, ExperimentRecipe, f"recipe {recipe}")
    _check(settings, recipe)
    return settings


def expand(entry: Any, matrix: Mapping[str, Sequence[Mapping[str, Any]]], where: str) -> Iterator[Any]:
    """Yield an entry once for each combination of values of the axes that it mentions.

    Raises:
        RecipeError: it mentions an axis or a field that the matrix does not have.
    """
    axes = list(dict.fromkeys(_PLACEHOLDER.findall(json.dumps(entry))))
    names = list(dict.fromkeys(axis for axis, _ in axes))
    for name in names:
        if name not in matrix:
            raise RecipeError(f"{where}: no axis {name!r} in the matrix; it has {', '.join(matrix) or 'none'}")
    for values in product(*(matrix[name] for name in names)):
        chosen = dict(zip(names, values, strict=True))
        for axis, field in axes:
            if field not in chosen[axis]:
                raise RecipeError(f"{where}: matrix.{axis} has an entry without {field!r}")
        yield _filled(entry, chosen)


def _filled(value: Any, chosen: Mapping[str, Mapping[str, Any]]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, chosen) for key, part in value.items()}
    if isinstance(value, list):
        parts = [(_filled(part, chosen), isinstance(part, str)) for part in value]
        return [one for part, was_text in parts for one in (part if was_text and isinstance(part, list) else [part])]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole:
        return chosen[whole[1]][whole[2]]

    def text(match: re.Match[str]) -> str:
        found = chosen[match[1]][match[2]]
        return found if isinstance(found, str) else json.dumps(found)

    return _PLACEHOLDER.sub(text, value)


def _check(settings: ExperimentRecipe, recipe: Path) -> None:
    runs = {run.name: run for run in settings.run}
    known = {"run": list(runs), "set": sorted({one.name for one in settings.set})}
    for what, entries in (("run", settings.run), ("set", settings.set)):
        if len(known[what]) < len(entries):
            twice, _ = Counter(one.name for one in entries).most_common(1)[0]
            raise RecipeError(f"{recipe}: two entries have one name: {what} {twice!r}")
    before: set[str] = set()
    for run in settings.run:
        _check_run(run, runs, before, recipe)
        before.add(run.name)
    for section in settings.section:
        for what, names in (("run", section.run_names()), ("set", section.set_names())):
            for name in names:
                if name not in known[what]:
                    have = ", ".join(known[what])
                    raise RecipeError(f"{recipe}: {section.where()}: no {what} {name!r}; there are {have}")


def _check_run(run: RunSection, runs: Mapping[str, RunSection], before: set[str], recipe: Path) -> None:
    if run.begins_from and run.begins_from not in before:
        raise RecipeError(f"{recipe}: {run.name}: no run {run.begins_from!r} before it to initialize it from")
    if run.cells and (run.cells not in before or runs[run.cells].kind != "search"):
        raise RecipeError(f"{recipe}: {run.name}: no search {run.cells!r} before it whose cells it could take")
    if run.kind == "finetune":
        if not run.begins_from or runs[run.begins_from].kind != "lae":
            raise RecipeError(f"{recipe}: {run.name}: a finetuning is initialized from a run of the kind 'lae'")
        if not run.masks:
            raise RecipeError(f"{recipe}: {run.name}: a finetuning needs masks: say how many")
    elif not run.recipe:
        raise RecipeError(f"{recipe}: {run.name}: name its training recipe")
    elif not run.methods and run.labels == "true":
        raise RecipeError(f"{recipe}: {run.name}: name the methods that it learns from")
