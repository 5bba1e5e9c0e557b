"""What a manipulation is and what it returns. The manipulations themselves stand one family a file beside this one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.types import Image, Plane, Points


class Portrait(NamedTuple):
    """A photograph and the 68 landmarks (68, 2) px of the face in it that is worked on."""

    image: Image
    landmarks: Points
    neutral: Points | None = None  # of the same person without the expression; only a donor of an expression has it

    @property
    def side_px(self) -> float:
        """The longer side of the landmarks' bounding box; every length in a manipulation is a share of it."""
        return float(np.ptp(self.landmarks, axis=0).max())


@dataclass(frozen=True, slots=True)
class Forgery:
    """A forged photograph and the exact truth about it. ``image`` equals ``original`` wherever ``region`` is False."""

    image: Image
    original: Image  # the photograph, except where a method says that it altered the background as well
    region: NDArray[np.bool_]  # (H, W) the manipulated area: every changed pixel, holes closed
    mask: Plane  # Gray(|X - X'|) / 255, gray as in ITU-R BT.601 (FakeLocator, eq. 7)
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """An entry of ``methods.METHODS``. ``make(target, rng, donor=None)`` gives a Forgery.

    A donor gives its ``face``, or its ``expression``: then it comes with the landmarks of its neutral face.
    """

    name: str
    family: str
    summary: str
    make: Callable[..., Forgery]
    donor: Literal["none", "face", "expression"] = "none"
    keeps_identity: bool = True  # False: only on people whose source allows swaps
    whole: bool = False  # makes the whole picture anew: only for head squares, of which nothing else is left
    generator: bool = False  # needs weights, which ``facewitness forge train-generator NAME`` makes

    @property
    def needs_donor(self) -> bool:
        """Whether ``make`` wants a second portrait."""
        return self.donor != "none"


def finish(original: Image, forged: Image, description: Mapping[str, Any]) -> Forgery:
    """Derive the exact mask and region of a forged image from the two pictures themselves."""
    difference = np.asarray(cv2.absdiff(original, forged), np.uint8)
    changed = np.asarray(difference.any(axis=2), np.uint8)
    gray = difference.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return Forgery(forged, original, _closed(changed), gray / np.float32(255), description)


def blend(source: Image, target: Image, weight: Plane) -> Image:
    """``weight * source + (1 - weight) * target``, rounded; exactly ``target`` where the weight is 0."""
    mixed = target.astype(np.float32)
    mixed += weight[..., None] * (source.astype(np.float32) - mixed)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def blur(plane: NDArray[Any], sigma: float) -> Plane:
    """Gaussian blur; a sigma under a third of a pixel changes nothing."""
    plane = np.ascontiguousarray(plane, np.float32)
    return plane if sigma < 0.34 else np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def _closed(changed: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Changed pixels with the gaps that rounding leaves closed and enclosed holes filled."""
    if not changed.any():
        return changed.astype(bool)
    top, left = (int(np.flatnonzero(changed.any(axis=axis))[0]) for axis in (1, 0))
    bottom, right = (int(np.flatnonzero(changed.any(axis=axis))[-1]) + 1 for axis in (1, 0))
    window = changed[top:bottom, left:right]
    reach = max(3, round(max(window.shape) * 0.03)) | 1
    padded = cv2.copyMakeBorder(window, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.maximum(cv2.drawContours(np.zeros_like(closed), contours, -1, 1, cv2.FILLED), padded)
    region = np.zeros(changed.shape, bool)
    region[top:bottom, left:right] = filled[reach:-reach, reach:-reach] > 0
    return region
