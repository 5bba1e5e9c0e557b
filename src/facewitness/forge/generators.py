"""The generators behind some manipulations: ONNX files in the user's cache, run without torch on aligned squares.

CACHE/forge/METHOD/model.onnx    CACHE/forge/METHOD/card.json (what was trained, on whom, how; the file's SHA-256)
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness import runtime
from facewitness.forge.forgery import Portrait, blend
from facewitness.media import faces
from facewitness.storage import cache_directory
from facewitness.types import CropProfile, ForgeError, Image, Plane, Points

MODEL, CARD = "model.onnx", "card.json"
VERSION = 1
"""Of what goes into a generator and comes out; one of another version is not run."""


def folder(method: str) -> Path:
    """Where the weights of a method are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, below it ``facewitness/forge``."""
    return cache_directory() / "forge" / method


def ready(method: str) -> bool:
    """Whether the weights of a method are at hand."""
    return (folder(method) / MODEL).is_file() and (folder(method) / CARD).is_file()


def identity(method: str) -> str:
    """SHA-256 of the weights of a method, as its card states it.

    Raises:
        ForgeError: the method was not trained yet, or its card cannot be read.
    """
    return str(card(method)["weights"])


def card(method: str) -> Mapping[str, Any]:
    """What the card of a method says.

    Raises:
        ForgeError: the method was not trained yet, or its card cannot be read.
    """
    path = folder(method) / CARD
    mend = f"run `facewitness forge train-generator {method}`"
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ForgeError(f"{method} has no weights yet: {mend} once") from error
    except (OSError, ValueError) as error:
        raise ForgeError(f"{path} cannot be read ({error}): {mend} again") from error
    if said.get("version") != VERSION or said.get("method") != method:
        raise ForgeError(f"{path} is of another version or method: {mend} again")
    return said


class Square(NamedTuple):
    """The aligned square that a generator sees of a portrait."""

    image: Image  # (S, S, 3)
    landmarks: Points  # (68, 2) px in the square
    matrix: NDArray[Any]  # (2, 3), photograph to square


class OnnxGenerator:
    """A trained generator. ``card`` holds size, margin and what else the method needs to know."""

    def __init__(self, method: str) -> None:
        self.card = card(method)
        path = folder(method) / MODEL
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.card["weights"]:
            raise ForgeError(f"{path} is not the file its card describes: facewitness forge train-generator {method}")
        # The forge's processes fill the cores; one thread gives the same bytes always.
        self._session = runtime.session(content, threads=1)

    def __call__(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output for one input, without the batch axis: (C, S, S) or (Z,) in, (C', S, S) out, pictures in 0..1."""
        return np.asarray(self._session.run(None, {"input": value[None]})[0][0], np.float32)

    @property
    def profile(self) -> CropProfile:
        """The squares it was trained on."""
        return CropProfile(size_px=int(self.card["size_px"]), margin=float(self.card["margin"]))

    def square(self, target: Portrait) -> Square:
        """Crop what the generator sees of a portrait."""
        return square(target, self.profile)


def square(target: Portrait, profile: CropProfile) -> Square:
    """The aligned square of a portrait, with its landmarks moved along."""
    image, matrix = faces.crop(target.image, target.landmarks, profile)
    return Square(image, faces.moved(target.landmarks, matrix), matrix)


def lay_back(target: Image, made: NDArray[np.float32], weight: Plane, matrix: NDArray[Any]) -> Image:
    """The photograph with a generator's picture (S, S, 3), 0..255, laid over it by ``weight`` (S, S) in 0..1."""
    size = target.shape[1::-1]
    flags = cv2.WARP_INVERSE_MAP
    rgb = cv2.warpAffine(made, matrix, size, flags=flags | cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.warpAffine(np.ascontiguousarray(weight, np.float32), matrix, size, flags=flags | cv2.INTER_LINEAR)
    there[there < 1 / 512] = 0
    return blend(np.asarray(np.clip(rgb, 0, 255)), target, np.asarray(there, np.float32))


def planes(image: Image) -> NDArray[np.float32]:
    """(S, S, 3) uint8 as (3, S, S) in 0..1."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255)


def picture(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, S, S) in 0..1 as (S, S, 3) in 0..255, not yet rounded."""
    return np.ascontiguousarray(values.transpose(1, 2, 0)) * np.float32(255)


def load(method: str) -> OnnxGenerator:
    """The generator of a method; loaded once for as long as its file stays the same.

    Raises:
        ForgeError: it was not trained yet, or its files do not fit each other or this version.
    """
    if not ready(method):
        raise ForgeError(f"{method} has no weights yet: run `facewitness forge train-generator {method}` once")
    stat = (folder(method) / MODEL).stat()
    return _load(method, str(folder(method)), stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _load(method: str, where: str, changed: int) -> OnnxGenerator:
    del where, changed  # only tell a new file from the one at hand
    return OnnxGenerator(method)
