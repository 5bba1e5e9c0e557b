"""``forgesight experiments``: trainings and the tables that they answer, all of one paper, from one recipe.

A trial is a training recipe with changes, on some methods of a manifest; a table judges some trials on groups of
methods, seen or not. Each trial is trained once, each is judged once on every photograph any table asks for, and every
number has its interval over people. FakeLocator's tables IV to X are such a recipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from pydantic import Field

from forgesight import config
from forgesight.config import Recipe
from forgesight.data import manifest as manifests
from forgesight.data import splits
from forgesight.detectors import cards
from forgesight.evaluation.robustness import measure
from forgesight.evaluation.table import write_table
from forgesight.processes import spread
from forgesight.study import runs, standings
from forgesight.study.attention import attention_sheet
from forgesight.study.cluster import FIGURE, RECORD, cluster
from forgesight.study.robustness import curves, numbers
from forgesight.training.recipe import TrainRecipe
from forgesight.types import ForgesightError, Image, RecipeError

TABLE = "experiments.parquet"
METRICS = (
    *("accuracy", "real_accuracy", "fake_accuracy", "auc", "eer"),
    *(
        "coss",
        "psnr",
        "ssim",
        "iou",
        "dice",
        "pbca",
        "iinc",
        "recall",
        "area",
        "coss_inside",
        "psnr_inside",
        "ssim_inside",
    ),
)


class Trial(Recipe):
    """One training."""

    name: str
    recipe: str  # relative to the experiments' own file
    methods: list[str] = Field(min_length=1)  # trained on
    set: list[str] = Field(default_factory=list)  # "a.b=c", laid over the common ones
    after: str = ""  # an earlier trial, whose weights this one begins from


class Sheet(Recipe):
    """One table: trials down, and for each of them the groups of methods that it is judged on."""

    title: str
    text: str = ""
    trials: list[str] = Field(min_length=1)
    judged: dict[str, list[str]] = Field(min_length=1)  # what a group is called -> its methods
    metrics: list[str] = Field(default_factory=lambda: ["accuracy", "auc"], min_length=1)
    small: float | None = Field(None, gt=0, le=1)  # only fakes whose forged area is below this share of the crop
    clustered: bool = False  # also the accuracy by clusters of features and one known photograph, ten draws


class TrialsRecipe(Recipe):
    """All trials and tables of a page."""

    name: str
    manifest: str
    trial: list[Trial] = Field(min_length=1)
    table: list[Sheet] = Field(min_length=1)
    common: list[str] = Field(default_factory=list)
    limit: int | None = Field(None, ge=1)  # judged: at most so many reals, and so many fakes of each method
    shown: list[str] = Field(default_factory=list)  # trials whose maps are drawn, of people who may be shown
    shown_methods: list[str] = Field(default_factory=list)
    degraded: str = ""  # the trial that is also measured under degradation
    degraded_methods: list[str] = Field(default_factory=list)
    title: str = "Experiments"
    discussion: str = ""  # printed on the page as it stands, and marked as written by hand


class Job(NamedTuple):
    """What one process does: a trial, trained and judged."""

    recipe: Path
    overrides: tuple[str, ...]
    out: Path
    trial: str


class Found(NamedTuple):
    """All that a page shows."""

    table: pl.DataFrame  # a row for each number
    curves: pl.DataFrame | None
    maps: Image | None
    clusters: dict[str, Path]  # title of a table -> the figure of its first clustering


def experiments(
    recipe: Path,
    out: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    jobs: int = 1,
    page_file: Path | None = None,
    progress: bool = True,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Train and judge what was not yet, ``jobs`` at once, write ``out/experiments.csv`` (and Parquet) and the page.

    A stopped run goes on. ``only`` names trials; the others are not trained now, and tables leave out what was never
    trained.

    Raises:
        RecipeError: a recipe does not fit, or a table names what is not there.
    """
    settings = config.load(recipe, TrialsRecipe, overrides)
    out = out or Path("out") / settings.name
    _check(settings, recipe, only)
    if jobs > 1:
        waiting = [
            Job(recipe, tuple(overrides), out, trial.name)
            for trial in settings.trial
            if not trial.after and (not only or trial.name in only)
        ]
        for line in spread(_alone, waiting, jobs):
            say(line)
    folders: dict[str, Path] = {}
    for trial in settings.trial:
        if trial.after and trial.after not in folders:
            continue  # nothing to begin from yet
        folder, train = _planned(settings, trial, recipe, out, folders, progress)
        if only and trial.name not in only and not (folder / cards.FILE).exists():
            continue
        say(f"{trial.name}: {runs.trained(folder, train)}")
        folders[trial.name] = folder
    judged = {name: _judged(settings, name, folder, out, progress) for name, folder in folders.items()}
    rows: list[dict[str, Any]] = []
    figures: dict[str, Path] = {}
    for sheet in settings.table:
        for name in (name for name in sheet.trials if name in folders):
            for group, methods in sheet.judged.items():
                part = _part(judged[name], methods, sheet.small)
                if not part.filter(label=1).height:
                    continue  # no fake so small, or none with a face
                named = {"table": sheet.title, "trial": name, "judged": group}
                counts = {"n_real": part.filter(label=0).height, "n_fake": part.filter(label=1).height}
                for metric, interval in numbers(part).items():
                    rows.append({**named, "metric": metric, **interval._asdict(), **counts})
                if sheet.clustered:
                    folder = out / "clusters" / f"{folders[name].name}-{'-'.join(methods)}"
                    rows.append({**named, **_clustered(settings, folders[name], folder, methods), **counts})
                    figures.setdefault(sheet.title, folder / FIGURE)
    if not rows:
        raise ForgesightError(f"{out}: no trial of a table is trained, or no fake of one could be judged")
    table = pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    if page_file is not None:
        from forgesight.study import trials_page

        degraded = _degraded(settings, folders, out, progress)
        found = Found(table, degraded, _maps(settings, folders), figures)
        trials_page.write(page_file, settings, found, tuple(command))
    return (out / TABLE).with_suffix(".csv")


def _alone(job: Job, threads: int) -> str:
    """A trial that begins from no other, in a process of its own; what fails is tried again for the tables."""
    import torch

    torch.set_num_threads(threads)
    settings = config.load(job.recipe, TrialsRecipe, job.overrides)
    settings.common.append(f"trainer.threads={threads}")
    trial = next(one for one in settings.trial if one.name == job.trial)
    try:
        folder, train = _planned(settings, trial, job.recipe, job.out, {}, progress=False)
        said = runs.trained(folder, train)
        _judged(settings, trial.name, folder, job.out, progress=False, workers=0)
    except runs.FAILURES as error:
        said = runs.why(error)
    return f"{trial.name}: {said}"


def _planned(
    settings: TrialsRecipe, trial: Trial, recipe: Path, out: Path, folders: Mapping[str, Path], progress: bool
) -> tuple[Path, Callable[[bool], object]]:
    """The folder of a trial's run, named by what decides it, and what trains it."""
    manifest = Path(settings.manifest)
    given = [f"data.path={json.dumps(settings.manifest)}", f"data.methods={json.dumps(trial.methods)}"]
    if trial.after:
        given.append(f"net.init={json.dumps(str(folders[trial.after]))}")  # its name holds the hash of what made it
    overrides = (*settings.common, *trial.set, *given)
    path = recipe.parent / trial.recipe
    key = runs.key(config.load(path, TrainRecipe, overrides), runs.data_digest(manifest, trial.methods))
    folder = out / "runs" / f"{trial.name}-{key[:12]}"

    def train(resume: bool) -> object:
        from forgesight.training.run import train as run_training

        return run_training(path, folder, overrides, resume=resume, progress=progress)

    return folder, train


def _judged(
    settings: TrialsRecipe, name: str, folder: Path, out: Path, progress: bool, workers: int | None = None
) -> pl.DataFrame:
    """The undamaged rows of a trial on every method that a table judges it on."""
    asked = {m for sheet in settings.table if name in sheet.trials for group in sheet.judged.values() for m in group}
    if not asked:
        return pl.DataFrame()
    options: dict[str, Any] = {"operators": (), "disorganised": False, "limit": settings.limit}
    options |= {"progress": progress, "workers": workers}
    file = measure(Path(settings.manifest), folder, out / "judged" / folder.name, methods=sorted(asked), **options)
    return pl.read_parquet(file.read_bytes())


def _part(rows: pl.DataFrame, methods: Sequence[str], small: float | None) -> pl.DataFrame:
    """The fakes of some methods, and the reals of the sources that these were applied to."""
    good = rows.filter(pl.col("status") == "ok")
    if small is not None:
        good = good.filter((pl.col("label") == 0) | ((pl.col("forged_area") > 0) & (pl.col("forged_area") < small)))
    return good.filter(standings.against(good, methods))


def _clustered(settings: TrialsRecipe, folder: Path, out: Path, methods: Sequence[str]) -> dict[str, Any]:
    asked = {"sha256": manifests.digest(Path(settings.manifest)), "methods": list(methods), "limit": settings.limit}
    known = json.loads((out / RECORD).read_text(encoding="utf-8")) if (out / RECORD).exists() else {}
    if {name: known.get(name) for name in asked} != asked:
        file = cluster(folder, Path(settings.manifest), out, methods=methods, limit=settings.limit)
        known = json.loads(file.read_text(encoding="utf-8"))
    found = known["accuracy"]
    return {"metric": "clustered", "value": found["mean"], "low": found["lowest"], "high": found["highest"]}


def _degraded(settings: TrialsRecipe, folders: dict[str, Path], out: Path, progress: bool) -> pl.DataFrame | None:
    if settings.degraded not in folders:
        return None
    folder = folders[settings.degraded]
    options: dict[str, Any] = {"methods": settings.degraded_methods, "limit": settings.limit, "progress": progress}
    file = measure(Path(settings.manifest), folder, out / "degraded" / folder.name, **options)
    return curves(pl.read_parquet(file.read_bytes()))


def _maps(settings: TrialsRecipe, folders: dict[str, Path]) -> Image | None:
    detectors = [(name, folders[name]) for name in settings.shown if name in folders]
    if not detectors:
        return None
    samples = [s for s in manifests.read(Path(settings.manifest)) if s.label and s.split == "test"]
    chosen = [s for m in settings.shown_methods for s in samples if m in s.kinds]
    return attention_sheet(chosen, detectors, each=2)


def _check(settings: TrialsRecipe, recipe: Path, only: Sequence[str]) -> None:
    samples = manifests.read(Path(settings.manifest))
    splits.verify(samples)
    have = {kind for sample in samples if sample.label for kind in sample.kinds}
    trials = [trial.name for trial in settings.trial]
    if len(set(trials)) < len(trials):
        raise RecipeError(f"{recipe}: two trials have one name")
    for number, trial in enumerate(settings.trial):
        if trial.after and trial.after not in trials[:number]:
            raise RecipeError(f"{recipe}: {trial.name}: no trial {trial.after!r} before it to begin from")
    asked = [(trial.name, method) for trial in settings.trial for method in trial.methods]
    asked += [(sheet.title, m) for sheet in settings.table for group in sheet.judged.values() for m in group]
    asked += [("shown_methods", m) for m in settings.shown_methods]
    asked += [("degraded_methods", m) for m in settings.degraded_methods]
    for where, method in asked:
        if method not in have:
            raise RecipeError(f"{recipe}: {where}: {settings.manifest} has no fake of the method {method!r}")
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
