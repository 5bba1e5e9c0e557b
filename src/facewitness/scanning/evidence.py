"""What speaks along a track beside its scores: signals that cost next to nothing, and none of which decides.

``docs/results/video.md`` says how well each tells forged tracks from real ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facewitness.media.finders.face import moved, similarity
from facewitness.scanning.records import FaceRecord
from facewitness.types import Points

NAMES = ("score_spread", "landmark_jitter", "map_change", "head_motion_gap")
_NEAR_S = 0.6  # frames further apart are not compared: people move
_JAW, _INNER = slice(0, 17), slice(17, 68)


def evidence(times: Sequence[float], faces: Sequence[FaceRecord], logits: NDArray[np.float64]) -> dict[str, float]:
    """The signals of a track, those that its frames allow.

    Args:
        times: seconds, ascending.
        faces: of the track, judged.
        logits: (K,) of their scores.

    Returns:
        ``score_spread``: standard deviation of the logits; ``landmark_jitter``: median distance of landmarks from
        those of the frame before, moved by the best similarity, in sides of the face; ``map_change``: 1 less the
        median correlation of neighbouring maps; ``head_motion_gap``: median distance between where the motion of the
        jaw and that of eyes, nose and mouth take the face, in sides of the face.
    """
    found = {"score_spread": float(logits.std())} if len(logits) > 1 else {}
    jitter, changes, gaps = [], [], []
    for number in range(1, len(faces)):
        if times[number] - times[number - 1] > _NEAR_S:
            continue
        one, other = faces[number - 1], faces[number]
        if one.landmarks is not None and other.landmarks is not None:
            jitter.append(_jitter(one.landmarks, other.landmarks))
            gaps.append(_motion_gap(one.landmarks, other.landmarks))
        if one.map is not None and other.map is not None:
            changes.append(_map_change(one.map, other.map))
    for name, values in zip(NAMES[1:], (jitter, changes, gaps), strict=True):
        if values:
            found[name] = float(np.median(values))
    return {name: round(value, 5) for name, value in found.items()}


def _side(points: Points) -> float:
    return max(1.0, float(np.ptp(points, axis=0).max()))


def _jitter(one: Points, other: Points) -> float:
    gap = moved(one, similarity(one, other)) - other
    return float(np.sqrt((gap**2).sum(1).mean())) / _side(other)


def _motion_gap(one: Points, other: Points) -> float:
    takes = [moved(one, similarity(one[part], other[part])) for part in (_JAW, _INNER)]
    return float(np.linalg.norm(takes[0] - takes[1], axis=1).mean()) / _side(other)


def _map_change(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    a, b = (plane.astype(np.float64) - plane.mean() for plane in (one, other))
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return 1.0 - float((a * b).sum() / size) if size > 0 else 0.0
