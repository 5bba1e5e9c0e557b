"""LAE's experiments (tables 3 to 6 and figure 5 of the paper): every run once, all in one table and on one page.

For each task a method is seen and another, of the same kind, is not. Stage 1 is trained once for each task and seed;
stage 2 goes on from it, once for each number of masks and way of choosing them. Masks are answered by the manifest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pydantic import Field

from forgesight import config
from forgesight.config import Recipe
from forgesight.data import manifest as manifests
from forgesight.evaluation.run import score
from forgesight.evaluation.table import write_table
from forgesight.study import runs, standings
from forgesight.study.attention import attention_sheet
from forgesight.study.compare import CompareRecipe, Contestant, compare, plan
from forgesight.training.lae.recipe import LaeRecipe
from forgesight.types import Image, RecipeError

TABLE = "experiments.parquet"
STAGE_ONE = "LAE, no masks"


class Task(Recipe):
    """One column of table 3."""

    name: str
    seen: str
    unseen: str


class ExperimentsRecipe(Recipe):
    """All that is run. Overrides are "a.b=c"."""

    name: str
    manifest: str
    stage_one: str  # a recipe of LAE, relative to this file
    common: list[str] = Field(default_factory=list)  # laid over it
    seeds: list[int] = Field(default_factory=lambda: [1, 2, 3], min_length=1)
    task: list[Task] = Field(min_length=1)
    masks: list[int] = Field(default_factory=list)  # table 3: one LAE for each
    curve_task: str = ""  # figure 5: the task for which masks are also chosen at random; "": none
    ablations: dict[str, list[str]] = Field(default_factory=dict)  # tables 4 and 5: other stages 1, of the curve's task
    ablation_seeds: list[int] = Field(default_factory=list)  # the others', if empty: each is a stage 1 of its own
    weights: dict[str, list[str]] = Field(default_factory=dict)  # table 6: other stages 2, with the most masks
    baselines: list[Contestant] = Field(default_factory=list)  # table 3's other rows
    baselines_common: list[str] = Field(default_factory=list)
    looked_at: list[str] = Field(
        default_factory=list
    )  # baselines whose Grad-CAM stands beside LAE's map in figures 3, 4
    title: str = "LAE: right for the right reason"
    discussion: str = ""


class Row(NamedTuple):
    """One model of one task: what it is called, and the folder of each of its seeds."""

    task: str
    label: str
    kind: str  # "table 3", "figure 5", "table 4", "table 6"
    masks: int
    choice: str
    folders: list[Path]  # runs, one for each seed


class Lab:
    """Trains and judges, each once; ``say`` is told of what is done."""

    def __init__(
        self, settings: ExperimentsRecipe, recipe: Path, out: Path, *, progress: bool, say: Callable[[str], None]
    ) -> None:
        self.settings, self.out, self.progress, self.say = settings, out, progress, say
        self.stage_one = recipe.parent / settings.stage_one
        self.manifest = Path(settings.manifest)
        self.kept = runs.KeptCuts()
        self.digests = {task.name: runs.data_digest(self.manifest, [task.seen]) for task in settings.task}

    def first(self, task: Task, seed: int, overrides: Sequence[str] = ()) -> Path:
        """Stage 1 of a task with a seed."""
        given = [f"data.path={json.dumps(str(self.manifest))}", f"data.methods={json.dumps([task.seen])}"]
        every = (*self.settings.common, *overrides, *given, f"seed={seed}", f"name={task.name}")
        settings = config.load(self.stage_one, LaeRecipe, every)
        key = runs.key(settings, self.digests[task.name])
        folder = self.out / "runs" / f"{task.name}-{seed}-{key[:12]}"
        from forgesight.training.lae.run import train

        done = runs.trained(
            folder, lambda resume: train(self.stage_one, folder, every, resume=resume, progress=self.progress)
        )
        self.say(f"{folder.name}: {done}")
        return folder

    def second(self, first: Path, masks: int, choice: str, overrides: Sequence[str] = ()) -> Path:
        """Stage 2 on top of a stage 1."""
        changed = hashlib.sha256(json.dumps(sorted(overrides)).encode()).hexdigest()
        suffix = f"-{changed[:8]}" if overrides else ""
        folder = first.parent / f"{first.name}-{choice}-{masks}{suffix}"
        from forgesight.training.lae.run import finetune

        every = (*overrides, f"ask.choice={choice}")

        def anew(resume: bool) -> None:
            if resume:  # stage 2 is minutes, and does not go on from an epoch
                shutil.rmtree(folder)
            finetune(first, folder, oracle=masks, overrides=every, progress=self.progress)

        self.say(f"{folder.name}: {runs.trained(folder, anew)}")
        return folder

    def scores(self, folder: Path, task: Task) -> pl.DataFrame:
        """The judgement of a run on its task's two methods."""
        out = self.out / "scores" / folder.name
        wanted = [task.seen, task.unseen]
        file = score(self.manifest, folder, out, methods=wanted, progress=self.progress, cutter=self.kept)
        return pl.read_parquet(file.read_bytes())

    def rows(self) -> Iterator[Row]:
        """Every model, trained."""
        settings = self.settings
        for task in settings.task:
            firsts = [self.first(task, seed) for seed in settings.seeds]
            yield Row(task.name, STAGE_ONE, "table 3", 0, "", firsts)
            for count in settings.masks:
                tuned = [self.second(first, count, "active") for first in firsts]
                yield Row(task.name, f"LAE, {count} masks", "table 3", count, "active", tuned)
            if task.name == settings.curve_task:
                yield from self._curve(task, firsts)

    def _curve(self, task: Task, firsts: Sequence[Path]) -> Iterator[Row]:
        settings = self.settings
        for count in settings.masks:
            tuned = [self.second(first, count, "random") for first in firsts]
            yield Row(task.name, f"{count} masks, random", "figure 5", count, "random", tuned)
        for label, overrides in settings.ablations.items():
            others = [self.first(task, seed, overrides) for seed in settings.ablation_seeds or settings.seeds]
            yield Row(task.name, label, "table 4", 0, "", others)
        for label, overrides in settings.weights.items():
            most = max(settings.masks)
            tuned = [self.second(first, most, "active", overrides) for first in firsts]
            yield Row(task.name, label, "table 6", most, "active", tuned)


def experiments(
    recipe: Path,
    out: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    page_file: Path | None = None,
    progress: bool = True,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Run what was not run, and write ``out/experiments.csv`` (and Parquet) and the page.

    Raises:
        RecipeError: the recipe does not fit, or the manifest lacks a method it names.
    """
    settings = config.load(recipe, ExperimentsRecipe, overrides)
    out = out or Path("out") / settings.name
    _check(settings)
    lab = Lab(settings, recipe, out, progress=progress, say=say)
    tasks = {task.name: task for task in settings.task}
    found: list[pl.DataFrame] = []
    models: list[Row] = []
    for row in lab.rows():
        models.append(row)
        task = tasks[row.task]
        tables = [lab.scores(folder, task) for folder in row.folders]
        numbers = pl.DataFrame(standings.standing(row.label, tables, [task.seen]), standings.SCHEMA)
        found.append(numbers.with_columns(task=pl.lit(row.task), kind=pl.lit(row.kind), masks=pl.lit(row.masks)))
    found += [_baselines(settings, recipe, out, task, progress=progress, say=say) for task in settings.task]
    table = pl.concat([part for part in found if part.height], how="diagonal").with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    if page_file is not None:
        from forgesight.study import lae_page

        sheets = {task.name: _looks(settings, recipe, out, task, models) for task in settings.task}
        text = lae_page.Text(settings.title, settings.discussion, tuple(command))
        lae_page.write(page_file, table, settings.task, sheets, text, lab.manifest)
    return (out / TABLE).with_suffix(".csv")


def _baselines(
    settings: ExperimentsRecipe, recipe: Path, out: Path, task: Task, *, progress: bool, say: Callable[[str], None]
) -> pl.DataFrame:
    """The other detectors of table 3, by a comparison of their own for each task."""
    if not settings.baselines:
        return pl.DataFrame()
    folder = out / "baselines" / task.name
    compare(recipe, folder, settings=_contest(settings, task), progress=progress, say=say)
    table = pl.read_parquet((folder / standings.TABLE).read_bytes())
    return table.with_columns(task=pl.lit(task.name), kind=pl.lit("table 3"), masks=pl.lit(0))


def _contest(settings: ExperimentsRecipe, task: Task) -> CompareRecipe:
    return CompareRecipe(
        name=f"{settings.name}-{task.name}",
        manifest=settings.manifest,
        seen=[task.seen],
        judged=[task.seen, task.unseen],
        seeds=settings.seeds,
        common=settings.baselines_common,
        detector=settings.baselines,
    )


def _looks(settings: ExperimentsRecipe, recipe: Path, out: Path, task: Task, models: Sequence[Row]) -> Image | None:
    """Where LAE looks before and after stage 2, and where the baselines do: held-out fakes, the first seed of each."""
    shown = [row for row in models if row.task == task.name and row.kind == "table 3"]
    detectors = [(row.label, row.folders[0]) for row in (shown[0], shown[-1])]
    if settings.looked_at:
        planned = plan(_contest(settings, task), recipe, out / "baselines" / task.name)
        first = {run.detector: run.folder for run in reversed(planned)}
        detectors += [(f"{name}, Grad-CAM", first[name]) for name in settings.looked_at]
    fakes = [s for s in manifests.read(Path(settings.manifest)) if s.label and s.split == "test"]
    return attention_sheet([s for m in (task.seen, task.unseen) for s in fakes if s.method == m], detectors)


def _check(settings: ExperimentsRecipe) -> None:
    have = {sample.method for sample in manifests.read(Path(settings.manifest)) if sample.label}
    for task in settings.task:
        for method in (task.seen, task.unseen):
            if method not in have:
                raise RecipeError(f"task {task.name}: {settings.manifest} has no fake of the method {method!r}")
    names = [task.name for task in settings.task]
    for name in settings.looked_at:
        if name not in [Path(one.recipe).stem for one in settings.baselines]:
            raise RecipeError(f"looked_at: no baseline's recipe is called {name!r}")
    if settings.curve_task and settings.curve_task not in names:
        raise RecipeError(f"curve_task: no task {settings.curve_task!r}; there are {', '.join(names)}")
    if (settings.ablations or settings.weights) and not settings.curve_task:
        raise RecipeError("ablations and weights are of the curve_task: name one")
