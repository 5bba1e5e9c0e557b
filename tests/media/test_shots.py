"""Cuts are found where scenes change, and nowhere else."""

from __future__ import annotations

import numpy as np

from facewitness.media.shots import CutFinder, Thumbnail, change, thumbnail
from tests.fakes import astronaut, texture


def scene(seed: int, count: int, pan: int = 0) -> list[Thumbnail]:
    wide = texture(180, 900, seed)[..., 0]
    return [thumbnail(np.ascontiguousarray(wide[:, pan * n : pan * n + 320])) for n in range(count)]


def cuts(frames: list[Thumbnail]) -> list[int]:
    finder = CutFinder()
    for number, frame in enumerate(frames):
        finder.add(number, frame)
    return finder.cuts


def test_a_change_of_scene_is_a_cut() -> None:
    assert cuts([*scene(1, 10), *scene(2, 10), *scene(3, 5)]) == [10, 20]


def test_a_flash_is_none() -> None:
    frames = scene(1, 20)
    frames[9] = np.full_like(frames[9], 255)
    assert cuts(frames) == []


def test_a_pan_is_none() -> None:
    assert cuts(scene(1, 25, pan=12)) == []


def test_the_first_frame_of_a_shot_may_begin_one_at_once() -> None:
    finder = CutFinder()
    told = [finder.add(n, frame) for n, frame in enumerate([*scene(1, 4), *scene(2, 4)])]
    assert told == [False] * 4 + [True] + [False] * 3


def test_the_change_of_a_picture_to_itself_is_nothing() -> None:
    gray = np.ascontiguousarray(astronaut()[..., 0])
    assert change(thumbnail(gray), thumbnail(gray)) == 0
    assert change(np.zeros((18, 32), np.uint8), np.full((18, 32), 255, np.uint8)) == 255
