"""One photograph from Python: a file, its bytes, or its pixels in; a report out."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facewitness.media import faces, image
from facewitness.scanning.image import Prepared, judge, prepare, run, search
from facewitness.scanning.stability import checked
from facewitness.types import CropProfile, Image, Report

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector

BYTES, PIXELS = Path("<bytes>"), Path("<pixels>")
"""What a report names as its source where there was no file."""


def scan(source: Path | bytes | Image, detector: Detector, *, stable: bool = False) -> Report:
    """Read a photograph, find all its faces, score each, and put the maps back on the photograph's grid.

    A file that gives no score gives a status instead; nothing is raised for it.

    Args:
        source: a file, its bytes, or pixels (H, W, 3) uint8 RGB, upright.
        detector: judges the faces.
        stable: judge each face again as ``scanning.stability`` says.

    Raises:
        CardError: the detector's crop profile is not one of this version, or its scores are not numbers.
        ValueError: pixels of another shape or type.
    """
    faces.check(detector.card.crop)
    prepared = _prepared(source, detector.card.crop, stable)
    detection = None if prepared.crops is None else run(detector, prepared.crops, prepared.views)
    return checked(judge(prepared, detection, detector.card, detector.identity), prepared, detector)


def _prepared(source: Path | bytes | Image, profile: CropProfile, stable: bool) -> Prepared:
    if isinstance(source, Path):
        return prepare(source, profile, stable=stable)
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise ValueError(f"pixels are (H, W, 3) uint8 RGB, not {source.shape} {source.dtype}")
        return search(PIXELS, image.Frames([np.ascontiguousarray(source)], [0], 1), profile, stable=stable)
    with tempfile.TemporaryDirectory(prefix="facewitness-") as folder:
        file = Path(folder) / "bytes"
        file.write_bytes(source)
        return replace(prepare(file, profile, stable=stable), path=BYTES)
