"""Which face of one frame is the same as which of the next: boxes alone, frames in order of time."""

from collections import defaultdict
from collections.abc import Sequence

from facewitness.types import Box

_MOVED = 1.0  # sides of a face between two frames, which may be seconds apart
_GREW = 2.0  # times, in the same interval
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


def _apart(one: Box, other: Box) -> float | None:
    """Distance of two boxes' centres in sides of the larger; None where they cannot be one face."""
    side = [max(box[2] - box[0], box[3] - box[1]) for box in (one, other)]
    if max(side) > _GREW * min(side):
        return None
    x, y = ((one[i] + one[i + 2] - other[i] - other[i + 2]) / 2 for i in (0, 1))
    distance = float((x * x + y * y) ** 0.5) / max(side)
    return distance if distance <= _MOVED else None
