"""One video in a worker process: which frames are looked at, the faces in them, their crops. No detector here.

A video is worked through in segments. What is seen of a segment depends on the file and on the segment alone, so that
workers may share a file and a scan that was killed goes on with the next segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.media import animation, faces, image, shots, video
from facewitness.scanning.image import preview, within
from facewitness.types import Box, CropProfile, Image, Points, Status, Views

SUFFIXES, ANIMATIONS = video.SUFFIXES, animation.SUFFIXES
FRAMES = 32
"""Faces of a track that its verdict is by, and for which frames are looked at."""

STEP_S = 0.25
"""Seconds between the frames that are looked at, at the beginning of a shot; less in short clips."""

SEGMENT_S, LONGEST_SEGMENT_S = 20.0, 60.0
APPEARANCE_PX = 8
_FEWEST = 32  # frames of a segment
_HDR = (16, 18)  # transfer characteristics of ITU-T H.273: PQ, HLG
_FACES_PER_CHUNK, _LOOKS_PER_CHUNK = 8, 16


@dataclass(frozen=True, slots=True)
class VideoTask:
    """A share of a video: the segments whose number is ``part`` modulo ``parts``, but those that are done."""

    path: Path
    frames: int | None = FRAMES  # of a track; None looks at every frame
    part: int = 0
    parts: int = 1
    done: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before its frames are looked at."""

    sha256: str
    shape: tuple[int, int]  # height and width of the upright frames
    duration_s: float
    frames: int
    segments: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoFace:
    """A face in a frame; ``matrix`` (2, 3) takes source to crop pixels, None without a crop."""

    box: Box
    status: Status
    turn_deg: float = 0.0
    matrix: NDArray[np.float64] | None = None
    landmarks: Points | None = None  # (68, 2) px
    appearance: NDArray[np.uint8] | None = None  # (8, 8, 3), of the crop
    sharpness: float = 0.0  # variance of the crop's Laplacian


@dataclass(frozen=True, slots=True)
class Look:
    """A frame that was looked at."""

    number: int
    time_s: float
    faces: tuple[VideoFace, ...]
    preview: Image | None = field(default=None, repr=False)  # the frame, reduced; None without a face
    shape: tuple[int, int] = (0, 0)  # height and width of the frame


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """What is known once a segment is through: where shots begin in it, and its first and last frame for the next."""

    cuts: tuple[float, ...]  # seconds
    damaged: int  # frames that could not be decoded
    start_s: float
    first: shots.Thumbnail | None
    last: shots.Thumbnail | None


@dataclass(frozen=True, slots=True)
class VideoChunk:
    """Some frames of a segment, in order. ``crops`` (K, S, S, 3) are those of the faces whose status is OK."""

    path: Path
    info: VideoInfo
    segment: int = -1  # -1: the information alone
    looks: tuple[Look, ...] = ()
    crops: Image | None = None
    views: tuple[Views, ...] = ()
    end: SegmentEnd | None = None  # with the last chunk of a segment
    last: bool = False  # whether nothing more comes of this task


def chunks(task: VideoTask, profile: CropProfile, preview_px: int) -> Iterator[VideoChunk]:
    """Look through a share of a video and yield what is seen as it is seen.

    Raises:
        MediaError: the file gives no picture.
    """
    of = video.index(task.path)
    ranges = segments(of)
    info = describe(task.path, of, len(ranges))
    yield VideoChunk(task.path, info)
    for number in range(task.part, len(ranges), task.parts):
        if number not in task.done:
            walker = _Segment(task, of, info, number, profile, preview_px)
            yield from walker.chunks(*ranges[number])
    yield VideoChunk(task.path, info, last=True)


def describe(path: Path, of: video.Index, count: int) -> VideoInfo:
    """Hash a video and read what its first frame tells.

    Raises:
        MediaError: it cannot be read, or no frame of it can be decoded.
    """
    digest = image.sha256(path)
    first = next((frame for _, frame in video.walk(path, of, [0]) if frame is not None), None)
    if first is None:
        raise video.undecodable(path)
    height, width = (first.height, first.width) if video.turns(first) % 2 == 0 else (first.width, first.height)
    notes = [f"{of.duration_s:.1f} s, {len(of)} frames, {width} x {height}, {first.format.name}"]
    if not of.seekable:
        notes.append("its frames carry no usable times: taken for 25 a second")
    if first.color_trc in _HDR:
        notes.append("high dynamic range: its brightness was taken as it is stored")
    if first.interlaced_frame:
        notes.append("interlaced: one field of each frame was looked at")
    return VideoInfo(digest, (height, width), of.duration_s, len(of), count, tuple(notes))


def segments(of: video.Index) -> list[tuple[int, int]]:
    """First frame and the one after the last of each segment; at key frames, where these are not too rare."""
    starts = [0]
    while of.seekable:
        begin, begin_s = starts[-1], of.time_s(starts[-1])
        place = int(np.searchsorted(of.keys, max(of.at(begin_s + SEGMENT_S), begin + _FEWEST)))
        key = int(of.keys[place]) if place < len(of.keys) else len(of)
        start = min(key, max(of.at(begin_s + LONGEST_SEGMENT_S), begin + _FEWEST))
        if start >= len(of):
            break
        starts.append(start)
    return list(zip(starts, [*starts[1:], len(of)], strict=True))


class Schedule:
    """When the next frame is due: one each ``STEP_S``, more sparsely the older the shot is.

    Args:
        frames: of a track; None takes every frame.
        duration_s: of the whole video: a short one is looked at more closely.
    """

    def __init__(self, frames: int | None, duration_s: float) -> None:
        self._frames = frames
        self._step_s = 0.0 if frames is None else min(STEP_S, duration_s / frames)
        self._shot_s = self.due_s = 0.0
        self.until_s = 0.0  # the end of the stretch of which the sharpest frame is taken

    def begin_shot(self, time_s: float) -> None:
        """Start anew at a cut."""
        self._shot_s = self.due_s = time_s
        self.take(time_s)

    def take(self, time_s: float) -> None:
        """A stretch begins with the frame of this time; the next one is due after it."""
        step = self._step_s if self._frames is None else max(self._step_s, (time_s - self._shot_s) / self._frames)
        begin_s = self.due_s if 0 <= time_s - self.due_s < step else time_s  # frames come between the beats
        self.until_s = begin_s + self._step_s
        self.due_s = begin_s + step


class _Segment:
    """Walks through one segment."""

    def __init__(
        self, task: VideoTask, of: video.Index, info: VideoInfo, number: int, profile: CropProfile, preview_px: int
    ) -> None:
        self._task, self._of, self._info, self._number = task, of, info, number
        self._profile, self._preview_px = profile, preview_px
        self._boxes: list[Box] = []  # of the faces in the frame that was looked at last
        self._damaged = 0
        self._looks: list[Look] = []
        self._crops: list[Image] = []
        self._views: list[Views] = []

    def chunks(self, start: int, stop: int) -> Iterator[VideoChunk]:
        cuts = shots.CutFinder()
        first: shots.Thumbnail | None = None
        last: shots.Thumbnail | None = None
        for number, frame in self._picked(start, stop, cuts):
            thumb = shots.thumbnail(video.luma(frame))
            first, last = thumb if first is None else first, thumb
            self._look(number, video.upright(frame))
            if len(self._crops) >= _FACES_PER_CHUNK or len(self._looks) >= _LOOKS_PER_CHUNK:
                yield self._chunk(None)
        times = tuple(self._of.time_s(number) for number in cuts.cuts)
        yield self._chunk(SegmentEnd(times, self._damaged, self._of.time_s(start), first, last))

    def _picked(self, start: int, stop: int, cuts: shots.CutFinder) -> Iterator[tuple[int, Any]]:
        """The frames to look at: the sharpest of the beginning of each interval."""
        schedule = Schedule(self._task.frames, self._info.duration_s)
        goal = [start]
        best: tuple[float, int, Any] | None = None
        begun = False
        for number, frame in video.walk(self._task.path, self._of, goal):
            if frame is None:
                self._damaged += 1
                goal[0] = max(goal[0], number + 1)
            if number >= stop:
                break
            if number < start or frame is None:
                continue
            time_s, bright = self._of.time_s(number), video.luma(frame)
            cut = cuts.add(number, shots.thumbnail(bright))
            if cut or not begun or time_s >= schedule.until_s:
                if best is not None:
                    yield best[1], best[2]
                    best = None
                if cut or not begun:
                    schedule.begin_shot(time_s)
                    begun = True
                elif time_s >= schedule.due_s - 1e-6:
                    schedule.take(time_s)
                goal[0] = max(self._of.at(schedule.due_s), number + 1)
            if time_s < schedule.until_s or self._task.frames is None:
                sharp = self._sharpness(frame, bright)
                if best is None or sharp > best[0]:
                    best = sharp, number, frame
        if best is not None:
            yield best[1], best[2]

    def _sharpness(self, frame: Any, bright: NDArray[np.uint8]) -> float:
        """Of the places where faces were last, of the whole frame where there were none."""
        plane = np.rot90(bright, video.turns(frame))
        boxes = [tuple(max(0, round(edge)) for edge in box) for box in self._boxes] or [(0, 0, *plane.shape[::-1])]
        parts = [plane[top:bottom, left:right] for left, top, right, bottom in boxes]
        return float(sum(cv2.Laplacian(np.ascontiguousarray(part), cv2.CV_16S).var() for part in parts if part.size))

    def _look(self, number: int, rgb: Image) -> None:
        found = []
        for face in faces.find(rgb, self._profile.finder):
            status = faces.status(face, self._profile)
            box = within(face.box, rgb)
            if status is not Status.OK:
                found.append(VideoFace(box, status, face.turn_deg))
                continue
            crop, matrix = faces.crop(rgb, face.landmarks, self._profile)
            small = np.asarray(cv2.resize(crop, (APPEARANCE_PX, APPEARANCE_PX), interpolation=cv2.INTER_AREA), np.uint8)
            sharp = float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_16S).var())
            found.append(VideoFace(box, status, face.turn_deg, matrix, face.landmarks, small, sharp))
            self._crops.append(crop)
            if self._profile.further:
                self._views.append(faces.views(rgb, face.landmarks, self._profile))
        ok = [face for face in found if face.status is Status.OK]
        self._boxes = [face.box for face in ok]
        shown = preview(rgb, self._preview_px) if ok and self._preview_px else None
        self._looks.append(Look(number, self._of.time_s(number), tuple(found), shown, rgb.shape[:2]))

    def _chunk(self, end: SegmentEnd | None) -> VideoChunk:
        crops = np.stack(self._crops) if self._crops else None
        looks, views = tuple(self._looks), tuple(self._views)
        self._looks, self._crops, self._views = [], [], []
        return VideoChunk(self._task.path, self._info, self._number, looks, crops, views, end)
