"""Judge a detector on a manifest: ``facewitness evaluate``.

An evaluation folder holds ``scores.parquet`` (a row for each photograph), ``table.csv`` and ``table.parquet`` (a row
for each number) and ``evaluation.json`` (what was judged, on what, with which software, by which command).
"""

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facewitness import provenance, storage
from facewitness.compute.progress import Progress, track
from facewitness.data import manifest as manifests
from facewitness.data import splits
from facewitness.detectors import zoo
from facewitness.detectors.base import Detector
from facewitness.evaluation import report as reports
from facewitness.evaluation import scores as scoring
from facewitness.evaluation import tables
from facewitness.evaluation.crops import FaceCrop, crop_samples
from facewitness.evaluation.slices import tidy
from facewitness.media import faces
from facewitness.metrics.intervals import DRAWS
from facewitness.types import CropProfile, ManifestError, Sample

TABLE = "table.parquet"
RECORD = "evaluation.json"
ALL = "all"
"""The ``split`` that means every sample of the manifest."""
Cropper = Callable[[Sequence[Sample], CropProfile, int | None], Generator[FaceCrop, None, None]]
"""``evaluation.crops.crop_samples``, or what does the same."""


def evaluate(
    manifest: Path,
    detector: str | Path | Detector,
    out: Path,
    *,
    split: str = "test",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = None,
    command: Sequence[str] = (),
    methods: Sequence[str] | None = None,
    report_file: Path | None = None,
    readme: Path | None = None,
    left_out: Mapping[str, str | Path] | None = None,
    trained_on: Sequence[str] | None = None,
    cropper: Cropper = crop_samples,
) -> Path:
    """Score every photograph of a split, write the tidy table, and return its path (``out/table.parquet``).

    A run that was killed goes on where it stopped; one that was finished is not scored again unless the detector, the
    manifest or a photograph changed.

    Args:
        manifest: Parquet or CSV (see ``data.manifest``).
        detector: a name of the zoo, a run folder, an exported folder, or a detector in memory.
        out: the evaluation folder; made if absent.
        split: ``train``, ``val``, ``test``, or ``all``.
        seed: of the bootstrap; scores do not depend on it.
        workers: processes that read photographs; None takes one per core, 0 none.
        progress: receives events; see ``compute.progress``.
        command: the command line, kept in the record and in the report.
        methods: judge only the fakes of these methods, beside all reals; None judges all.
        report_file: also write the report, in Markdown, there.
        readme: also write a short table between the marks of this Markdown file (see ``report.insert``).
        left_out: for the report, method -> a detector that was trained without it; each is judged on the reals and on
            that method, in ``out/left-out/METHOD``.
        trained_on: for the report, the methods the detector has seen in training; None means all that are judged.
        cropper: makes the crops; whoever judges many detectors hands in one that keeps them.

    Raises:
        ManifestError: the manifest cannot be used, or nothing of it is left to judge.
        CardError: a detector cannot be loaded, or answers with something else than scores.
        FacewitnessError: a worker process died.
    """
    left_out = left_out or {}
    options: dict[str, Any] = {"split": split, "workers": workers, "progress": progress, "cropper": cropper}
    options["about"] = {"command": list(command), "seed": seed, "draws": DRAWS}
    # Everything that can be wrong is found before the first photograph is read.
    samples = selected(manifest, split, methods)
    _check_present(trained_on or (), samples, manifest, split)
    judged = [(out, _load(detector), samples)]
    folders = {method: out / "left-out" / method for method in left_out}
    judged += [(folders[m], _load(name), selected(manifest, split, [m])) for m, name in left_out.items()]
    for folder, loaded, chosen in judged:
        found = _score(manifest, loaded, chosen, folder, **options)
        tables.write(tidy(found, loaded.card.calibration, detector=loaded.card.name, seed=seed), folder / TABLE)
    if report_file is not None:
        reports.write(report_file, out, left_out=folders, trained_on=trained_on)
    if readme is not None:
        reports.insert(readme, out, left_out=folders, trained_on=trained_on)
    return out / TABLE


def score(
    manifest: Path,
    detector: str | Path | Detector,
    out: Path,
    *,
    split: str = "test",
    workers: int | None = None,
    progress: Progress = None,
    methods: Sequence[str] | None = None,
    cropper: Cropper = crop_samples,
) -> Path:
    """As ``evaluate``, without the table: for those who make one table of many detectors. Returns the scores' path."""
    samples = selected(manifest, split, methods)
    loaded = _load(detector)
    _score(manifest, loaded, samples, out, split=split, workers=workers, progress=progress, cropper=cropper, about={})
    return out / scoring.FILE


def _score(
    manifest: Path,
    detector: Detector,
    samples: Sequence[Sample],
    out: Path,
    *,
    split: str,
    workers: int | None,
    progress: Progress,
    cropper: Cropper,
    about: Mapping[str, Any],
) -> pl.DataFrame:
    digest = manifests.digest(manifest)
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    store = scoring.Store(out, scoring.key(detector.card, digest, split))
    stamps = {path: row["stamp"] for path, row in store.known.items()}
    missing = [sample for sample in samples if stamps.get(str(sample.path)) != scoring.stamp(sample)]
    # Closed on every way out, so that no worker process outlives this call.
    with closing(cropper(missing, detector.card.crop, workers)) as made:
        try:
            shown = track(made, "evaluate", progress, len(missing))
            for row in scoring.rows(missing, shown, detector):
                store.add(row)
        finally:
            store.flush()
    found = store.finish(samples)
    record = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "detector": asdict(detector.card),
        "manifest": {"path": str(manifest), "sha256": digest, "split": split},
        "scored_now": len(missing),
        "seconds": round(time.monotonic() - began, 1),
        "counts": _counts(found),
        "environment": provenance.environment(),
    }
    storage.write_text(out / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return found


def selected(manifest: Path, split: str, methods: Sequence[str] | None) -> list[Sample]:
    """The samples of a split: all reals, and the fakes of some methods, or of all where that is None.

    Raises:
        ManifestError: the manifest cannot be used, or lacks the split or a method.
    """
    if split not in (*manifests.SPLITS, ALL):
        raise ManifestError(f"{split!r} is no split; choose one of {', '.join(manifests.SPLITS)}, or {ALL}")
    everything = manifests.read(manifest)
    if split != ALL:
        splits.verify(everything)
    samples = [sample for sample in everything if split in (sample.split, ALL)]
    if not samples:
        have = ", ".join(sorted({sample.split for sample in everything})) or "none, it is empty"
        raise ManifestError(
            f"{manifest}: no sample in the split {split!r}; its splits are: {have}; name one of these with --split, or "
            f"deal splits: facewitness data split {manifest} --out divided.parquet"
        )
    _check_present(methods or (), samples, manifest, split)
    return samples if methods is None else manifests.of_methods(samples, methods)


def limited(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most ``limit`` reals and as many fakes of each method, drawn by the seed; kept in their order."""
    if limit is None:
        return list(samples)
    kinds: dict[str, list[int]] = {}
    for number, sample in enumerate(samples):
        kinds.setdefault(sample.method if sample.label else "", []).append(number)
    rng = np.random.default_rng((seed, 5))
    drawn = {own[int(i)] for own in kinds.values() for i in rng.permutation(len(own))[:limit]}
    return [sample for number, sample in enumerate(samples) if number in drawn]


def _check_present(methods: Sequence[str], samples: Sequence[Sample], manifest: Path, split: str) -> None:
    present = manifests.kinds(samples)
    for method in methods:
        if method not in present:
            known = ", ".join(sorted({sample.method for sample in samples if sample.label})) or "none"
            raise ManifestError(f"{manifest}: no fake of the method {method!r} in the split {split!r}; it has: {known}")


def _load(detector: str | Path | Detector) -> Detector:
    loaded = zoo.load(detector) if isinstance(detector, str | Path) else detector
    faces.check(loaded.card.crop)
    return loaded


def _counts(found: pl.DataFrame) -> dict[str, Any]:
    """How many photographs came to what: status -> count, for reals by data set and for fakes by method."""
    counts: dict[str, Any] = {"samples": found.height, "people": found["person"].n_unique(), "real": {}, "fake": {}}
    for label, status, dataset, method in found.select("label", "status", "dataset", "method").iter_rows():
        kind, name = ("fake", method) if label else ("real", dataset)
        by_status = counts[kind].setdefault(name, {})
        by_status[status] = by_status.get(status, 0) + 1
    counts["maps_not_judged"] = found.filter(pl.col("note").is_not_null(), status="ok").height
    return counts
