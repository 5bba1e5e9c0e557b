"""Read frames of a video by their number, exactly, without decoding more than it takes. PyAV (ffmpeg) does the work.

A frame's number is its place in the order of presentation, counted from 0. Which frames there are is known from the
packets alone, so that a seek gives the same picture as decoding through. Nothing here knows of faces.
"""

import errno
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facewitness.media.image import MAX_PIXELS
from facewitness.types import Image, MediaError, Status

SUFFIXES: frozenset[str] = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})
"""Lower-case suffixes of the files that are taken for videos."""


class Frame(NamedTuple):
    """One frame; ``image`` (H, W, 3) RGB is None where the file is damaged."""

    number: int
    time_s: float
    image: Image | None


@dataclass(frozen=True, slots=True)
class Index:
    """The frames of a video, known without decoding any."""

    stamps: tuple[int, ...]  # presentation times in units of ``unit_s``, ascending
    keys: tuple[int, ...]  # those of them at which decoding can begin, ascending
    unit_s: float
    seekable: bool  # False where packets carry no times: such a file is decoded from its start

    def __len__(self) -> int:
        return len(self.stamps)

    def time_s(self, index: int) -> float:
        """When a frame is shown, from the first one on."""
        return (self.stamps[index] - self.stamps[0]) * self.unit_s


def index(path: Path) -> Index:
    """Read which frames a video has.

    Raises:
        MediaError: UNREADABLE (missing, empty, corrupt, no frame), UNSUPPORTED (not a video), TOO_LARGE, NO_PERMISSION.
    """
    import av

    with _opened(path) as container:
        stream = container.streams.video[0]
        found: list[tuple[int | None, bool]] = []
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    found.append((packet.pts if packet.pts is not None else packet.dts, packet.is_keyframe))
        except av.error.FFmpegError:
            pass  # a file cut short: what came before counts
        unit_s = float(stream.time_base or 0)
    if not found:
        raise MediaError(Status.UNREADABLE, f"{path}: the video holds no frame; fetch or copy it again")
    stamps = [stamp for stamp, _ in found if stamp is not None]
    if len(set(stamps)) < len(found):
        rate = 1 / 25
        return Index(tuple(range(len(found))), (0,), rate, seekable=False)
    keys = sorted(stamp for stamp, key in found if key and stamp is not None)
    return Index(tuple(sorted(stamps)), tuple(keys) or (min(stamps),), unit_s, seekable=True)


def evenly(count: int, length: int) -> list[int]:
    """``count`` frame numbers spread over ``length`` frames, first and last included; fewer if there are fewer."""
    if count >= length:
        return list(range(length))
    return [round(v) for v in np.linspace(0, length - 1, count)] if count > 1 else [length // 2][:count]


def every(interval_s: float, of: Index) -> list[int]:
    """The first frame and then the first one at or after each further ``interval_s`` seconds."""
    chosen, due = [], 0.0
    for number in range(len(of)):
        if of.time_s(number) >= due - 1e-6:
            chosen.append(number)
            due = (of.time_s(number) // interval_s + 1) * interval_s
    return chosen


def frames(path: Path, wanted: Sequence[int], of: Index | None = None, *, threads: int = 1) -> Iterator[Frame]:
    """The wanted frames (ascending numbers), upright, each exactly once; those that cannot be decoded without image.

    Raises:
        MediaError: as ``index``.
    """
    of = of or index(path)
    number_of = {stamp: number for number, stamp in enumerate(of.stamps)}
    left = list(wanted)
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = threads
        decoded = _decoded(container, stream, of, number_of, left)
        for number, picture in decoded:
            while left and left[0] < number:
                yield Frame(left[0], of.time_s(left.pop(0)), None)
            if left and left[0] == number:
                left.pop(0)
                yield Frame(number, of.time_s(number), _upright(picture))
            if not left:
                break
    for number in left:
        yield Frame(number, of.time_s(number), None)


def _decoded(
    container: Any, stream: Any, of: Index, number_of: dict[int, int], left: list[int]
) -> Iterator[tuple[int, Any]]:
    """Decoded frames with their numbers, jumping ahead to the last key frame before the next wanted one."""
    import av

    position, damaged = -1, False  # number of the frame decoded last; whether decoding it failed
    while left:
        if of.seekable:
            key = of.keys[max(0, bisect_right(of.keys, of.stamps[left[0]]) - 1)]
            if damaged or number_of[key] > position + 1:
                container.seek(key, stream=stream, backward=True, any_frame=False)
        damaged = False
        try:
            for frame in container.decode(stream):
                position = number_of.get(frame.pts, position + 1) if of.seekable else position + 1
                yield position, frame
                if not left or (of.seekable and _jump(of, number_of, left[0], position)):
                    break
            else:
                return
        except av.error.FFmpegError:
            after = [number_of[key] for key in of.keys if number_of[key] > max(position, left[0])]
            if not of.seekable or not after:
                return
            position, damaged = after[0] - 1, True  # what lies before the next key frame is lost
            yield position, None


def _jump(of: Index, number_of: dict[int, int], wanted: int, position: int) -> bool:
    """Whether a key frame lies between here and the wanted frame, so that a seek saves decoding."""
    key = of.keys[max(0, bisect_right(of.keys, of.stamps[wanted]) - 1)]
    return number_of[key] > position + 1


def _upright(frame: Any) -> Image | None:
    if frame is None:
        return None
    rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    turns = round(frame.rotation / 90) % 4  # degrees counter-clockwise that the player is asked to turn it by
    return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


def _opened(path: Path) -> Any:
    import av

    try:
        if not path.stat().st_size:
            raise MediaError(Status.UNREADABLE, f"{path}: the file is empty; fetch or copy it again")
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        if isinstance(error, PermissionError):
            raise MediaError(Status.NO_PERMISSION, f"{path}: no permission to read; change its rights") from error
        kind = Status.UNREADABLE if path.suffix.lower() in SUFFIXES else Status.UNSUPPORTED
        reason = f"{path}: ffmpeg cannot open it ({error.strerror}): corrupt, cut short or no video"
        raise MediaError(kind, reason) from error
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise MediaError(Status.NO_PERMISSION, f"{path}: no permission to read; change its rights") from error
        raise MediaError(Status.UNREADABLE, f"{path}: cannot be read: {error.strerror or error}") from error
    if not container.streams.video:
        container.close()
        raise MediaError(Status.UNSUPPORTED, f"{path}: there is no picture in it, only sound; give the video")
    context = container.streams.video[0].codec_context
    if context.width * context.height > MAX_PIXELS:
        container.close()
        raise MediaError(Status.TOO_LARGE, f"{path}: {context.width} x {context.height} pixels are more than the limit")
    return container
