"""What a worker does for ``prepare``: decode frames of one video or picture, find faces, crop them and their masks.

Nothing is written here. Which of the faces are kept is settled when all frames are known (``prepare``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.media import faces, image, video
from facewitness.types import Box, CropProfile, Image, MediaError, Plane, Points, Sample, Status


@dataclass(frozen=True, slots=True)
class Part:
    """Some frames of a sample: of the wanted ones those from ``start`` up to ``stop``."""

    sample: Sample
    frames: int | None  # so many, evenly spread ...
    every_s: float | None  # ... or one each so many seconds; all if neither is given
    profile: CropProfile
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class EncodedCrop:
    """A face that was found: PNG files as bytes, so that a result is small on its way between processes."""

    box: Box
    landmarks: Points  # (68, 2) px in the crop
    status: Status  # OK, or FACE_TOO_SMALL and then without a crop
    crop: bytes = b""
    mask: bytes = b""
    region: bytes = b""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame and what was found in it."""

    index: int
    time_s: float | None
    status: Status
    crops: list[EncodedCrop] = field(default_factory=list)
    notes: tuple[str, ...] = ()  # "mask missing" and the like


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a part. ``status`` is that of the file; its frames have their own."""

    status: Status
    message: str = ""
    frames: list[Seen] = field(default_factory=list)


def wanted(part: Part, of: video.Index) -> list[int]:
    """The frame numbers of a part."""
    if part.every_s is not None:
        chosen = video.every(part.every_s, of)
    else:
        chosen = video.evenly(part.frames, len(of)) if part.frames is not None else list(range(len(of)))
    return chosen[part.start : part.stop]


def is_video(path: Path) -> bool:
    """Whether a file is taken for a video."""
    return path.suffix.lower() in video.SUFFIXES


def crop_part(part: Part) -> Done:
    """Find and crop the faces of a part. A file that cannot be read is a status, never an exception."""
    sample = part.sample
    try:
        if not is_video(sample.path):
            return Done(Status.OK, "", [_seen(0, None, image.read(sample.path), part, _still_truth(sample))])
        of = video.index(sample.path)
        chosen = wanted(part, of)
        truths = zip(*(_moving_truth(path, chosen) for path in (sample.mask, sample.region)), strict=True)
        seen = [
            _seen(frame.number, round(frame.time_s, 4), frame.image, part, truth)
            for frame, truth in zip(video.frames(sample.path, chosen, of), truths, strict=True)
        ]
        return Done(Status.OK, "", seen)
    except MediaError as error:
        return Done(error.status, str(error))


Truth = tuple[NDArray[np.uint8] | Plane | str | None, ...]  # mask and region; a text says why one is missing


def _still_truth(sample: Sample) -> Truth:
    found: list[NDArray[np.uint8] | Plane | str | None] = []
    for kind, path in (("mask", sample.mask), ("region", sample.region)):
        try:
            if path is None:
                found.append(None)
            else:
                found.append(image.read_plane(path) if kind == "mask" else image.read(path))
        except MediaError:
            found.append(f"{kind} missing or unreadable")
    return tuple(found)


def _moving_truth(path: Path | None, chosen: list[int]) -> Iterator[Image | str | None]:
    """The frames of a mask's video that belong to the chosen ones; its k-th frame belongs to the k-th."""
    if path is None:
        yield from [None] * len(chosen)
        return
    try:
        of = video.index(path)
        there = [number for number in chosen if number < len(of)]
        given = 0
        for frame in video.frames(path, there, of):
            given += 1
            yield frame.image if frame.image is not None else f"frame missing in {path.name}"
        yield from [f"frame missing in {path.name}"] * (len(chosen) - given)
    except MediaError:
        yield from [f"{path.name} missing or unreadable"] * len(chosen)


def _seen(index: int, time_s: float | None, rgb: Image | None, part: Part, truth: Truth) -> Seen:
    if rgb is None:
        return Seen(index, time_s, Status.UNREADABLE)
    notes = tuple(value for value in truth if isinstance(value, str))
    found = faces.find(rgb, part.profile.finder)
    crops = [_one(rgb, face, part.profile, truth) for face in found]
    if not crops:
        return Seen(index, time_s, Status.NO_FACE, [], notes)
    kinds = {one.status for one in crops}
    return Seen(index, time_s, Status.OK if Status.OK in kinds else crops[0].status, crops, notes)


def _one(rgb: Image, face: faces.Face, profile: CropProfile, truth: Truth) -> EncodedCrop:
    status = faces.status(face, profile)
    if status is not Status.OK:
        return EncodedCrop(face.box, face.landmarks, status)
    crop, matrix = faces.crop(rgb, face.landmarks, profile)
    mask, region = truth
    return EncodedCrop(
        face.box,
        faces.moved(face.landmarks, matrix),
        Status.OK,
        image.encode(crop, "png"),
        b""
        if mask is None or isinstance(mask, str)
        else image.encode_plane16(_crop_plane(_gray(mask), rgb, matrix, profile)),
        b"" if region is None or isinstance(region, str) else _binary(_crop_plane(_gray(region), rgb, matrix, profile)),
    )


def _gray(truth: NDArray[np.uint8] | Plane) -> Plane:
    """A mask as a plane (H, W) in 0..1; of a coloured one, such as Face2Face's, the brightest channel."""
    if truth.dtype == np.uint8:
        return np.asarray(truth.max(axis=-1) if truth.ndim == 3 else truth, np.float32) / np.float32(255)
    return np.asarray(truth, np.float32)


def _crop_plane(plane: Plane, rgb: Image, matrix: NDArray[np.float64], profile: CropProfile) -> Plane:
    """Crop a mask like its picture. A mask of another size is scaled to the picture first."""
    if plane.shape != rgb.shape[:2]:
        plane = np.asarray(cv2.resize(plane, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    size = (profile.size_px, profile.size_px)
    return np.asarray(
        cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.float32
    )


def _binary(plane: Plane) -> bytes:
    """Masks are videos as well and their black and white are compressed: what is nearer to white is inside."""
    return cv2.imencode(".png", (plane > 0.5).astype(np.uint8) * 255)[1].tobytes()
