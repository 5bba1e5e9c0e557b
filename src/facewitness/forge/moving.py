"""Frames with a face to be forged: those of a video, or a photograph that is moved, turned and zoomed."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.media import faces, video
from facewitness.media.tracking import Tracker
from facewitness.types import Image, MediaError, Points, Status

FINDER = "mtcnn"
_SMOOTH = 1.5  # frames: landmarks are averaged over time by a Gaussian this wide, or a forged face would tremble
_SEEN = 0.8  # of the frames, in which a face has to be found
_APPEARANCE_PX = 8


class MovingPhotograph:
    """A photograph as if a camera that is held by hand were pointed at it, with the noise of its sensor.

    Args:
        rgb: (H, W, 3).
        landmarks: (68, 2) px of the face.
        rng: of the motion and the noise.
        count: frames.
        longest_px: longer side of the frames, at most.
    """

    def __init__(self, rgb: Image, landmarks: Points, rng: np.random.Generator, count: int, longest_px: int) -> None:
        scale = min(1.0, longest_px / max(rgb.shape[:2]))
        height, width = (max(2, round(side * scale) // 2 * 2) for side in rgb.shape[:2])
        self.shape = (height, width)
        self._rgb, self._seed = rgb, int(rng.integers(2**31))
        self._noise = float(rng.uniform(0.5, 2.5))
        phase, speed = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.3, 1.2, 4)
        swing = np.sin(phase[:, None] + speed[:, None] * np.linspace(0, 2 * np.pi, count))  # (4, T)
        zoom = scale * (1.08 + 0.06 * swing[0])
        turn = np.deg2rad(4 * swing[1])
        centre = landmarks.mean(0)
        middle = np.clip(centre * scale, 0.35 * np.array([width, height]), 0.65 * np.array([width, height]))
        self._matrices = np.zeros((count, 2, 3))
        for number in range(count):
            cosine, sine = np.cos(turn[number]) * zoom[number], np.sin(turn[number]) * zoom[number]
            rotation = np.array([[cosine, -sine], [sine, cosine]])
            moved = middle + 0.04 * np.array([width * swing[2, number], height * swing[3, number]])
            self._matrices[number] = np.hstack([rotation, (moved - rotation @ centre)[:, None]])
        self.landmarks = np.stack([faces.moved(landmarks, matrix) for matrix in self._matrices])

    def __iter__(self) -> Iterator[Image]:
        """The frames; the same whenever they are asked for."""
        rng = np.random.default_rng(self._seed)
        for matrix in self._matrices:
            border = cv2.BORDER_REFLECT_101
            warped = cv2.warpAffine(self._rgb, matrix, self.shape[::-1], flags=cv2.INTER_AREA, borderMode=border)
            frame = np.asarray(warped, np.float32)
            frame += rng.standard_normal(self.shape, np.float32)[..., None] * self._noise
            yield np.clip(np.rint(frame), 0, 255).astype(np.uint8)


class FollowedVideo:
    """The first seconds of a video and the landmarks of the face that fills most of them, steadied along time.

    Args:
        path: of the video.
        seconds: at most.
        longest_px: longer side of the frames, at most.

    Raises:
        MediaError: it cannot be read, or no face is followed through most of it (NO_FACE).
    """

    def __init__(self, path: Path, seconds: float, longest_px: int) -> None:
        self._path, self._of = path, video.index(path)
        self._numbers = range(min(len(self._of), max(1, self._of.at(seconds))))
        self.rate = max(1, round((len(self._of) - 1) / max(self._of.time_s(len(self._of) - 1), 1e-3)))
        first = next((f.image for f in video.frames(path, self._numbers, self._of) if f.image is not None), None)
        if first is None:
            raise video.undecodable(path)
        scale = min(1.0, longest_px / max(first.shape[:2]))
        height, width = (max(2, round(side * scale) // 2 * 2) for side in first.shape[:2])
        self.shape = (height, width)
        self.landmarks = self._follow()

    def __iter__(self) -> Iterator[Image]:
        """The frames; one that cannot be decoded is the one before it."""
        last: Image | None = None
        for frame in video.frames(self._path, self._numbers, self._of):
            if frame.image is not None:
                last = np.asarray(cv2.resize(frame.image, self.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
            yield np.zeros((*self.shape, 3), np.uint8) if last is None else last

    def _follow(self) -> NDArray[np.float32]:
        tracker = Tracker()
        found: dict[int, dict[int, Points]] = {}
        area: dict[int, float] = {}
        for number, frame in enumerate(self):
            seen = [face for face in faces.find(frame, FINDER) if not face.doubtful]
            looks = [_appearance(frame, face.box) for face in seen]
            tracks = tracker.update(self._of.time_s(number), [face.box for face in seen], looks)
            for track, face in zip(tracks, seen, strict=True):
                found.setdefault(track, {})[number] = face.landmarks
                area[track] = area.get(track, 0.0) + face.side_px**2
        best = max(area, key=lambda track: area[track], default=None)
        if best is None or len(found[best]) < _SEEN * len(self._numbers):
            raise MediaError(Status.NO_FACE, f"{self._path}: no face can be followed through most of its frames")
        return steady(found[best], len(self._numbers))


def steady(found: dict[int, Points], count: int) -> NDArray[np.float32]:
    """Landmarks (T, 68, 2) of every frame from those of some: gaps filled in, smoothed along time."""
    known = np.array(sorted(found))
    points = np.stack([found[number] for number in known.tolist()]).reshape(len(known), -1)
    every = np.stack([np.interp(np.arange(count), known, column) for column in points.T], axis=1)
    beyond = min(count - 1, round(4 * _SMOOTH))  # motion goes on as it was before the first frame and after the last
    before, after = 2 * every[:1] - every[beyond:0:-1], 2 * every[-1:] - every[-2 : -2 - beyond : -1]
    padded = np.concatenate([before, every, after]).astype(np.float32)
    smooth = cv2.GaussianBlur(padded, (1, 0), sigmaX=0.01, sigmaY=_SMOOTH)[beyond : beyond + count]
    return np.asarray(smooth, np.float32).reshape(count, 68, 2)


def _appearance(frame: Image, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    part = frame[top : max(bottom, top + 1), left : max(right, left + 1)]
    return np.asarray(cv2.resize(part, (_APPEARANCE_PX, _APPEARANCE_PX), interpolation=cv2.INTER_AREA), np.uint8)
