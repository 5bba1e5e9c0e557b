"""Judges trained trials, once on every photograph that any table asks for, and turns what was found into rows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facewitness.data import manifest as manifests
from facewitness.detectors import cards
from facewitness.evaluation.attention import attention_sheet
from facewitness.evaluation.clustering import FIGURE, RECORD, cluster
from facewitness.evaluation.robustness import MAPS, measure
from facewitness.evaluation.robustness_report import curves, numbers
from facewitness.experiments import mean_mask, runs, standings
from facewitness.experiments.trials.recipe import Trial, TrialsRecipe, manifest_of
from facewitness.metrics.intervals import Interval, bootstrap_mean
from facewitness.types import Image

REALS = "Real photographs, by source"
REAL_METRICS = ("real_accuracy", "area", "area_median", "spotted")
SPOTTED = 0.01  # a real photograph is, if more than this share of its map is at or above 0.1


def tables(
    settings: TrialsRecipe, folders: Mapping[str, Sequence[Path]], out: Path, progress: bool
) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """A row for every number of every table, and for tables with clusters the figure of their first clustering.

    ``folders`` are the finished runs of each trial, by seeds.
    """
    trials = {trial.name: trial for trial in settings.trial}
    found = {name: [judged(settings, trials[name], one, out, progress) for one in of] for name, of in folders.items()}
    rows: list[dict[str, Any]] = []
    figures: dict[str, Path] = {}
    for sheet in settings.table:
        own = [name for name in sheet.trials if name in folders]
        for name in own:
            for group, methods in sheet.judged.items():
                parts = [_part(one, methods, sheet.small) for one in found[name]]
                if not parts[0].filter(label=1).height:
                    continue  # no fake so small, or none with a face
                measured = numbers(*parts)
                if sheet.clustered:
                    first = folders[name][0]
                    folder = out / "clusters" / runs.slug(f"{first.name}-{'-'.join(methods)}")
                    measured["clustered"] = _clustered(settings, trials[name], first, folder, methods)
                    figures.setdefault(sheet.title, folder / FIGURE)
                rows += _rows(measured, parts, table=sheet.title, trial=name, judged=group)
        for group, methods in sheet.judged.items() if sheet.mean_map and own else ():
            part = _part(_by_mean_map(settings, methods, folders[own[0]][0], out), methods, sheet.small)
            measured = {metric: interval for metric, interval in numbers(part).items() if metric in MAPS}
            rows += _rows(measured, [part], table=sheet.title, trial=mean_mask.NAME, judged=group)
    mapped = dict.fromkeys(name for sheet in settings.table if "area" in sheet.metrics for name in sheet.trials)
    for name in (name for name in mapped if name in found):
        reals = [one.filter(label=0, status="ok").filter(pl.col("area").is_not_null()) for one in found[name]]
        for source in reals[0]["dataset"].unique().sort():
            parts = [part.filter(dataset=source) for part in reals]
            rows += _rows(_on_reals(parts), parts, table=REALS, trial=name, judged=source)
    return rows, figures


def _rows(measured: Mapping[str, Interval], parts: Sequence[pl.DataFrame], **named: str) -> list[dict[str, Any]]:
    counts = {"n_real": parts[0].filter(label=0).height, "n_fake": parts[0].filter(label=1).height}
    return [
        {**named, "seeds": len(parts), "metric": metric, **interval._asdict(), **counts}
        for metric, interval in measured.items()
    ]


def judged(
    settings: TrialsRecipe, trial: Trial, folder: Path, out: Path, progress: bool, workers: int | None = None
) -> pl.DataFrame:
    """The undamaged rows of a trial on every method that a table judges it on."""
    sheets = [sheet for sheet in settings.table if trial.name in sheet.trials]
    asked = {method for sheet in sheets for group in sheet.judged.values() for method in group}
    if not asked:
        return pl.DataFrame()
    options: dict[str, Any] = {"operators": (), "disorganised": False, "limit": settings.limit}
    options |= {"progress": progress, "workers": workers}
    file = measure(manifest_of(settings, trial), folder, out / "judged" / folder.name, methods=sorted(asked), **options)
    return pl.read_parquet(file.read_bytes())


def _part(rows: pl.DataFrame, methods: Sequence[str], small: float | None) -> pl.DataFrame:
    """The fakes of some methods, and the reals of the sources that these were applied to."""
    good = rows.filter(pl.col("status") == "ok")
    if small is not None:
        good = good.filter((pl.col("label") == 0) | ((pl.col("forged_area") > 0) & (pl.col("forged_area") < small)))
    return good.filter(standings.against(good, methods))


def _by_mean_map(settings: TrialsRecipe, methods: Sequence[str], folder: Path, out: Path) -> pl.DataFrame:
    """The rows of the mean fakeness as everybody's map, in crops like those of a run."""
    manifest = Path(settings.manifest)
    detector = mean_mask.mean_map(manifest, methods, cards.read(folder).crop)
    place = out / "judged" / runs.slug(f"{mean_mask.NAME}-{'-'.join(methods)}")
    options: dict[str, Any] = {"operators": (), "disorganised": False, "limit": settings.limit, "progress": False}
    return pl.read_parquet(measure(manifest, detector, place, methods=methods, **options).read_bytes())


def _on_reals(parts: Sequence[pl.DataFrame]) -> dict[str, Interval]:
    """What trials of some seeds say of real photographs; the median has no interval."""
    areas = pl.concat(part["area"] for part in parts).to_numpy()
    found = numbers(*parts)
    found["area_median"] = Interval(float(np.median(areas)), math.nan, math.nan)
    found["spotted"] = bootstrap_mean(areas > SPOTTED, [person for part in parts for person in part["person"]])
    return {metric: found[metric] for metric in REAL_METRICS}


def _clustered(settings: TrialsRecipe, trial: Trial, folder: Path, out: Path, methods: Sequence[str]) -> Interval:
    """The mean accuracy of ten draws, with the lowest and the highest."""
    manifest = manifest_of(settings, trial)
    asked = {"sha256": manifests.digest(manifest), "methods": list(methods), "limit": settings.limit}
    known = json.loads((out / RECORD).read_text(encoding="utf-8")) if (out / RECORD).exists() else {}
    if {name: known.get(name) for name in asked} != asked:
        file = cluster(folder, manifest, out, methods=methods, limit=settings.limit)
        known = json.loads(file.read_text(encoding="utf-8"))
    return Interval(*(known["accuracy"][name] for name in ("mean", "lowest", "highest")))


def degraded(settings: TrialsRecipe, folders: dict[str, Path], out: Path, progress: bool) -> pl.DataFrame | None:
    """The curves of the trial that is measured under degradation; None if there is none, or it was never trained."""
    if settings.degraded not in folders:
        return None
    folder = folders[settings.degraded]
    options: dict[str, Any] = {
        "methods": settings.degraded_methods,
        "limit": settings.degraded_limit,
        "progress": progress,
    }
    file = measure(Path(settings.manifest), folder, out / "degraded" / folder.name, **options)
    return curves(pl.read_parquet(file.read_bytes()))


def maps(settings: TrialsRecipe, folders: dict[str, Path]) -> Image | None:
    """The maps of the trials that a page shows."""
    detectors = [(name, folders[name]) for name in settings.shown if name in folders]
    if not detectors:
        return None
    samples = [s for s in manifests.read(Path(settings.manifest)) if s.label and s.split == "test"]
    chosen = [s for m in settings.shown_methods for s in samples if m in s.kinds]
    return attention_sheet(chosen, detectors, each=2, fakeness=True)
