"""Facewitness detects and locates manipulated faces in photographs.

Public names, nothing else. Importing this package loads NumPy and no runtime; ``load`` and ``scan`` bring what they
need, and ``train``, ``forge_dataset``, ``evaluate`` and ``prepare`` are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facewitness.types import (
    Calibration,
    Card,
    CardError,
    CropProfile,
    Detection,
    DeviceError,
    FacewitnessError,
    Finding,
    ForgeError,
    ManifestError,
    MediaError,
    MissingExtraError,
    RecipeError,
    Report,
    Sample,
    ScanError,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from facewitness.curation.prepare import prepare
    from facewitness.detectors.base import Detector
    from facewitness.evaluation.evaluate import evaluate
    from facewitness.forge.dataset import forge_dataset
    from facewitness.training.train import train

__version__ = "0.2.0"

__all__ = [
    "Calibration",
    "Card",
    "CardError",
    "CropProfile",
    "Detection",
    "DeviceError",
    "FacewitnessError",
    "Finding",
    "ForgeError",
    "ManifestError",
    "MediaError",
    "MissingExtraError",
    "RecipeError",
    "Report",
    "Sample",
    "ScanError",
    "Status",
    "Verdict",
    "__version__",
    "evaluate",
    "forge_dataset",
    "load",
    "prepare",
    "scan",
    "train",
]
_LAZY = {
    "evaluate": "facewitness.evaluation.evaluate",
    "forge_dataset": "facewitness.forge.dataset",
    "prepare": "facewitness.curation.prepare",
    "train": "facewitness.training.train",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(detector: str | PathLike[str] = "default", threads: int | None = None, device: str = "auto") -> Detector:
    """Open a detector: a name of the zoo, a run folder, or an exported folder (``model.onnx`` + ``card.json``).

    Call it with aligned crops, (N, S, S, 3) uint8 RGB, to get a ``Detection``.

    Args:
        detector: a name or a folder.
        threads: of one call; None leaves it to the runtime.
        device: ``cpu``, ``cuda``, the name of another execution provider of onnxruntime, or ``auto``.

    Raises:
        CardError: the name is unknown, or the folder's card and weights do not belong together.
        DeviceError: the device is not there.
        MissingExtraError: a run folder needs the extra ``train``.
    """
    from facewitness.detectors import zoo

    return zoo.load(detector if isinstance(detector, str) else Path(detector), threads, device)


def scan(
    source: str | PathLike[str] | bytes | NDArray[np.uint8],
    detector: str | PathLike[str] | Detector = "default",
    *,
    stability: bool = False,
) -> Report:
    """Find, score and locate every face of one photograph or video.

    A file that gives no picture is a status of the report, not an exception. Hand in a loaded detector when there are
    many photographs, or use ``facewitness scan``, which overlaps the work and resumes.

    Args:
        source: a file, its bytes, or pixels (H, W, 3) uint8 RGB, upright. An address is not fetched.
        detector: a name or folder as of ``load``, or a loaded one.
        stability: judge each face again under mild changes; a verdict that flips is ``inconclusive``.

    Raises:
        CardError: the detector cannot be loaded.
        ValueError: pixels of another shape or type.
    """
    from facewitness.media import animation, video
    from facewitness.scanning.single import scan as scan_one

    ready = load(detector) if isinstance(detector, (str, PathLike)) else detector
    source = Path(source) if isinstance(source, (str, PathLike)) else source
    if isinstance(source, Path) and (source.suffix.lower() in video.SUFFIXES or animation.is_long(source)):
        from facewitness.scanning.clips import scan as scan_video

        return scan_video(source, ready)
    return scan_one(source, ready, stable=stability)
