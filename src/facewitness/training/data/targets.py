"""What is taught of a pair beside its labels: where a face could be forged, and FakeLocator's face attention."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.media import parts
from facewitness.training.recipe import AttentionSection
from facewitness.types import FacewitnessError, Image, Points

Planes = NDArray[np.uint8]


def potential(landmarks: Points, size_px: int, *, forehead: bool) -> Planes:
    """Return where any face could be forged (S, S), 0 and 255: its hull (ADD, section III-C)."""
    outline = parts.with_forehead(landmarks) if forehead else landmarks
    return np.asarray(parts.hull(outline, (size_px, size_px)) * np.uint8(255))


def finder(section: AttentionSection) -> parts.Find | None:
    """Return what finds the parts of a face for face attention; None without it.

    Raises:
        FacewitnessError: a network is wanted but not named.
    """
    if section.parts == "none":
        return None
    if section.parts == "network" and section.network is None:
        raise FacewitnessError("attention.parts is 'network': give the ONNX file as attention.network")
    return parts.finder(Path(str(section.network)) if section.parts == "network" else None)


def attention(
    find: parts.Find, crops: Sequence[Image], landmarks: Sequence[Points], fakeness: Planes, sigma_px: float
) -> list[Planes]:
    """Return the attention map (S, S) of a real crop and of its forgery, both of the part that the forgery changed.

    Both show the same part, or the map itself would tell them apart. White where it is not known what was changed.
    """
    if not fakeness.any():
        return [np.full_like(fakeness, 255)] * 2
    found = [find(crop, points) for crop, points in zip(crops, landmarks, strict=True)]
    part = parts.changed(found[1], fakeness)
    return [np.rint(parts.attention(of[part], sigma_px) * 255).astype(np.uint8) for of in found]
