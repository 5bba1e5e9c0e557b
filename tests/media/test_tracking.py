"""Which face is which, from boxes alone."""

from __future__ import annotations

from facewitness.media.tracking import largest, track
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
