"""Judges finished runs on what the sections of a report ask for; what is there is not judged again."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from facewitness.compute.progress import Progress
from facewitness.detectors.base import Detector
from facewitness.evaluation import scores as scoring
from facewitness.evaluation.crops import FaceCrop, crop_samples
from facewitness.evaluation.evaluate import score
from facewitness.evaluation.robustness import FILE, measure
from facewitness.experiments.plan import Plan, Run
from facewitness.experiments.sections import RealsSection
from facewitness.types import CropProfile, Sample


@dataclass
class Needs:
    """What the report asks of a run; None is every method."""

    scores: set[str] | None = field(default_factory=set)
    maps: set[str] = field(default_factory=set)

    def add_scores(self, methods: Sequence[str]) -> None:
        """Ask for scores of some methods; of all, if empty."""
        if not methods:
            self.scores = None
        elif self.scores is not None:
            self.scores |= set(methods)


def needs(plan: Plan) -> dict[str, Needs]:
    """Return what the sections of the report ask of each run that they show."""
    found = {name: Needs() for name in plan.sections}
    for section in plan.settings.section:
        for name, methods in section.scores_of(plan):
            found[name].add_scores(methods)
        for name, methods in section.maps_of():
            found[name].maps |= set(methods)
    every = {method for need in found.values() for method in need.maps}
    for section in plan.settings.section:
        for name in section.runs if isinstance(section, RealsSection) else ():
            found[name].maps = found[name].maps or every
    return found


def is_judged(plan: Plan, run: Run, need: Needs) -> bool:
    """Return whether all that is asked of a run was measured."""
    scored = need.scores == set() or scores(plan, run) is not None
    return scored and (not need.maps or (plan.out / "judged" / plan.folder(run).name / FILE).exists())


def judge(
    plan: Plan, run: Run, need: Needs, cropper: CropCache, *, progress: Progress, workers: int | None = None
) -> None:
    """Measure what is asked of a finished run."""
    sets = bool(plan.settings.set)  # what is judged is then the same for all
    if need.scores != set() and not (sets and scores(plan, run) is not None):
        folder = plan.folder(run)
        manifest = plan.judged_manifest if sets else plan.judged_on(run.name)
        options: dict[str, Any] = {"progress": progress, "cropper": cropper, "workers": 0 if sets else workers}
        options["methods"] = None if sets or need.scores is None else sorted(need.scores)
        score(manifest, folder, plan.out / "scores" / folder.name, **options)
    if need.maps:
        map_rows(plan, run, need, progress=progress, workers=workers)


def scores(plan: Plan, run: Run) -> pl.DataFrame | None:
    """Return the scores of a run on all that it was judged on; None if there are none, or of other photographs."""
    file = plan.out / "scores" / plan.folder(run).name / scoring.FILE
    if not file.exists():
        return None
    table = pl.read_parquet(file.read_bytes())
    if plan.settings.set and table["path"].to_list() != [str(sample.path) for sample in plan.judged.samples]:
        return None
    return table


def map_rows(
    plan: Plan, run: Run, need: Needs, *, progress: Progress = None, workers: int | None = None
) -> pl.DataFrame:
    """Return the undamaged rows of a run (``evaluation.robustness``) on every method that a table asks for."""
    options: dict[str, Any] = {"progress": progress, "workers": workers, "methods": sorted(need.maps)}
    return undamaged(plan, plan.judged_on(run.name), plan.folder(run), plan.folder(run).name, **options)


def undamaged(plan: Plan, manifest: Path, detector: Path | Detector, name: str, **options: Any) -> pl.DataFrame:
    """Return the rows of a detector on photographs as they are, kept under a name (``evaluation.robustness``)."""
    options |= {"operators": (), "disorganised": False, "limit": plan.settings.limit}
    return pl.read_parquet(measure(manifest, detector, plan.out / "judged" / name, **options).read_bytes())


class CropCache:
    """``evaluation.crops.crop_samples`` that crops a photograph once for all detectors of a crop profile."""

    def __init__(self) -> None:
        self._crops: dict[CropProfile, dict[str, FaceCrop]] = {}

    def __call__(
        self, samples: Sequence[Sample], profile: CropProfile, workers: int | None = None
    ) -> Generator[FaceCrop, None, None]:
        """Yield the crop of each sample, in order."""
        known = self._crops.setdefault(profile, {})
        missing = [sample for sample in samples if str(sample.path) not in known]
        with closing(crop_samples(missing, profile, workers)) as fresh:
            for sample in samples:
                if str(sample.path) not in known:
                    known[str(sample.path)] = next(fresh)
                yield known[str(sample.path)]


def finished(plan: Plan, names: Sequence[str]) -> Mapping[str, list[Run]]:
    """Return the finished runs of each name, by seeds; names without one are left out."""
    found = {name: [run for run in plan.seeded(name) if plan.is_trained(run)] for name in names}
    return {name: runs for name, runs in found.items() if runs}


def judged(plan: Plan, names: Sequence[str]) -> dict[str, list[pl.DataFrame]]:
    """Return the scores of each name's finished runs, by seeds; names of which one was not judged are left out."""
    found = {name: [scores(plan, run) for run in runs] for name, runs in finished(plan, names).items()}
    whole = {name: [table for table in tables if table is not None] for name, tables in found.items()}
    return {name: tables for name, tables in whole.items() if len(tables) == len(found[name])}
