"""What is made of one photograph: the work of one process, which knows nothing of the others."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from facewitness.forge.forgery import Forgery, Method, Portrait, finish
from facewitness.forge.methods import METHODS
from facewitness.forge.pairing import Donor, Task, generator
from facewitness.media import faces, image
from facewitness.types import CropProfile, ForgeError, MediaError, Points

_PHOTOGRAPH = "Photograph, not forged; re-encoded by facewitness"
_FORGED = "Synthetic: forged by facewitness, method {}"
_STAMP_LENGTH = 64  # of either: no file is larger for what is written in it


@dataclass(frozen=True, slots=True)
class Style:
    """How everything in a set is made. ``square`` None forges whole photographs, otherwise aligned head squares."""

    seed: int
    encoding: str
    square: CropProfile | None = None


class Rendered(NamedTuple):
    """What a worker says of one photograph: the row of the log, and seconds by method."""

    row: dict[str, Any]
    seconds: dict[str, float]


def forge_one(method: Method, target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Forge one face of a photograph of any size: the method works on the window of twice the face's side."""
    if method.whole:
        return method.make(target, rng, donor)
    low, high = target.landmarks.min(0), target.landmarks.max(0)
    centre, reach = (low + high) / 2, float((high - low).max())
    left, top = (int(v) for v in np.maximum(np.floor(centre - reach), 0))
    right, bottom = (int(v) for v in np.ceil(centre + reach))
    window = np.ascontiguousarray(target.image[top:bottom, left:right])
    made = method.make(Portrait(window, target.landmarks - np.array([left, top], np.float32)), rng, donor)
    forged = target.image.copy()
    forged[top:bottom, left:right] = made.image
    return finish(target.image, forged, made.description)


def forge(task: Task, out: Path, style: Style) -> Rendered:
    """Forge one photograph by all methods of its task and write everything below ``out``.

    What one method cannot do is noted in the row and stops nothing.

    Raises:
        ForgeError: a file cannot be written, as when the disk is full.
    """
    row: dict[str, Any] = {"name": task.name, "source": str(task.sample.path), "real": task.real, "forged": []}
    failed: dict[str, str] = {}
    seconds: dict[str, float] = {}
    file = task.name + image.suffix(style.encoding)
    try:
        target = _portrait(Donor(task.sample), style)
    except MediaError as error:  # it could be read when its face was found
        return Rendered({**row, "real": False, "failed": {"real": str(error)}}, {})
    if task.real:
        picture = image.encode(target.image, style.encoding, genuine=_PHOTOGRAPH.ljust(_STAMP_LENGTH))
        _write(out / "real" / file, picture)
    for name, donor in task.donors.items():
        started = time.perf_counter()
        try:
            rng = generator(style.seed, task.name, name)
            forgery = forge_one(METHODS[name], target, rng, _portrait(donor, style) if donor else None)
        except (ForgeError, MediaError) as error:
            failed[name] = str(error)
            continue
        seconds[name] = time.perf_counter() - started
        stamp = _FORGED.format(name).ljust(_STAMP_LENGTH)
        _write(out / name / file, image.encode(forgery.image, style.encoding, synthetic=stamp))
        _write(out / "masks" / name / (task.name + ".png"), image.encode_plane16(forgery.mask))
        region = cv2.imencode(".png", forgery.region.astype(np.uint8) * 255)[1].tobytes()
        _write(out / "regions" / name / (task.name + ".png"), region)
        people = dict.fromkeys((*task.sample.identities, *(donor.sample.identities if donor else ())))
        description = dict(forgery.description)
        row["forged"].append({"method": name, "identities": list(people), "description": description})
    return Rendered({**row, "failed": failed} if failed else row, seconds)


def _portrait(one: Donor, style: Style) -> Portrait:
    rgb, landmarks = image.read(one.sample.path), one.sample.landmarks
    if landmarks is None:
        raise ForgeError(f"{one.sample.path}: no landmarks")
    if style.square is None:
        return Portrait(rgb, landmarks, one.neutral)
    return Portrait(faces.crop(rgb, landmarks, style.square)[0], in_square(landmarks, style.square), one.neutral)


def in_square(landmarks: Points, square: CropProfile) -> Points:
    """Landmarks of a photograph in its head square."""
    return faces.moved(landmarks, faces.alignment(landmarks, square))


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ForgeError(
            f"{path} cannot be written ({error.strerror or error}); what is finished is kept: make room and start again"
        ) from error
