"""Attributes changed: hair, skin, lips or brows take another colour; a generator draws the whole square anew for it.

Mirrors StarGAN, AttGAN, STGAN and IcGAN: an encoder-decoder with skip connections is told what to change, where and
how. The methods differ in their up-sampler alone, which is what leaves the trace. What the generators are taught stands
here as well, so that training and forging mean the same by "lips": ``weight`` and ``recolour`` need no generator.
"""

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, blur, finish
from facewitness.media.parts import hull, with_forehead
from facewitness.types import Image, Plane, Points

PARTS = ("hair", "skin", "lips", "brows")
INPUTS = 3 + 3
# CIELAB (L, a, b): the strongest change of each part that still looks alive.
_LIMITS: dict[str, NDArray[np.float64]] = {
    "hair": np.array([18.0, 4.0, 6.0]),
    "skin": np.array([9.0, 1.0, 1.5]),
    "lips": np.array([14.0, 14.0, 7.0]),
    "brows": np.array([22.0, 5.0, 8.0]),
}
_BORDER = 0.06  # of the square's side, over which the drawn square fades into the photograph
_GRABCUT_PX = 96


def _attribute(name: str, target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    part, shift = draw(rng)
    generator = generators.load(name)
    square = generator.square(target)
    where = weight(square.image, square.landmarks, part)
    made = generators.picture(generator(inputs(square.image, where, shift)))
    forged = generators.lay_back(target.image, made, border(generator.profile.size_px), square.matrix)
    return finish(target.image, forged, {"part": part, "lab": [round(float(v), 2) for v in shift]})


attribute_transposed = partial(_attribute, "attribute-transposed")
attribute_nearest = partial(_attribute, "attribute-nearest")
attribute_bilinear = partial(_attribute, "attribute-bilinear")


def draw(rng: np.random.Generator) -> tuple[str, NDArray[np.float64]]:
    """A part and a change of its colour in CIELAB, at least half as strong as its limit in one of the three."""
    part = PARTS[rng.integers(len(PARTS))]
    shift = rng.uniform(-1, 1, 3)
    shift /= max(np.abs(shift).max(), 1e-6) / rng.uniform(0.55, 1.0)
    return part, shift * _LIMITS[part]


def inputs(square: Image, where: Plane, shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the generator sees, (INPUTS, S, S): the square, and the change of each channel of CIELAB."""
    wanted = where[None] * (shift / 25.0).astype(np.float32)[:, None, None]
    return np.concatenate([generators.planes(square), wanted]).astype(np.float32)


def recolour(square: Image, weight: Plane, shift: NDArray[np.float64]) -> Image:
    """The square with ``shift`` added in CIELAB where ``weight`` says; what a generator is taught to do by itself."""
    lab = cv2.cvtColor(square.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    shifted = np.asarray(lab, np.float32) + weight[..., None] * shift.astype(np.float32)
    rgb = cv2.cvtColor(shifted, cv2.COLOR_LAB2RGB)
    return np.asarray(np.clip(np.rint(rgb * 255), 0, 255), np.uint8)


def weight(square: Image, landmarks: Points, part: str) -> Plane:
    """Where a part is, (S, S) in 0..1, soft at its edges, from the landmarks and, for hair, the colours."""
    size = (square.shape[0], square.shape[1])
    side = float(np.ptp(landmarks, axis=0).max())
    if part == "lips":
        lips = hull(landmarks[48:60], size) & ~hull(landmarks[60:68], size)
        return blur(lips, 0.012 * side)
    if part == "brows":
        return blur(_brows(landmarks, size, side), 0.015 * side)
    if part == "skin":
        brows = np.asarray(cv2.dilate(_brows(landmarks, size, side), np.ones((3, 3), np.uint8)), np.uint8)
        holes = _features(landmarks, size) | brows
        return blur(hull(with_forehead(landmarks, 0.55), size) & ~holes, 0.03 * side)
    return blur(_hair(square, landmarks), 0.015 * side)


def border(size_px: int) -> Plane:
    """1 within the square, falling to 0 at its border."""
    ramp = np.minimum(np.arange(size_px), np.arange(size_px)[::-1]) / max(1.0, _BORDER * size_px)
    line = np.clip(ramp, 0, 1).astype(np.float32)
    return np.asarray(np.minimum(line[:, None], line[None]), np.float32)


def _brows(landmarks: Points, size: tuple[int, int], side: float) -> NDArray[np.uint8]:
    canvas = np.zeros(size, np.uint8)
    for brow in (landmarks[17:22], landmarks[22:27]):
        line = np.rint(brow + np.array([0, 0.012 * side])).astype(np.int32)
        cv2.polylines(canvas, [line], False, 1, max(1, round(0.045 * side)))
    return canvas


def _features(landmarks: Points, size: tuple[int, int]) -> NDArray[np.uint8]:
    return hull(landmarks[36:42], size) | hull(landmarks[42:48], size) | hull(landmarks[48:60], size)


def _hair(square: Image, landmarks: Points) -> NDArray[np.uint8]:
    """Hair told from skin and background by GrabCut, which starts from a band around the top of the face."""
    size = square.shape[0]
    scale = _GRABCUT_PX / size
    small = np.asarray(cv2.resize(square, (_GRABCUT_PX, _GRABCUT_PX), interpolation=cv2.INTER_AREA), np.uint8)
    points = (landmarks + 0.5) * scale - 0.5
    shape = (_GRABCUT_PX, _GRABCUT_PX)
    side = float(np.ptp(points, axis=0).max())
    face = hull(with_forehead(points, 0.95), shape)
    head = cv2.dilate(face, _disc(0.42 * side))
    crown = hull(with_forehead(points, 1.5)[[*range(17, 27), *range(68, 78)]], shape)
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[head > 0] = cv2.GC_PR_BGD
    labels[(cv2.dilate(face, _disc(0.16 * side)) > 0) & (face == 0)] = cv2.GC_PR_FGD
    labels[(crown > 0) & (face == 0)] = cv2.GC_FGD
    labels[cv2.erode(face, _disc(0.05 * side)) > 0] = cv2.GC_BGD
    below = np.arange(_GRABCUT_PX)[:, None] > points[[2, 14], 1].mean()
    labels[np.broadcast_to(below, shape)] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any():
        return np.zeros((size, size), np.uint8)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # GrabCut starts its mixtures from random centres
    cv2.grabCut(small, labels, (0, 0, 1, 1), background, foreground, 3, cv2.GC_INIT_WITH_MASK)
    hair = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    whole = cv2.resize(hair, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole > 0.5, np.uint8)


def _disc(radius: float) -> NDArray[np.uint8]:
    width = max(1, round(radius)) * 2 + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)), np.uint8)
