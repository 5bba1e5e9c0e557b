"""What a page of experiments is made of, as data: searches, trials and tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from facewitness.config import Recipe
from facewitness.data import manifest as manifests
from facewitness.data import splits
from facewitness.types import RecipeError

METRICS = (
    *("accuracy", "real_accuracy", "fake_accuracy", "auc", "eer"),
    *("coss", "psnr", "ssim", "iou", "dice", "pbca", "iinc", "recall", "area", "hull_iou"),
    *("coss_inside", "psnr_inside", "ssim_inside"),
)


class Search(Recipe):
    """One search of cells."""

    name: str
    recipe: str  # relative to the experiments' own file
    methods: list[str] = Field(min_length=1)
    set: list[str] = Field(default_factory=list)
    manifest: str = ""  # trained and judged on; the experiments' own, if empty


class Trial(Search):
    """One training, or one for each seed."""

    after: str = ""  # an earlier trial, whose weights this one begins from: those of its first seed
    cells: str = ""  # a search, whose cells are the net's
    parameters: int | None = Field(None, ge=1)  # the net gets the most channels with which it has no more than these
    seeds: list[int] = Field(default_factory=list)  # the recipe's own, if empty


class Sheet(Recipe):
    """One table: trials down, and for each of them the groups of methods that it is judged on."""

    title: str
    text: str = ""
    trials: list[str] = Field(min_length=1)
    judged: dict[str, list[str]] = Field(min_length=1)  # what a group is called -> its methods
    metrics: list[str] = Field(default_factory=lambda: ["accuracy", "auc"], min_length=1)
    small: float | None = Field(None, gt=0, le=1)  # only fakes whose forged area is below this share of the crop
    mean_map: bool = False  # also the mean fakeness of each group's own training fakes, as a map to beat
    clustered: bool = False  # also the accuracy by clusters of features and one known photograph, ten draws


class TrialsRecipe(Recipe):
    """All trials and tables of a page."""

    name: str
    manifest: str
    search: list[Search] = Field(default_factory=list)
    trial: list[Trial] = Field(min_length=1)
    table: list[Sheet] = Field(min_length=1)
    common: list[str] = Field(default_factory=list)  # of all trials
    limit: int | None = Field(None, ge=1)  # judged: at most so many reals, and so many fakes of each method
    degraded_limit: int | None = Field(None, ge=1)  # the same of what is measured under degradation
    shown: list[str] = Field(default_factory=list)  # trials whose maps are drawn, of people who may be shown
    shown_methods: list[str] = Field(default_factory=list)
    degraded: str = ""  # the trial that is also measured under degradation
    degraded_methods: list[str] = Field(default_factory=list)
    title: str = "Experiments"
    discussion: str = ""  # printed on the page as it stands, and marked as written by hand


def check(settings: TrialsRecipe, recipe: Path, only: Sequence[str]) -> None:
    """See that every name of a recipe, and of ``only``, is there, and every method in its manifest.

    Raises:
        RecipeError: one is not.
    """
    trials = {trial.name: trial for trial in settings.trial}
    if len(trials) < len(settings.trial):
        raise RecipeError(f"{recipe}: two trials have one name")
    before: set[str] = set()
    for trial in settings.trial:
        if trial.after and trial.after not in before:
            raise RecipeError(f"{recipe}: {trial.name}: no trial {trial.after!r} before it to begin from")
        if trial.cells and trial.cells not in [one.name for one in settings.search]:
            raise RecipeError(f"{recipe}: {trial.name}: no search {trial.cells!r} whose cells it could take")
        before.add(trial.name)
    named = [(sheet.title, name) for sheet in settings.table for name in sheet.trials]
    named += [("shown", name) for name in settings.shown]
    named += [("degraded", settings.degraded)] if settings.degraded else []
    for where, name in [*named, *(("only", name) for name in only)]:
        if name not in trials:
            raise RecipeError(f"{recipe}: {where}: no trial {name!r}; there are {', '.join(trials)}")
    for sheet in settings.table:
        for metric in sheet.metrics:
            if metric not in METRICS:
                raise RecipeError(f"{recipe}: {sheet.title}: no metric {metric!r}; there are {', '.join(METRICS)}")
    whole = Search(name="", recipe="", methods=[""])  # stands for the experiments' own manifest
    asked = [(one, one.name, method) for one in (*settings.search, *settings.trial) for method in one.methods]
    for sheet in settings.table:
        methods = [method for group in sheet.judged.values() for method in group]
        asked += [(trials[name], sheet.title, method) for name in sheet.trials for method in methods]
    asked += [(whole, "shown_methods", method) for method in settings.shown_methods]
    asked += [(whole, "degraded_methods", method) for method in settings.degraded_methods]
    kinds = {manifest: _kinds(manifest) for manifest in {manifest_of(settings, one) for one, _, _ in asked}}
    for one, where, method in asked:
        manifest = manifest_of(settings, one)
        if method not in kinds[manifest]:
            raise RecipeError(f"{recipe}: {where}: {manifest} has no fake of the method {method!r}")


def manifest_of(settings: TrialsRecipe, one: Search) -> Path:
    """What a search or a trial is trained and judged on."""
    return Path(one.manifest or settings.manifest)


def _kinds(manifest: Path) -> set[str]:
    samples = manifests.read(manifest)
    splits.verify(samples)
    return manifests.kinds(samples)
