"""What each network of the forge is taught: an input, the picture it should give, and where it matters.

All of it is made from aligned squares of real photographs, so that no pair of photographs is ever needed.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.forge import generators
from facewitness.forge.forgery import Portrait, blur
from facewitness.forge.manipulations import attribute, inpainting, mouth
from facewitness.media.parts import hull
from facewitness.types import Plane


class Example(NamedTuple):
    """One thing to learn from."""

    input: NDArray[np.float32]  # (C, S, S), or (Z,) for a network that starts from noise
    truth: NDArray[np.float32]  # (3, S, S) in 0..1
    weight: Plane  # (S, S), how much each pixel of the truth counts
    group: int = 0  # which decoder is to learn it


class Face(NamedTuple):
    """A square with what is known about it over the whole training set."""

    portrait: Portrait
    group: int
    code: NDArray[np.float32]  # (Z,) whitened principal components


@dataclass(frozen=True, slots=True)
class Task:
    """How a method's network is taught, from ``tasks.toml``. ``net`` and ``optim`` are defaults for two cores."""

    method: str
    example: Callable[[Face, np.random.Generator], Example]
    keeps_identity: bool  # False: taught only on sources whose terms allow identity swaps
    margin: float  # of the square around the face
    net: dict[str, Any]
    optim: dict[str, Any]
    size_px: int = 128
    groups: int = 1  # of people, each with its decoder
    local: bool = False  # a second critic looks at the region alone
    native: bool = False  # taught on tiles at the photograph's own scale, and runs on pictures of any size


def deepfake(face: Face, rng: np.random.Generator) -> Example:
    """Undo a random warp of the face: all a decoder can add is what its group of people looks like."""
    portrait = face.portrait
    size = portrait.image.shape[0]
    inside = blur(hull(portrait.landmarks, (size, size)), 0.03 * size)
    weight = 0.15 + inside / max(float(inside.max()), 1e-6)
    truth = portrait.image
    coarse = rng.normal(0, 0.028 * size, (5, 5, 2)).astype(np.float32)
    offset = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    warped = cv2.remap(
        truth, columns + offset[..., 0], rows + offset[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return Example(generators.planes(np.asarray(warped)), generators.planes(truth), np.asarray(weight), face.group)


def neuraltextures(face: Face, rng: np.random.Generator) -> Example:
    """Draw the mouth of a square from which it was taken, given its outlines."""
    image, points = face.portrait.image, face.portrait.landmarks
    jittered = points + rng.normal(0, 0.4, points.shape).astype(np.float32)
    weight = 0.05 + mouth.region(points, image.shape[0]) * 4
    return Example(mouth.inputs(image, jittered), generators.planes(image), np.asarray(weight, np.float32))


def recolouring(face: Face, rng: np.random.Generator) -> Example:
    """Change the colour of a part, drawing the whole square anew for it."""
    image, points = face.portrait.image, face.portrait.landmarks
    part, shift = attribute.draw(rng)
    where = attribute.weight(image, points, part)
    truth = attribute.recolour(image, where, shift)
    return Example(attribute.inputs(image, where, shift), generators.planes(truth), 1 + 2 * where)


def completion(face: Face, rng: np.random.Generator) -> Example:
    """Fill a hole in the face."""
    image = face.portrait.image
    hole = inpainting.hole(face.portrait, rng)[0]
    weight = 0.05 + 2.0 * hole.astype(np.float32)
    return Example(inpainting.conv_inputs(image, hole), generators.planes(image), weight)


def synthesis(face: Face, rng: np.random.Generator) -> Example:
    """Draw a face from its principal components; noise of the same spread is drawn from beside it."""
    image = face.portrait.image
    return Example(face.code, generators.planes(image), np.ones(image.shape[:2], np.float32))


def reconstruction(face: Face, rng: np.random.Generator) -> Example:
    """Draw the picture that is given."""
    image = generators.planes(face.portrait.image)
    return Example(image, image, np.ones(image.shape[1:], np.float32))


_EXAMPLES = {
    teach.__name__: teach for teach in (deepfake, neuraltextures, recolouring, completion, synthesis, reconstruction)
}


def _task(method: str, fields: dict[str, Any]) -> Task:
    return Task(method, **{**fields, "example": _EXAMPLES[fields["example"]]})


_TABLE = tomllib.loads(files("facewitness.training.generators").joinpath("tasks.toml").read_text(encoding="utf-8"))
TASKS: Mapping[str, Task] = {method: _task(method, fields) for method, fields in _TABLE.items()}


def groups(faces: Sequence[Portrait], count: int, seed: int) -> NDArray[np.int64]:
    """A group for each square by what the upper face looks like: k-means on its gray values, light taken out."""
    rows = []
    for face in faces:
        size = face.image.shape[0]
        gray = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY)[int(0.2 * size) : int(0.62 * size), size // 6 : -size // 6]
        small = cv2.resize(gray, (24, 16), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        rows.append((small - small.mean()) / max(float(small.std()), 1.0))
    cv2.setRNGSeed(seed + 1)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)
    _, labels, _ = cv2.kmeans(np.stack(rows), count, None, stop, 5, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    return np.asarray(labels, np.int64).ravel()


class Components(NamedTuple):
    """Principal components of squares at half their size: ``picture = mean + code @ axes``."""

    mean: NDArray[np.float32]  # (3 * h * h,)
    axes: NDArray[np.float32]  # (Z, 3 * h * h), scaled so that codes have unit variance
    codes: NDArray[np.float32]  # (K, Z)


def components(faces: Sequence[Portrait], count: int, seed: int) -> Components:
    """The components of some squares. A code is clipped at 3, so that no face strays from where noise is drawn.

    Raises:
        ValueError: there are fewer faces than components.
    """
    if len(faces) <= count:
        raise ValueError(f"{len(faces)} faces cannot have {count} principal components")
    half = (faces[0].image.shape[0] // 2,) * 2
    small = [np.asarray(cv2.resize(f.image, half, interpolation=cv2.INTER_AREA), np.uint8) for f in faces]
    rows = torch.stack([torch.from_numpy(generators.planes(square)).flatten() for square in small])
    mean = rows.mean(0)
    torch.manual_seed(seed)
    _, spread, axes = torch.pca_lowrank(rows - mean, q=count, center=False, niter=3)
    scaled = (axes * spread / (len(faces) - 1) ** 0.5).T
    codes = (rows - mean) @ axes / spread * (len(faces) - 1) ** 0.5
    return Components(mean.numpy(), scaled.numpy(), codes.clamp(-3, 3).numpy())
