"""Which face of one frame is the same as which of the next, frames in order of time.

``track`` goes by boxes alone, for crops of a data set; ``Tracker`` as frames come, also by what faces look like.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facewitness.types import Box

_MOVED = 1.0  # sides of a face between two frames, which may be seconds apart
_GREW = 2.0  # times, in the same interval
_MOVED_IF_ALIKE = 3.0  # likewise, where both look the same
_ALIKE, _UNLIKE = 0.5, 1.3  # mean square difference of normalised thumbnails: surely one face, surely two
_FORGOTTEN = 5  # frames after which a face that was not seen again begins a new track


def track(frames: Sequence[Sequence[Box]]) -> list[list[int]]:
    """For each box of each frame the number of its track; the nearest boxes are joined first.

    Tracks are numbered from 0 in the order in which they appear.
    """
    last: dict[int, tuple[int, Box]] = {}
    numbers: list[list[int]] = []
    count = 0
    for time, boxes in enumerate(frames):
        pairs = sorted(
            (distance, number, place)
            for number, (seen, before) in last.items()
            if time - seen <= _FORGOTTEN
            for place, box in enumerate(boxes)
            if (distance := _apart(before, box)) is not None
        )
        given: dict[int, int] = {}
        for _, number, place in pairs:
            if place not in given and number not in given.values():
                given[place] = number
        for place in range(len(boxes)):
            if place not in given:
                given[place] = count
                count += 1
        last.update({given[place]: (time, box) for place, box in enumerate(boxes)})
        numbers.append([given[place] for place in range(len(boxes))])
    return numbers


def largest(frames: Sequence[Sequence[Box]], numbers: Sequence[Sequence[int]]) -> int | None:
    """The track whose boxes cover most in sum over all frames; None if there is no box at all."""
    area: dict[int, float] = defaultdict(float)
    for boxes, own in zip(frames, numbers, strict=True):
        for (left, top, right, bottom), number in zip(boxes, own, strict=True):
            area[number] += (right - left) * (bottom - top)
    return max(area, key=lambda number: (area[number], -number), default=None)


def _apart(one: Box, other: Box, most: float = _MOVED) -> float | None:
    """Distance of two boxes' centres in sides of the larger; None where they cannot be one face."""
    side = [max(box[2] - box[0], box[3] - box[1]) for box in (one, other)]
    if max(side) > _GREW * min(side):
        return None
    x, y = ((one[i] + one[i + 2] - other[i] - other[i + 2]) / 2 for i in (0, 1))
    distance = float((x * x + y * y) ** 0.5) / max(side)
    return distance if distance <= most else None


@dataclass(slots=True)
class _Followed:
    """A track, as it was seen last."""

    box: Box
    time_s: float
    appearance: NDArray[np.float32]


class Tracker:
    """Follows faces through a shot by box and appearance; it recognizes nobody.

    A face continues the track whose last box is near, or whose appearance is like its own if the box is not quite as
    near. What was not seen for ``FORGOTTEN_S`` seconds, or three times the usual gap between frames, is over.
    """

    FORGOTTEN_S = 3.0

    def __init__(self) -> None:
        self._tracks: dict[int, _Followed] = {}
        self._count = 0
        self._last_s: float | None = None
        self._gap_s = 0.0

    def update(self, time_s: float, boxes: Sequence[Box], appearances: Sequence[NDArray[np.uint8]]) -> list[int]:
        """Take the faces of the next frame and return the number of the track of each, from 0 on.

        Args:
            time_s: later than that of the frame before.
            boxes: of the faces.
            appearances: a thumbnail (h, w, 3) of each face, aligned, all of one size.
        """
        if self._last_s is not None:
            self._gap_s = max(time_s - self._last_s, 0.0)
        self._last_s = time_s
        limit = max(self.FORGOTTEN_S, 3 * self._gap_s)
        self._tracks = {n: one for n, one in self._tracks.items() if time_s - one.time_s <= limit}
        looks = [_normalised(appearance) for appearance in appearances]
        pairs = sorted(
            (cost, number, place)
            for number, one in self._tracks.items()
            for place, box in enumerate(boxes)
            if (cost := _cost(one, box, looks[place])) is not None
        )
        given: dict[int, int] = {}
        for _, number, place in pairs:
            if place not in given and number not in given.values():
                given[place] = number
        for place, box in enumerate(boxes):
            if place not in given:
                given[place] = self._count
                self._count += 1
            number = given[place]
            old = self._tracks.get(number)
            seen = looks[place] if old is None else 0.7 * old.appearance + 0.3 * looks[place]
            self._tracks[number] = _Followed(box, time_s, seen)
        return [given[place] for place in range(len(boxes))]


def _normalised(appearance: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A thumbnail without its brightness and contrast."""
    values = appearance.astype(np.float32)
    values -= values.mean()
    return np.asarray(values / (values.std() + 8), np.float32)


def _cost(one: _Followed, box: Box, appearance: NDArray[np.float32]) -> float | None:
    """How ill a face fits a track: distance in sides and unlikeness together; None where they cannot be one face."""
    distance = _apart(one.box, box, _MOVED_IF_ALIKE)
    if distance is None:
        return None
    unlike = float(np.square(one.appearance - appearance).mean())  # 0 the same, 2 unrelated
    if unlike > _UNLIKE or (distance > _MOVED and unlike > _ALIKE):
        return None
    return distance + unlike
