"""Which face is which, from boxes alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewitness.media.tracking import Tracker, largest, track
from facewitness.types import Box


def _box(x: float, y: float, side: float) -> Box:
    return (x, y, x + side, y + side)


def test_two_people_who_walk_past_each_other_keep_their_numbers() -> None:
    left = [_box(10 + 8 * t, 10, 40) for t in range(10)]
    right = [_box(200 - 8 * t, 90, 40) for t in range(10)]
    frames = [[a, b] if t % 2 else [b, a] for t, (a, b) in enumerate(zip(left, right, strict=True))]
    numbers = track(frames)
    assert numbers == [[1, 0] if t % 2 else [0, 1] for t in range(10)]


def test_who_is_not_seen_for_a_while_comes_back_and_who_is_away_for_long_does_not() -> None:
    there: list[Box] = [_box(10, 10, 40)]
    assert track([there, [], [], there]) == [[0], [], [], [0]]
    assert track([there, *([[]] * 6), there])[-1] == [1]


def test_a_face_of_quite_another_size_is_another() -> None:
    assert track([[_box(10, 10, 40)], [_box(10, 10, 120)]]) == [[0], [1]]


def test_the_largest_is_who_fills_most_over_all_frames() -> None:
    frames = [[_box(0, 0, 90)], [_box(300, 0, 60)], [_box(302, 0, 60)], [_box(304, 0, 60)], [_box(306, 0, 60)]]
    numbers = track(frames)
    assert largest(frames, numbers) == 1  # 4 x 60 squared are more than 90 squared
    assert largest([[], []], track([[], []])) is None


def _look(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def test_a_tracker_parts_people_by_what_they_look_like() -> None:
    tracker, here = Tracker(), _box(10, 10, 40)
    assert tracker.update(0.0, [here], [_look(1)]) == [0]
    assert tracker.update(0.2, [here], [_look(2)]) == [1]  # another face at the same place, as after a dissolve
    assert tracker.update(0.4, [_box(100, 10, 40)], [_look(2)]) == [1]  # far, but alike
    assert tracker.update(0.6, [_box(10, 10, 40), _box(102, 10, 40)], [_look(1), _look(2)]) == [0, 1]


def test_a_tracker_forgets_after_some_seconds() -> None:
    tracker, here = Tracker(), _box(10, 10, 40)
    assert tracker.update(0.0, [here], [_look(1)]) == [0]
    assert tracker.update(0.2, [], []) == []
    assert tracker.update(2.0, [here], [_look(1)]) == [0]
    for time_s in (2.2, 3.0, 4.0, 5.0):
        assert tracker.update(time_s, [], []) == []
    assert tracker.update(6.0, [here], [_look(1)]) == [1]


def test_a_tracker_bears_frames_that_are_far_apart() -> None:
    tracker, here = Tracker(), _box(10, 10, 40)
    assert [tracker.update(10.0 * n, [here], [_look(1)]) for n in range(4)] == [[0]] * 4
