"""Cuts of a video, found in what is decoded anyway: brightness thumbnails of frames one after the other.

A cut is a change that is large, stands out from the changes before it, and stays: after a flash the next frame is like
the one before it again, and in a fast pan the next one changes as much. Dissolves are no cuts.
"""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

THUMBNAIL = (32, 18)  # width and height in pixels
Thumbnail = NDArray[np.uint8]

_LARGE = 14.0  # mean change of a thumbnail's pixels, in levels of 255
_STANDS_OUT = 3.5  # times the median of the changes before it
_RESTS = 0.5  # of the change of a cut, that the change after it stays below
_REMEMBERED = 12


def thumbnail(luma: NDArray[np.uint8]) -> Thumbnail:
    """The brightness (H, W) of a frame as a thumbnail (18, 32)."""
    return np.asarray(cv2.resize(luma, THUMBNAIL, interpolation=cv2.INTER_AREA), np.uint8)


def change(one: Thumbnail, other: Thumbnail) -> float:
    """By how many levels of 255 two frames differ, in the mean over their thumbnails."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


class CutFinder:
    """Takes thumbnails in order of time; ``cuts`` are the numbers of the frames with which a new shot begins."""

    def __init__(self) -> None:
        self.cuts: list[int] = []
        self._before: Thumbnail | None = None  # the frame before ``_last``
        self._last: tuple[int, Thumbnail] | None = None
        self._suspected = False  # whether ``_last`` may begin a shot
        self._changes: deque[float] = deque(maxlen=_REMEMBERED)

    def add(self, number: int, picture: Thumbnail) -> bool:
        """Take the next frame; whether it may begin a shot, which the frame after it decides."""
        if self._last is None:
            self._last = number, picture
            return False
        before, (last, last_picture) = self._before, self._last
        difference = change(last_picture, picture)
        if self._suspected and before is not None:
            if not self._cut(change(before, picture)):  # a flash: as if it had not been
                self._last, self._suspected = (number, picture), False
                return False
            if difference < _RESTS * change(before, last_picture):
                self.cuts.append(last)
        was_suspected, self._suspected = self._suspected, self._cut(difference)
        if not self._suspected and not was_suspected:
            self._changes.append(difference)
        self._before, self._last = last_picture, (number, picture)
        return self._suspected

    def _cut(self, difference: float) -> bool:
        usual = float(np.median(self._changes)) if self._changes else 0.0
        return difference > max(_LARGE, _STANDS_OUT * usual)
