"""Trains and judges what is not done yet: here, in processes side by side, or on the machines of a Ray cluster.

A run that fails is reported and ends neither the others nor the experiment; those that depend on it are skipped.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from facewitness import storage
from facewitness.compute import pool, ray
from facewitness.compute.progress import Progress
from facewitness.experiments import measure
from facewitness.experiments.analyses import saliency
from facewitness.experiments.plan import FAILED, Plan, Run, last_file, read_failures
from facewitness.training.recipe import CHECKPOINTS
from facewitness.types import FacewitnessError

FAILURES = (FacewitnessError, RuntimeError, MemoryError)
"""What may end one run of many without ending the others."""


class Outcome(NamedTuple):
    """What became of a step."""

    step: str
    text: str
    failed: bool = False


class Job(NamedTuple):
    """What one process does: a run, or the analyses of a chain of runs that began from one original."""

    recipe: Path
    overrides: tuple[str, ...]
    out: Path
    runs: tuple[Run, ...]
    analyse: bool = False


def run_experiment(
    plan: Plan,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    ray_address: str = "",
    progress: Progress = None,
    report: Callable[[Outcome], None] = print,
) -> list[Outcome]:
    """Do what is not done, and return what failed.

    Args:
        plan: the experiment.
        only: runs by name, label or group; what they depend on is done too. Empty: all.
        jobs: processes at once.
        ray_address: of a Ray cluster (``local``: a new one here), in place of ``jobs``.
        progress: receives events, if all is done in this process.
        report: receives the outcome of every step.

    Raises:
        RecipeError: ``only`` names what is not there.
        MissingExtraError: Ray is not installed.
    """
    plan.out.mkdir(parents=True, exist_ok=True)
    plan.prepare()
    runs = plan.runs(only)
    failed: list[Outcome] = []
    runner = _Runner(plan, jobs, ray_address, progress)

    def tell(outcomes: Iterator[Outcome]) -> None:
        for outcome in outcomes:
            report(outcome)
            record_failure(plan, outcome)
            failed.extend([outcome] if outcome.failed else [])

    for wave in plan.waves(runs):
        ready = []
        for run in wave:
            missing = [other for other in plan.dependencies(run) if not plan.is_trained(other)]
            if missing:
                tell(iter([Outcome(str(run), f"skipped: {missing[0]} is not finished", failed=True)]))
            else:
                ready.append((run,))
        tell(runner.work(ready))
    chains = [chain for chain in saliency.chains(plan) if set(chain) & set(runs) and all(map(plan.is_trained, chain))]
    tell(runner.work(chains, analyse=True))
    return failed


class _Runner:
    def __init__(self, plan: Plan, jobs: int, ray_address: str, progress: Progress) -> None:
        self.plan, self.jobs, self.ray_address, self.progress = plan, jobs, ray_address, progress
        self.needs, self.cropper = measure.needs(plan), measure.CropCache()

    def work(self, parts: Sequence[tuple[Run, ...]], analyse: bool = False) -> Iterator[Outcome]:
        plan = self.plan
        for part in parts:  # the photographs are hashed here, not by every process
            for run in part:
                plan.folder(run)
        where = (plan.recipe.absolute(), plan.out.absolute()) if self.ray_address else (plan.recipe, plan.out)
        items = [Job(where[0], plan.overrides, where[1], part, analyse) for part in parts]
        if self.ray_address:
            results = ray.map_unordered(_in_a_process, items, self.ray_address)
        elif self.jobs > 1 and items:
            results = pool.map_unordered(_in_a_process, items, self.jobs)
        else:
            results = (self.one(job, None, self.progress) for job in items)
        for outcomes in results:
            yield from outcomes

    def one(self, job: Job, threads: int | None, progress: Progress) -> list[Outcome]:
        plan = self.plan
        if job.analyse:
            return [
                _tried(f"{job.runs[0]}: {name}", step) for name, step in saliency.steps(plan, job.runs, self.cropper)
            ]
        (run,) = job.runs

        def train_and_judge() -> str:
            text = train(plan, run, threads=threads, progress=progress)
            measure.judge(plan, run, self.needs[run.name], self.cropper, progress=progress, workers=threads and 0)
            return text

        return [_tried(str(run), train_and_judge)]


def _in_a_process(job: Job, threads: int) -> list[Outcome]:
    """Do a job in a process of its own; the photographs were hashed before."""
    import torch

    torch.set_num_threads(threads)
    try:
        plan = Plan(job.recipe, job.out, job.overrides, trust_record=True)
        return _Runner(plan, 1, "", progress=None).one(job, threads, progress=None)
    except FAILURES as error:
        return [Outcome(str(job.runs[0]), reason(error), failed=True)]


def _tried(step: str, work: Callable[[], str]) -> Outcome:
    try:
        return Outcome(step, work())
    except FAILURES as error:
        return Outcome(step, f"failed: {reason(error)}", failed=True)


def train(plan: Plan, run: Run, *, threads: int | None = None, progress: Progress = None) -> str:
    """See that a run is finished, and return what had to be done.

    What was stopped before its first epoch was over begins anew; of a finished run only the weights are kept.
    """
    folder, kind = plan.folder(run), plan.sections[run.name].kind
    if (folder / last_file(kind)).exists():
        return "trained before"
    checkpoints = folder / CHECKPOINTS
    resume = (checkpoints / "last.ckpt").exists() and kind != "finetune"  # a finetuning is minutes, and begins anew
    if not resume and folder.exists():
        shutil.rmtree(folder)
    changes = (*plan.overrides_of(run), *([f"trainer.threads={threads}"] if threads else []))
    _trainer(plan, run)(changes, resume, progress)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return "trained to its end" if resume else "trained"


def _trainer(plan: Plan, run: Run) -> Callable[[Sequence[str], bool, Progress], object]:
    """The function that trains a run, of (overrides, resume, progress)."""
    section, recipe, folder = plan.sections[run.name], plan.training_recipe(run), plan.folder(run)
    if section.kind == "finetune":
        from facewitness.training.lae.run import finetune

        origin, choice = plan.folder(plan.origin(run)), f"ask.choice={section.choice}"
        return lambda changes, _, progress: finetune(
            origin, folder, oracle=section.masks, overrides=(*changes, choice), progress=progress
        )
    if section.kind == "search":
        from facewitness.training.search.run import search as work
    elif section.kind == "lae":
        from facewitness.training.lae.run import train as work
    else:
        from facewitness.training.train import train as work
    return lambda changes, resume, progress: work(recipe, folder, changes, resume=resume, progress=progress)


def record_failure(plan: Plan, outcome: Outcome) -> None:
    """Keep why a step failed, for the report; a step that succeeded is taken out."""
    failures = {step: text for step, text in read_failures(plan).items() if step != outcome.step}
    if outcome.failed:
        failures[outcome.step] = outcome.text
    storage.write_text(plan.out / FAILED, json.dumps(failures, indent=2) + "\n")


def reason(error: BaseException) -> str:
    """Return why something failed, in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def status(plan: Plan) -> list[dict[str, str]]:
    """Return for every run whether it is trained and judged, and for chains what was analysed."""
    plan.prepare()
    needs = measure.needs(plan)
    analysed = {run: text for chain in saliency.chains(plan) for run, text in saliency.status(plan, chain).items()}
    rows = []
    for run in plan.runs():
        finished = plan.is_trained(run)
        try:
            begun = plan.folder(run).exists()
        except FacewitnessError:  # the cells that it takes are not searched
            begun = False
        need = needs[run.name]
        judged = finished and need != measure.Needs() and measure.is_judged(plan, run, need)
        training = "finished" if finished else "begun" if begun else "-"
        row = {"run": str(run), "training": training, "judged": "yes" if judged else "-"}
        rows.append({**row, "analyses": analysed.get(run, "-")})
    return rows
