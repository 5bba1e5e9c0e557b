"""The one registry: the shipped detectors, every architecture to train, and ``load``, which opens any."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facewitness import storage
from facewitness.detectors import cards
from facewitness.detectors.architectures import ARCHITECTURES as ARCHITECTURES
from facewitness.provenance import install_command
from facewitness.types import Card, CardError, CropProfile, Detection, MissingExtraError

ONNX_FILE = "model.onnx"
WEIGHTS_FILE = "weights.safetensors"
SHIPPED = ("default",)


class Detector(Protocol):
    """Ready to run: crops in, Detection out, whichever runtime does it."""

    @property
    def card(self) -> Card:
        """What it is."""

    @property
    def identity(self) -> dict[str, Any]:
        """What a report says of it."""

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops cut with the card's own profile."""


def names() -> list[str]:
    """Shipped detectors first, then architectures to train."""
    return [*SHIPPED, *ARCHITECTURES]


def card(name: str) -> Card:
    """The card of a name of the zoo.

    Raises:
        CardError: no such name.
    """
    if name in SHIPPED:
        return cards.read(shipped_folder(name))
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    raise CardError(f"no detector {name!r} in the zoo; there are: {', '.join(names())}")


def resized(of: Card, crop: CropProfile) -> Card:
    """An architecture's card with another crop. Its net follows, where its layers depend on the crop's size."""
    args = {**of.args, "size_px": crop.size_px} if "size_px" in of.args else of.args
    return replace(of, crop=crop, args=args)


def shipped_folder(name: str) -> Path:
    """Where a shipped detector's ONNX and card lie inside the package."""
    return Path(str(files("facewitness.detectors") / "shipped" / name))


def load(name: str | Path, threads: int | None = None) -> Detector:
    """A detector by name of the zoo, or from an exported folder (ONNX + card), or from a run folder.

    Raises:
        CardError: nothing of that name, no trained weights, or weights that are not the card's.
        MissingExtraError: a run folder, without the ``train`` extra.
    """
    if str(name) in SHIPPED:
        folder = shipped_folder(str(name))
    elif not (folder := Path(name)).is_dir():
        if str(name) in ARCHITECTURES:
            raise CardError(f"{name!r} is an architecture without trained weights: train it, then give its run folder")
        raise CardError(f"no detector {str(name)!r}: neither in the zoo ({', '.join(names())}) nor a folder")
    if (folder / ONNX_FILE).is_file():
        from facewitness.detectors.onnx_backend import OnnxDetector

        return OnnxDetector(folder, threads)
    if (folder / WEIGHTS_FILE).is_file():
        try:
            from facewitness.detectors.torch_backend import load_run
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"{folder} is a run: export it, or install what runs it: {install_command('train')}"
            ) from error
        return load_run(folder)
    raise CardError(f"{folder}: neither {ONNX_FILE} nor {WEIGHTS_FILE} in it; export a run, or finish its training")


def check_crops(crops: NDArray[np.uint8], of: Card) -> None:
    """Refuse crops that were not cut with the card's profile.

    Raises:
        CardError: wrong type or shape.
    """
    size = of.crop.size_px
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (size, size, 3):
        raise CardError(
            f"{of.name} takes crops (N, {size}, {size}, 3) uint8 RGB, got {crops.shape} {crops.dtype}: "
            "cut them with the crop profile of its card"
        )


def verify_weights(of: Card, path: Path) -> None:
    """Refuse weights that are not the ones the card was written for.

    Raises:
        CardError: the SHA-256 differs.
    """
    found = storage.sha256(path)
    if of.weights != found:
        raise CardError(
            f"{path}: these are not the weights of {of.name} (SHA-256 {found[:12]}, card says {str(of.weights)[:12]}): "
            "put the matching file there, or export the run again"
        )
