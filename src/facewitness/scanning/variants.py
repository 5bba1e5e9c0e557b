"""A face as it looks after its photograph was re-encoded, reduced, blurred or cut anew, for ``scanning.stability``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from facewitness.media import faces
from facewitness.media.degrade import OPERATORS
from facewitness.types import CropProfile, Image, Points, Views

FACES = 32
"""Faces of one file that are judged again, in order; of the others a note says that they were not."""

MARGIN = 0.05
"""By how much, in sides of the face, the margins of the crops are changed."""

_REACH = 1.7  # sides of the face from its middle to the border of its window: more than any crop shows
_BLOCK_PX = 16  # of JPEG with 4:2:0: windows begin on the grid of the file
_RNG = np.random.default_rng(0)  # operators ask for one; the ones used here draw nothing

Treated = tuple[Image, Points, CropProfile]
Treatment = Callable[[Image, Points, CropProfile], Treated]
Shown = tuple[Image, Views]


def _operator(name: str, level: float) -> Treatment:
    return lambda window, points, profile: (
        np.ascontiguousarray(OPERATORS[name].apply(window, level, _RNG)),
        points,
        profile,
    )


def _half(window: Image, points: Points, profile: CropProfile) -> Treated:
    size = (max(1, window.shape[1] // 2), max(1, window.shape[0] // 2))
    step = np.array([size[0] / window.shape[1], size[1] / window.shape[0]], np.float32)
    small = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.asarray((points + 0.5) * step - 0.5, np.float32), profile


def _margin(change: float) -> Treatment:
    def changed(profile: CropProfile) -> CropProfile:
        further = tuple(changed(one) for one in profile.further)
        return replace(profile, margin=profile.margin + change, further=further)

    return lambda window, points, profile: (window, points, changed(profile))


TREATMENTS: Mapping[str, Treatment] = {
    "JPEG 75": _operator("jpeg", 75),
    "JPEG 50": _operator("jpeg", 50),
    "half size": _half,
    "slight blur": _operator("blur", 3),
    "smaller margin": _margin(-MARGIN),
    "larger margin": _margin(MARGIN),
}
"""By name, what is done to the window of a face, its landmarks and the crop profile."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The faces of a file as they look after one treatment."""

    crops: Image  # (K, S, S, 3)
    views: tuple[Views, ...]


def shown(rgb: Image, landmarks: Points, profile: CropProfile) -> dict[str, Shown]:
    """What a detector is shown of one face (68, 2) after each treatment: its crop and what further members see."""
    window, points = face_window(rgb, landmarks)
    made = {}
    for name, treat in TREATMENTS.items():
        treated, moved, changed = treat(window, points, profile)
        made[name] = (faces.crop(treated, moved, changed)[0], faces.views(treated, moved, changed))
    return made


def stacked(treated: Sequence[Mapping[str, Shown]]) -> dict[str, Variant]:
    """The variants of several faces, by treatment; none of no face."""
    if not treated:
        return {}
    return {
        name: Variant(np.stack([face[name][0] for face in treated]), tuple(face[name][1] for face in treated))
        for name in TREATMENTS
    }


def face_window(rgb: Image, landmarks: Points) -> tuple[Image, Points]:
    """The part of a photograph that the crops of a face are cut from, and the landmarks in it.

    It begins on the block grid of JPEG, so that compressing it does what compressing the photograph would.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    centre, reach = (low + high) / 2, float((high - low).max()) * _REACH
    left, top = (int(v) // _BLOCK_PX * _BLOCK_PX for v in np.clip(centre - reach, 0, None))
    right, bottom = (-(-int(np.ceil(v)) // _BLOCK_PX) * _BLOCK_PX for v in centre + reach)
    window = np.ascontiguousarray(rgb[top:bottom, left:right])
    return window, np.asarray(landmarks - np.array([left, top], np.float32), np.float32)
