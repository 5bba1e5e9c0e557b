"""Animated GIF and WebP as videos: Pillow decodes them, since ffmpeg reads no animated WebP and lays GIF on nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facewitness.media import image
from facewitness.types import Image

SUFFIXES = frozenset({".gif", ".webp"})
FEW = 24
"""Frames up to which an animation is looked at as a photograph with several frames is."""

_MS = 100  # of a frame that says nothing of how long it is shown


def is_long(path: Path) -> bool:
    """Whether a file is an animation of more than ``FEW`` frames; what cannot be read is none."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with image.opened(path) as picture:
            return int(getattr(picture, "n_frames", 1)) > FEW
    except Exception:  # hostile bytes; whoever reads it as a photograph says what is wrong
        return False


def stamps(path: Path) -> list[int]:
    """When each frame is shown, in milliseconds; a damaged one ends the list."""
    times, now = list[int](), 0
    with image.opened(path) as picture:
        for number in range(int(getattr(picture, "n_frames", 1))):
            try:
                picture.seek(number)
                picture.load()
            except Exception:  # hostile bytes; what came before is whole
                break
            times.append(now)
            now += max(10, int(picture.info.get("duration") or _MS))
    return times


def frames(path: Path) -> Iterator[Image]:
    """The frames in order, (H, W, 3) RGB, transparency on white."""
    with image.opened(path) as picture:
        for number in range(int(getattr(picture, "n_frames", 1))):
            picture.seek(number)
            yield image.to_rgb(path, picture)


def walk(path: Path, goal: list[int]) -> Iterator[tuple[int, Any]]:
    """As ``media.video.walk``: every frame up to the goal."""
    import av

    for number, rgb in enumerate(frames(path)):
        if not goal:
            return
        yield number, av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
