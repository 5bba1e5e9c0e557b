"""One row for each sample, made by a detector and kept as it is made, so that a killed evaluation goes on.

Rows are written in parts under ``parts/KEY/`` and joined to ``scores.parquet`` at the end. The key is a hash of all
that decides a score: the card with its weights, the manifest, the split. A row is used again only while the files it
was made from have the size and time they had.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness import storage
from facewitness.detectors import cards
from facewitness.detectors.base import Detector, detect
from facewitness.evaluation.crops import FaceCrop
from facewitness.metrics import localization
from facewitness.types import Card, CardError, Plane, Sample, Status, Views

FILE = "scores.parquet"
SCHEMA: Mapping[str, Any] = {
    "path": pl.String,
    "label": pl.Int8,
    "method": pl.String,
    "dataset": pl.String,
    "identities": pl.List(pl.String),
    "person": pl.String,  # whom the bootstrap draws
    "attributes": pl.List(pl.String),  # what else the data say of the person or the picture
    "status": pl.String,
    "note": pl.String,
    "score": pl.Float64,  # null unless the status is ok
    "verdict": pl.String,
    "highest": pl.Float64,  # of all faces in the photograph: what a scan of it reports
    "faces": pl.Int32,
    "side_px": pl.Float64,
    "iou": pl.Float64,  # null where there is no map or no truth
    "dice": pl.Float64,
    "pixel_auc": pl.Float64,
    "mass_inside": pl.Float64,  # of fakes only, as the next
    "pointing": pl.Float64,
    "false_positive_area": pl.Float64,
    "mask_outside": pl.Float64,
    "stamp": pl.String,
}

_VERSION = 4  # raise when the way from a photograph to its row changes, so that older rows are made again
_BATCH = 32
_ROWS_PER_PART = 128
_KEY = "facewitness.scores.key"


class Store:
    """The rows of one evaluation on disk. ``known`` maps a path to the row that can be used again."""

    def __init__(self, folder: Path, key: str) -> None:
        """Read what an earlier run with the same key left in ``folder``."""
        self.file = folder / FILE
        self.key = key
        self._all_parts = folder / "parts"
        self._parts = self._all_parts / key[:16]
        self._parts.mkdir(parents=True, exist_ok=True)
        self._waiting: list[dict[str, Any]] = []
        self.known: dict[str, dict[str, Any]] = {}
        tables = [self.file] if self._is_ours() else []
        for file in [*tables, *sorted(self._parts.glob("*.parquet"))]:
            self.known.update((row["path"], row) for row in pl.read_parquet(file.read_bytes()).iter_rows(named=True))

    def add(self, row: dict[str, Any]) -> None:
        """Take a row; it is on disk after at most 127 more, or ``flush``."""
        self.known[row["path"]] = row
        self._waiting.append(row)
        if len(self._waiting) >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one part."""
        if self._waiting:
            _write(pl.DataFrame(self._waiting, SCHEMA), self._parts / f"{uuid.uuid4().hex}.parquet", self.key)
            self._waiting = []

    def finish(self, samples: Sequence[Sample]) -> pl.DataFrame:
        """Join the rows of ``samples``, in their order, into ``scores.parquet`` and drop the parts."""
        self.flush()
        table = pl.DataFrame([self.known[str(sample.path)] for sample in samples], SCHEMA)
        _write(table, self.file, self.key)
        shutil.rmtree(self._all_parts)
        return table

    def _is_ours(self) -> bool:
        if not self.file.is_file():
            return False
        try:
            return pl.read_parquet_metadata(self.file.read_bytes()).get(_KEY) == self.key
        except pl.exceptions.PolarsError:
            return False  # not a table: it will be written anew


def key(card: Card, manifest_digest: str, split: str) -> str:
    """What decides every score, as a hash. A card without weights gets a new one each time: nothing can be reused."""
    decides = {"card": cards.deciding(card), "manifest": manifest_digest, "split": split, "version": _VERSION}
    if card.weights is None:
        decides["once"] = uuid.uuid4().hex
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


def stamp(sample: Sample) -> str:
    """Size and time of the files a row is made from."""
    parts = []
    for file in (sample.path, sample.region or sample.mask if sample.label else None):
        try:
            seen = None if file is None else file.stat()
        except OSError:
            seen = None
        parts.append("-" if seen is None else f"{seen.st_size}:{seen.st_mtime_ns}")
    return " ".join(parts)


def rows(samples: Iterable[Sample], crops: Iterable[FaceCrop], detector: Detector) -> Iterator[dict[str, Any]]:
    """The row of each sample, in order, the detector being shown up to 32 crops at a time.

    Raises:
        CardError: the detector answers with other than one finite score in 0..1 for each crop.
    """
    held: list[tuple[Sample, FaceCrop]] = []
    waiting = 0  # of the held, how many the detector has to see
    for pair in zip(samples, crops, strict=True):
        held.append(pair)
        waiting += pair[1].status is Status.OK
        if waiting == _BATCH or len(held) >= 8 * _BATCH:
            yield from _judged(held, detector)
            held, waiting = [], 0
    yield from _judged(held, detector)


def _judged(held: Sequence[tuple[Sample, FaceCrop]], detector: Detector) -> Iterator[dict[str, Any]]:
    crops = [face.crop[None] for _, face in held if face.crop is not None]
    views = [face.views[0] for _, face in held if face.views]
    scored = iter(_run(detector, np.concatenate(crops), views) if crops else ())
    further = [face.others for _, face in held if face.others is not None]
    views = [one for _, face in held for one in face.views[1:]]
    further_scores = iter([score for score, _ in _run(detector, np.concatenate(further), views)] if further else ())
    for sample, face in held:
        row = _blank(sample, face)
        if face.crop is not None:
            score, plane = next(scored)
            calibration = detector.card.calibration
            row["score"] = score
            faces = 0 if face.others is None else len(face.others)
            row["highest"] = max([score, *islice(further_scores, faces)])
            row["verdict"] = None if calibration is None else str(calibration.verdict(score))
            if plane is not None and face.truth is not None:
                row |= _map_row(plane, face.truth, sample.label)
        yield row


def _run(detector: Detector, crops: Any, views: Sequence[Views]) -> list[tuple[float, Plane | None]]:
    detection = detect(detector, crops, views)
    score = np.asarray(detection.score)
    if score.shape != (len(crops),) or not np.isfinite(score).all() or score.min() < 0 or score.max() > 1:
        raise CardError(
            f"detector {detector.card.name} did not give one score in 0..1 for each of {len(crops)} crops; "
            "its weights are damaged: export it again"
        )
    maps = [None] * len(crops) if detection.map is None else list(detection.map)
    return [(float(value), plane) for value, plane in zip(score, maps, strict=True)]


def _blank(sample: Sample, face: FaceCrop) -> dict[str, Any]:
    return {
        **dict.fromkeys(SCHEMA),
        **{name: getattr(sample, name) for name in ("label", "method", "dataset", "person")},
        **{name: getattr(face, name) for name in ("faces", "side_px", "mask_outside")},
        **{"path": str(sample.path), "stamp": stamp(sample)},
        **{"identities": list(sample.identities), "attributes": list(sample.attributes)},
        **{"status": str(face.status), "note": face.note or None},
    }


def _map_row(plane: Plane, truth: NDArray[np.bool_], label: int) -> dict[str, float | None]:
    if plane.shape != truth.shape:  # maps are coarser than crops; judged on the crop's grid, so that nets compare
        resized = cv2.resize(np.asarray(plane, np.float32), truth.shape[::-1], interpolation=cv2.INTER_LINEAR)
        plane = np.asarray(resized, np.float32)
    found: dict[str, float | None] = {
        "iou": localization.iou(plane, truth),
        "dice": localization.dice(plane, truth),
        "false_positive_area": localization.false_positive_area(plane, truth),
    }
    if label:
        found["pixel_auc"] = localization.pixel_auc(plane, truth)
        found["mass_inside"] = localization.mass_inside(plane, truth)
        found["pointing"] = localization.pointing(plane, truth)
    return {name: None if value is None or np.isnan(value) else value for name, value in found.items()}


def _write(table: pl.DataFrame, path: Path, key: str) -> None:
    with storage.atomic_write(path) as part:
        table.write_parquet(part, metadata={_KEY: key})
