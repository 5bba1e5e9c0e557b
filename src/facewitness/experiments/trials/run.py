"""``facewitness experiments``: trainings and the tables that they answer, all of one paper, from one recipe.

A trial is a training recipe with changes, on some methods of a manifest, with one seed or several; a table judges some
trials on groups of methods, seen or not. Cells that a trial is made of may be searched first. Each trial is trained
once, each is judged once on every photograph any table asks for, and every number has its interval over people.
FakeLocator's tables IV to X are such a recipe, and ADD's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from facewitness import config
from facewitness.compute.pool import map_unordered
from facewitness.evaluation.table import write_table
from facewitness.experiments import runs
from facewitness.experiments.trials import judge, page
from facewitness.experiments.trials.lab import Lab, named, parameters_of, seeds_of
from facewitness.experiments.trials.recipe import Trial, TrialsRecipe, check
from facewitness.types import FacewitnessError

TABLE = "experiments.parquet"


class Job(NamedTuple):
    """What one process does: a search, or a trial with a seed, trained and judged."""

    recipe: Path
    overrides: tuple[str, ...]
    out: Path
    name: str
    seed: int | None = None
    searched: bool = False


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
    check(settings, recipe, only)
    lab = Lab(settings, recipe, out, progress)
    wanted = [trial for trial in settings.trial if not only or trial.name in only]
    needed = [one for one in settings.search if one.name in {trial.cells for trial in wanted}]
    if jobs > 1:
        plain = Job(recipe, tuple(overrides), out, "")
        waves = [[plain._replace(name=one.name, searched=True) for one in needed]]
        for generation in _generations(settings, wanted):
            waves.append([plain._replace(name=one.name, seed=seed) for one in generation for seed in seeds_of(one)])
        for line in (line for wave in waves for line in map_unordered(_alone, wave, jobs)):
            say(line)
    for one in needed:
        say(f"{one.name}: {lab.search(one)}")
    for trial in settings.trial:
        if trial.after and trial.after not in lab.folders:
            continue  # nothing to begin from yet
        if trial.cells and not lab.cells(trial.cells).exists():
            continue
        for seed in seeds_of(trial):
            if trial in wanted or lab.is_trained(trial, seed):
                say(f"{named(trial, seed)}: {lab.train(trial, seed)}")
    folders = lab.folders
    rows, figures = judge.tables(settings, folders, out, progress)
    if not rows:
        raise FacewitnessError(f"{out}: no trial of a table is trained, or no fake of one could be judged")
    table = pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    if page_file is not None:
        first_of = {name: of[0] for name, of in folders.items()}
        degraded = judge.degraded(settings, first_of, out, progress)
        cells = {one.name: lab.cells(one.name).parent for one in needed}
        sizes = {name: parameters_of(folder) for name, folder in first_of.items()}
        found = page.Found(table, degraded, judge.maps(settings, first_of), figures, cells, sizes)
        page.write(page_file, settings, found, tuple(command))
    return (out / TABLE).with_suffix(".csv")


def _generations(settings: TrialsRecipe, wanted: Sequence[Trial]) -> list[list[Trial]]:
    """Trials that begin from nothing, those that begin from one of these, and so on; ``wanted`` ones alone."""
    age: dict[str, int] = {}
    for trial in settings.trial:
        age[trial.name] = age[trial.after] + 1 if trial.after else 0
    return [[one for one in wanted if age[one.name] == years] for years in sorted(set(age.values()))]


def _alone(job: Job, threads: int) -> str:
    """A job in a process of its own; what fails is tried again for the tables."""
    import torch

    torch.set_num_threads(threads)
    settings = config.load(job.recipe, TrialsRecipe, job.overrides)
    for one in (*settings.search, *settings.trial):
        one.set.append(f"trainer.threads={threads}")
    lab = Lab(settings, job.recipe, job.out, progress=False)
    try:
        if job.searched:
            return f"{job.name}: {lab.search(next(one for one in settings.search if one.name == job.name))}"
        trials = {one.name: one for one in settings.trial}
        trial = trials[job.name]
        if trial.after and not lab.knows(trials, trial.after):
            return f"{job.name}: {trial.after}, which it begins from, is not trained"
        said = f"{named(trial, job.seed)}: {lab.train(trial, job.seed)}"
        judge.judged(settings, trial, lab.folders[trial.name][-1], job.out, progress=False, workers=0)
    except runs.FAILURES as error:
        return f"{job.name}: {runs.why(error)}"
    return said
