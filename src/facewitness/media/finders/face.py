"""A found face, its five points, and squares of a photograph in which they lie where they are wanted."""

from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.types import Box, Points

A = TypeVar("A", bound=NDArray[Any])

# Five points in units of the face's side, mean over the 102 neutral faces of the Face Research Lab London Set, measured
# with the HOG finder: eye centres, nose tip, mouth corners. The origin is the centre of the 68 landmarks' bounding box.
TEMPLATE = np.array([[-0.217, -0.303], [0.217, -0.303], [0.0, -0.097], [-0.175, 0.165], [0.175, 0.165]], np.float32)


class Face(NamedTuple):
    """One face as a finder saw it."""

    box: Box
    landmarks: Points  # (68, 2) px
    confidence: float
    turn_deg: float = 0.0  # by which the photograph has to be turned, counter-clockwise, to stand it upright
    doubtful: bool = False  # it may be no face at all: it does not decide what is said of the photograph

    @property
    def side_px(self) -> float:
        """Length of the longer side of the landmarks' bounding box, the face being upright."""
        return float(np.ptp(moved(self.landmarks, rotation(self.turn_deg)), axis=0).max())


def five_points(landmarks: Points) -> Points:
    """Eye centres, nose tip and mouth corners of 68 landmarks, (5, 2)."""
    return np.stack(
        [landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]]
    ).astype(np.float32)


def similarity(source: Points, target: Points) -> np.ndarray:
    """Least-squares similarity without reflection, (2, 3). Umeyama (1991), in the closed form for the plane."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = (source - source_mean).astype(float), (target - target_mean).astype(float)
    norm = (a**2).sum() or 1.0
    cosine = (a * b).sum() / norm
    sine = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.hstack([turn, (target_mean - turn @ source_mean)[:, None]])


def lean(landmarks: Points) -> float:
    """By how many whole degrees, 0 to 359, a photograph has to be turned counter-clockwise to stand a face upright."""
    matrix = similarity(five_points(landmarks), TEMPLATE)
    return float(round(np.rad2deg(np.arctan2(matrix[0, 1], matrix[0, 0]))) % 360)


def moved(points: Points, matrix: np.ndarray) -> Points:
    """Points (K, 2) where ``matrix`` (2, 3) takes them."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def rotation(degrees: float) -> np.ndarray:
    """The (2, 3) matrix that turns a photograph counter-clockwise about its first pixel."""
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0]])


def cut(rgb: A, matrix: np.ndarray, size_px: int) -> A:
    """The square (S, S, 3) that ``matrix`` (2, 3) takes the photograph to; of a map (H, W) alike, its type kept.

    Where the square leaves the photograph, the photograph is mirrored. Strong reductions are area-averaged first, so
    that a large photograph does not alias.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.6:
        shrink = max(scale, 1.0 / max(1.0, min(rgb.shape[:2]) - 1))
        height, width = (max(1, round(side * shrink)) for side in rgb.shape[:2])
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        step = np.array([rgb.shape[1] / width, rgb.shape[0] / height])
        lift = np.vstack([np.hstack([np.diag(step), (step / 2 - 0.5)[:, None]]), [0, 0, 1]])
        source, use = small, matrix @ lift
    else:
        source, use = rgb, matrix
    size = (size_px, size_px)
    made = cv2.warpAffine(source, use, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return cast(A, np.asarray(made, rgb.dtype))


def overlap(one: Face, other: Face) -> bool:
    """Whether the centre of either box lies within the other box."""

    def holds(outer: Box, inner: Box) -> bool:
        x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
        return outer[0] <= x < outer[2] and outer[1] <= y < outer[3]

    return holds(one.box, other.box) or holds(other.box, one.box)
