"""LAE's experiments (tables 3 to 6 and figure 5 of the paper): every run once, all in one table and on one page.

For each task a method is seen and another, of the same kind, is not. Stage 1 is trained once for each task and seed;
stage 2 goes on from it, once for each number of masks and way of choosing them. Masks are answered by the manifest.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from facewitness import config
from facewitness.compute.pool import map_unordered
from facewitness.config import Recipe
from facewitness.data import manifest as manifests
from facewitness.evaluation.attention import attention_sheet
from facewitness.evaluation.evaluate import score
from facewitness.evaluation.table import write_table
from facewitness.experiments import runs, standings
from facewitness.experiments.compare import CompareRecipe, Contestant, compare, plan
from facewitness.metrics.detection import balanced_accuracy_weighted
from facewitness.training.lae.recipe import LaeRecipe
from facewitness.training.recipe import TrainRecipe
from facewitness.types import Image, RecipeError

TABLE = "experiments.parquet"
GAINS = "gains.parquet"
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
    stage_two: list[str] = Field(default_factory=list)  # laid over every stage 2
    seeds: list[int] = Field(default_factory=lambda: [1, 2, 3], min_length=1)
    task: list[Task] = Field(min_length=1)
    masks: list[int] = Field(default_factory=list)  # table 3: one LAE for each
    curve_task: str = ""  # figure 5: the task for which masks are also chosen at random; "": none
    ablations: dict[str, list[str]] = Field(default_factory=dict)  # tables 4 and 5: other stages 1, of the curve's task
    ablation_seeds: list[int] = Field(default_factory=list)  # the others', if empty: each is a stage 1 of its own
    weights: dict[str, list[str]] = Field(default_factory=dict)  # table 6: other stages 2, with the most masks
    controls: dict[str, list[str]] = Field(default_factory=dict)  # stages 2 of every task and seed that need no mask
    remedies: dict[str, list[str]] = Field(default_factory=dict)  # as ``weights``, but of every task
    remedy_seeds: list[int] = Field(default_factory=list)  # of these and of ``weights``; all seeds, if empty
    baselines: list[Contestant] = Field(default_factory=list)  # table 3's other rows
    baselines_common: list[str] = Field(default_factory=list)
    looked_at: list[str] = Field(
        default_factory=list
    )  # baselines whose Grad-CAM stands beside LAE's map in figures 3, 4
    title: str = "LAE: right for the right reason"
    discussion: str = ""


class Second(NamedTuple):
    """One stage 2 of a task."""

    label: str
    kind: str  # see ``Row``
    masks: int
    choice: str
    seeds: Sequence[int]  # of the stages 1 that it goes on from
    overrides: tuple[str, ...] = ()


class Row(NamedTuple):
    """One model of one task: what it is called, and the folder of each of its seeds."""

    task: str
    label: str
    kind: str  # "table 3", "control", "remedies", "figure 5", "table 4", "table 6"
    masks: int
    folders: dict[int, Path]  # seed -> run


class Lab:
    """Trains and judges, each once; ``say`` is told of what is done."""

    def __init__(
        self,
        settings: ExperimentsRecipe,
        recipe: Path,
        out: Path,
        *,
        progress: bool,
        say: Callable[[str], None],
        threads: int | None = None,
    ) -> None:
        self.settings, self.out, self.progress, self.say = settings, out, progress, say
        self.threads = [f"trainer.threads={threads}"] if threads else []
        self.stage_one = recipe.parent / settings.stage_one
        self.manifest = Path(settings.manifest)
        self.kept = runs.CropCache()
        self.digest = functools.cache(lambda seen: runs.data_digest(self.manifest, [seen]))

    def first(self, task: Task, seed: int, overrides: Sequence[str] = ()) -> Path:
        """Stage 1 of a task with a seed."""
        given = [f"data.path={json.dumps(str(self.manifest))}", f"data.methods={json.dumps([task.seen])}"]
        every = (*self.settings.common, *overrides, *self.threads, *given, f"seed={seed}", f"name={task.name}")
        settings = config.load(self.stage_one, LaeRecipe, every)
        key = runs.key(settings, self.digest(task.seen))
        folder = self.out / "runs" / f"{task.name}-{seed}-{key[:12]}"
        from facewitness.training.lae.run import train

        done = runs.trained(
            folder, lambda resume: train(self.stage_one, folder, every, resume=resume, progress=self.progress)
        )
        self.say(f"{folder.name}: {done}")
        return folder

    def second(self, first: Path, asked: Second) -> Path:
        """Stage 2 on top of a stage 1."""
        changed = runs.short(*sorted((*self.settings.stage_two, *asked.overrides)))
        folder = first.parent / f"{first.name}-{asked.choice}-{asked.masks}-{changed[:8]}"
        from facewitness.training.lae.run import finetune

        every = (*self.settings.stage_two, *asked.overrides, *self.threads, f"ask.choice={asked.choice}")

        def anew(resume: bool) -> None:
            if resume:  # stage 2 is minutes, and does not go on from an epoch
                shutil.rmtree(folder)
            finetune(first, folder, oracle=asked.masks, overrides=every, progress=self.progress)

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
            firsts = {seed: self.first(task, seed) for seed in settings.seeds}
            yield Row(task.name, STAGE_ONE, "table 3", 0, firsts)
            for asked in self.seconds(task):
                tuned = {seed: self.second(firsts[seed], asked) for seed in asked.seeds}
                yield Row(task.name, asked.label, asked.kind, asked.masks, tuned)
            for label, overrides in self.ablations(task).items():
                others = {seed: self.first(task, seed, overrides) for seed in self.ablation_seeds}
                yield Row(task.name, label, "table 4", 0, others)

    def seconds(self, task: Task) -> Iterator[Second]:
        """Every stage 2 of a task."""
        settings = self.settings
        most, seeds = max(settings.masks, default=0), settings.seeds
        for count in settings.masks:
            yield Second(f"LAE, {count} masks", "table 3", count, "active", seeds)
        for label, overrides in settings.controls.items():
            yield Second(label, "control", most, "active", seeds, tuple(overrides))
        for label, overrides in settings.remedies.items():
            yield Second(label, "remedies", most, "active", settings.remedy_seeds or seeds, tuple(overrides))
        if task.name == settings.curve_task:
            for count in settings.masks:
                yield Second(f"{count} masks, random", "figure 5", count, "random", seeds)
            for label, overrides in settings.weights.items():
                yield Second(label, "table 6", most, "active", settings.remedy_seeds or seeds, tuple(overrides))

    def ablations(self, task: Task) -> dict[str, list[str]]:
        """Every other stage 1 of a task, each with ``ablation_seeds``."""
        return self.settings.ablations if task.name == self.settings.curve_task else {}

    @property
    def ablation_seeds(self) -> list[int]:
        """See ``ExperimentsRecipe``."""
        return self.settings.ablation_seeds or self.settings.seeds


class Job(NamedTuple):
    """What one process does: a stage 1 with all that goes on from it, or a baseline of table 3."""

    recipe: Path
    overrides: tuple[str, ...]
    out: Path
    task: Task
    seed: int = 0
    ablation: tuple[str, ...] = ()
    baseline: str = ""


def experiments(
    recipe: Path,
    out: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    page_file: Path | None = None,
    progress: bool = True,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Run what was not run, ``jobs`` at once, and write ``out/experiments.csv`` (and Parquet) and the page.

    Raises:
        RecipeError: the recipe does not fit, or the manifest lacks a method it names.
    """
    settings = config.load(recipe, ExperimentsRecipe, overrides)
    out = out or Path("out") / settings.name
    _check(settings)
    lab = Lab(settings, recipe, out, progress=progress, say=say)
    if jobs > 1:
        for lines in map_unordered(_alone, _jobs(lab, recipe, overrides), jobs):
            for line in lines:
                say(line)
    tasks = {task.name: task for task in settings.task}
    found: list[pl.DataFrame] = []
    models: list[Row] = []
    single: list[dict[str, Any]] = []
    for row in lab.rows():
        models.append(row)
        task = tasks[row.task]
        tables = {seed: lab.scores(folder, task) for seed, folder in row.folders.items()}
        if row.kind != "table 4":
            single += [_single(row, seed, of, task) for seed, of in tables.items()]
        numbers = pl.DataFrame(standings.standing(row.label, [*tables.values()], [task.seen]), standings.SCHEMA)
        found.append(numbers.with_columns(task=pl.lit(row.task), kind=pl.lit(row.kind), masks=pl.lit(row.masks)))
    found += [_baselines(settings, recipe, out, task, progress=progress, say=say) for task in settings.task]
    table = pl.concat([part for part in found if part.height], how="diagonal").with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    gains = gained(pl.DataFrame(single))
    write_table(gains, out / GAINS)
    if page_file is not None:
        from facewitness.experiments import lae_page

        sheets = {task.name: _looks(settings, recipe, out, task, models) for task in settings.task}
        text = lae_page.Text(settings.title, settings.discussion, tuple(command), _sizes(settings, recipe))
        lae_page.write(page_file, table, gains, settings.task, sheets, text, lab.manifest)
    return (out / TABLE).with_suffix(".csv")


def _sizes(settings: ExperimentsRecipe, recipe: Path) -> tuple[str, ...]:
    """How long everything is trained, in words."""

    def told(what: str, of: TrainRecipe, epochs: int) -> str:
        return f"{what}: {epochs} x {of.data.pairs_per_epoch} pairs at {of.crop.size_px} px"

    folder = recipe.parent
    one = config.load(folder / settings.stage_one, LaeRecipe, settings.common)
    two = config.load(folder / settings.stage_one, LaeRecipe, [*settings.common, *settings.stage_two])
    beside = f", {two.attend.batch_masks} faces with a mask beside every {two.optim.batch_pairs} pairs"
    stages = [told("Stage 1", one, one.optim.epochs), told("stage 2", two, two.attend.epochs) + beside]
    others = []
    for baseline in settings.baselines:
        of = config.load(folder / baseline.recipe, TrainRecipe, [*settings.baselines_common, *baseline.set])
        others.append(told(Path(baseline.recipe).stem, of, of.optim.epochs))
    changed = [f"{name} ({', '.join(of)})" for name, of in {**settings.ablations, **settings.weights}.items()]
    changed += [f"{name} ({', '.join(of)})" for name, of in {**settings.controls, **settings.remedies}.items()]
    found = ("; ".join(stages), "; ".join(others), "Changed: " + "; ".join(changed) if changed else "")
    return tuple(line for line in found if line)


def _single(row: Row, seed: int, scores: pl.DataFrame, task: Task) -> dict[str, Any]:
    """What one run is worth on what was not seen."""
    own = scores.filter(pl.col("score").is_not_null()).filter(standings.against(scores, [task.unseen]))
    values, labels = (own[name].to_numpy().astype(np.float64) for name in ("score", "label"))
    accuracy = balanced_accuracy_weighted(0.5)(values, labels, np.ones((1, own.height)))[0]
    named = {"task": row.task, "seed": seed, "label": row.label, "masks": row.masks}
    return {**named, "mass_inside": own.filter(label=1)["mass_inside"].mean(), "accuracy": float(accuracy)}


def gained(single: pl.DataFrame) -> pl.DataFrame:
    """Of every stage 2: how far the mass inside the region and the accuracy rose over its stage 1, unseen method."""
    before = single.filter(pl.col("masks") == 0).select("task", "seed", "mass_inside", "accuracy")
    after = single.filter(pl.col("masks") > 0).join(before, on=["task", "seed"], suffix="_before")
    return after.with_columns(
        mass_gained=pl.col("mass_inside") - pl.col("mass_inside_before"),
        accuracy_gained=pl.col("accuracy") - pl.col("accuracy_before"),
    ).drop_nulls()


def _jobs(lab: Lab, recipe: Path, overrides: Sequence[str]) -> list[Job]:
    """The longest first, so that no core waits at the end."""
    settings = lab.settings
    plain = Job(recipe, tuple(overrides), lab.out, settings.task[0])
    found = [plain._replace(task=task, seed=seed) for seed in settings.seeds for task in settings.task]
    for task in settings.task:
        for changes in lab.ablations(task).values():
            found += [plain._replace(task=task, seed=seed, ablation=tuple(changes)) for seed in lab.ablation_seeds]
    names = [Path(one.recipe).stem for one in settings.baselines]
    return found + [plain._replace(task=task, baseline=name) for name in reversed(names) for task in settings.task]


def _alone(job: Job, threads: int) -> list[str]:
    """A job in a process of its own; what fails is tried again, and told of, when the tables are made."""
    import torch

    torch.set_num_threads(threads)
    settings = config.load(job.recipe, ExperimentsRecipe, job.overrides)
    said: list[str] = []
    lab = Lab(settings, job.recipe, job.out, progress=False, say=said.append, threads=threads)
    try:
        if job.baseline:
            contest = _contest(settings, job.task)
            contest = contest.model_copy(update={"common": [*contest.common, *lab.threads]})
            folder = job.out / "baselines" / job.task.name
            compare(job.recipe, folder, settings=contest, only=[job.baseline], progress=False, say=said.append)
            return said
        folders = [lab.first(job.task, job.seed, job.ablation)]
        if not job.ablation:
            folders += [lab.second(folders[0], asked) for asked in lab.seconds(job.task) if job.seed in asked.seeds]
        for folder in folders:
            lab.scores(folder, job.task)
    except runs.FAILURES as error:
        said.append(f"{job.task.name}: {runs.why(error)}")
    return said


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
    detectors = [(row.label, next(iter(row.folders.values()))) for row in (shown[0], shown[-1])]
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
    if (settings.controls or settings.remedies or settings.weights) and not settings.masks:
        raise RecipeError("controls, remedies and weights are stages 2 with the most masks: give masks")
    if (settings.ablations or settings.weights) and not settings.curve_task:
        raise RecipeError("ablations and weights are of the curve_task: name one")
