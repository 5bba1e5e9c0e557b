"""Read frames of a video by their number, exactly, without decoding more than it takes. PyAV (ffmpeg) does the work.

A frame's number is its place in the order of presentation, counted from 0. Which frames there are is known from the
packets alone, so that a seek gives the same picture as decoding through. Nothing here knows of faces.
"""

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.media import animation
from facewitness.media.image import MAX_PIXELS
from facewitness.types import Image, MediaError, Status

SUFFIXES: frozenset[str] = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".flv", ".ogv"}
)
"""Lower-case suffixes of the files that are taken for videos."""


class Frame(NamedTuple):
    """One frame; ``image`` (H, W, 3) RGB is None where the file is damaged."""

    number: int
    time_s: float
    image: Image | None


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """The frames of a video, known without decoding any."""

    stamps: NDArray[np.int64]  # (N,) presentation times in units of ``unit_s``, ascending
    keys: NDArray[np.int64]  # numbers of the frames at which decoding can begin, ascending, the first of them 0
    unit_s: float
    seekable: bool  # False where packets carry no times: such a file is decoded from its start

    def __len__(self) -> int:
        return len(self.stamps)

    def time_s(self, number: int) -> float:
        """When a frame is shown, from the first one on."""
        return float(self.stamps[number] - self.stamps[0]) * self.unit_s

    def at(self, time_s: float) -> int:
        """The number of the first frame that is shown at a time or after it; ``len`` where there is none."""
        return int(np.searchsorted(self.stamps, self.stamps[0] + time_s / self.unit_s - 1e-6))

    def key(self, number: int) -> int:
        """The number of the frame at which decoding has to begin to get a frame."""
        return int(self.keys[np.searchsorted(self.keys, number, "right") - 1])

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last one, which is shown as long as frames are on average."""
        last = self.time_s(len(self) - 1)
        return last + (last / (len(self) - 1) if len(self) > 1 else self.unit_s)


def index(path: Path) -> Index:
    """Read which frames a video has.

    Raises:
        MediaError: UNREADABLE (missing, empty, corrupt, no frame), UNSUPPORTED (not a video), TOO_LARGE, NO_PERMISSION.
    """
    import av

    if path.suffix.lower() in animation.SUFFIXES:
        return Index(np.array(animation.stamps(path) or [0], np.int64), np.zeros(1, np.int64), 1e-3, seekable=True)
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
    if len(set(stamps)) < len(found) or unit_s <= 0:
        return Index(np.arange(len(found)), np.zeros(1, np.int64), 1 / 25, seekable=False)
    shown = np.sort(np.array(stamps, np.int64))
    keys = np.searchsorted(shown, np.sort(np.array([stamp for stamp, key in found if key], np.int64)))
    return Index(shown, np.union1d(keys, [0]), unit_s, seekable=True)


def undecodable(path: Path) -> MediaError:
    """What to raise for a video of whose frames none can be decoded."""
    return MediaError(Status.UNREADABLE, f"{path}: none of its frames can be decoded: corrupt, or of an unknown codec")


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
    left = list(wanted)
    for number, picture in walk(path, of, left, threads=threads):
        while left and left[0] < number:
            yield Frame(left[0], of.time_s(left.pop(0)), None)
        if left and left[0] == number:
            left.pop(0)
            yield Frame(number, of.time_s(number), None if picture is None else upright(picture))
    for number in left:
        yield Frame(number, of.time_s(number), None)


def walk(path: Path, of: Index, goal: list[int], *, threads: int = 1) -> Iterator[tuple[int, Any]]:
    """Decoded frames with their numbers, as PyAV has them; None where decoding failed.

    ``goal[0]`` is the number of the next frame that is needed; whoever iterates moves it on. What is decoded on the way
    to it is given too; where a key frame lies between, what is before that is left out. An empty ``goal`` is the end.
    """
    import av

    if path.suffix.lower() in animation.SUFFIXES:
        yield from animation.walk(path, goal)
        return
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = threads
        position, sought = -1, 0  # number of the frame decoded last, and of the key frame sought last
        lost = False  # whether decoding failed, so that it begins again at ``sought``
        while goal and goal[0] < len(of):
            try:
                if of.seekable and (lost or of.key(goal[0]) > max(position + 1, sought)):
                    sought = max(sought, of.key(goal[0]))
                    container.seek(int(of.stamps[sought]), stream=stream, backward=True, any_frame=False)
                lost = False
                for frame in container.decode(stream):
                    position = _number(of, frame.pts, position + 1)
                    yield position, frame
                    if not goal or (of.seekable and goal[0] < len(of) and of.key(goal[0]) > max(position + 1, sought)):
                        break
                else:
                    return
            except av.error.FFmpegError:
                after = of.keys[of.keys > max(position, sought)]  # what lies before the next key frame is lost
                if not of.seekable or not len(after):
                    return
                sought, lost = int(after[0]), True
                position = sought - 1
                yield position, None


def _number(of: Index, stamp: int | None, otherwise: int) -> int:
    """The number of a decoded frame by its presentation time."""
    if not of.seekable or stamp is None:
        return otherwise
    place = int(np.searchsorted(of.stamps, stamp))
    return place if place < len(of) and of.stamps[place] == stamp else otherwise


def luma(frame: Any) -> NDArray[np.uint8]:
    """The brightness (H, W) of a decoded frame, as it lies in memory where it can: of 8 bits, not turned upright."""
    kind = frame.format
    first = kind.components[0]
    if kind.is_planar and not kind.is_rgb and first.bits == 8:
        plane = frame.planes[0]
        return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    return np.asarray(frame.reformat(format="gray").to_ndarray(), np.uint8)


def upright(frame: Any) -> Image:
    """A decoded frame (H, W, 3) as a player shows it: RGB of 8 bits, turned; of an interlaced one the first field."""
    rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    if frame.interlaced_frame and len(rgb) > 2:  # two moments in one frame: motion would look like a comb
        rgb = np.asarray(cv2.resize(rgb[::2], rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    count = turns(frame)
    return np.ascontiguousarray(np.rot90(rgb, count)) if count else rgb


def turns(frame: Any) -> int:
    """By how many quarters a player is asked to turn a frame, counter-clockwise."""
    return int(round(frame.rotation / 90) % 4)


def _opened(path: Path) -> Any:
    import av

    try:
        if not path.stat().st_size:
            raise MediaError(Status.UNREADABLE, f"{path}: the file is empty; fetch or copy it again")
        container = av.open(str(path), metadata_errors="replace")
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
    context: Any = container.streams.video[0].codec_context  # None of an unknown codec, whatever its type says
    if context is None:
        container.close()
        raise MediaError(Status.UNSUPPORTED, f"{path}: its codec is unknown: corrupt, or of a kind we do not read")
    if context.width * context.height > MAX_PIXELS:
        container.close()
        raise MediaError(Status.TOO_LARGE, f"{path}: {context.width} x {context.height} pixels are more than the limit")
    return container
