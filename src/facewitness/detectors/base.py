"""What a detector is to everything that runs one: a protocol, the names of its files, and guards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from facewitness import storage
from facewitness.types import Card, CardError, Detection, Views

ONNX_FILE = "model.onnx"
WEIGHTS_FILE = "weights.safetensors"


class Detector(Protocol):
    """A net ready to run, whichever runtime does it."""

    @property
    def card(self) -> Card:
        """What it is."""

    @property
    def identity(self) -> dict[str, Any]:
        """What a report says of it."""

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops made with the card's own profile."""


@runtime_checkable
class Fused(Protocol):
    """A detector whose further members see more of a face than its crop."""

    def detect(self, crops: NDArray[np.uint8], views: Sequence[Views]) -> Detection:
        """Judge crops (N, S, S, 3) and, for each, what the further members see."""


def detect(detector: Detector, crops: NDArray[np.uint8], views: Sequence[Views] = ()) -> Detection:
    """What a detector says of crops made with its card's profile, and of what its further members see, if it has any.

    Raises:
        CardError: the detector wants views of every face, and there are not as many.
    """
    return detector.detect(crops, views) if isinstance(detector, Fused) else detector(crops)


def check_crops(crops: NDArray[np.uint8], card: Card) -> None:
    """Refuse crops that were not made with the card's profile.

    Raises:
        CardError: wrong type or shape.
    """
    size = card.crop.size_px
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (size, size, 3):
        raise CardError(
            f"{card.name} takes crops (N, {size}, {size}, 3) uint8 RGB, got {crops.shape} {crops.dtype}: "
            "make them with the crop profile of its card"
        )


def verify_weights(card: Card, path: Path) -> None:
    """Refuse weights that are not the ones the card was written for.

    Raises:
        CardError: the SHA-256 differs.
    """
    digest = storage.sha256(path)
    if card.weights != digest:
        raise CardError(
            f"{path}: these are not the weights of {card.name} (SHA-256 {digest[:12]}, card says "
            f"{str(card.weights)[:12]}): put the matching file there, or export the run again"
        )


def joined(parts: list[list[NDArray[np.float32]]]) -> Detection:
    """Return the answer of a net from those for its batches: scores, features and, if it has one, the map."""
    if not parts:
        return Detection(np.zeros(0, np.float32), np.zeros((0, 0), np.float32), None)
    score, features, *rest = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Detection(score, features, rest[0] if rest else None)
