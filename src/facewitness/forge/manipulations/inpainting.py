"""Inpainting: a part of the face is removed and filled from its border, from patches elsewhere, or by a generator.

``inpaint-diffusion`` is OpenCV's Telea (2004) and Navier-Stokes (Bertalmio et al., 2001) method. It and
``inpaint-patch`` do what such methods do well, which is to retouch: brows, skin, strokes over the face vanish.
``inpaint-conv``, a dilated convolutional completion after Iizuka et al. (2017), draws the centre of the face or one to
three of its features anew.
"""

import cv2
import numpy as np

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, blend, blur, finish
from facewitness.forge.manipulations import patches
from facewitness.media.parts import hull
from facewitness.types import Image, Points

FEATURES: dict[str, tuple[int, ...]] = {
    "left-brow": tuple(range(17, 22)),
    "right-brow": tuple(range(22, 27)),
    "nose": tuple(range(27, 36)),
    "mouth": tuple(range(48, 60)),
}
_METHODS = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}
_SKIN: dict[str, tuple[tuple[int, ...], float]] = {  # around the mean of these landmarks, lifted by a share of it
    "left-cheek": ((3, 31, 36, 48), 0.0),
    "right-cheek": ((13, 35, 45, 54), 0.0),
    "forehead": ((19, 24), 0.16),
    "chin": ((8, 57), 0.0),
}
_BROWS = ("left-brow", "right-brow")
_WORK_SIDE_PX = 240  # a face larger than this is filled at this size: the methods' time grows with the hole's area


def inpaint_diffusion(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Grow the surrounding skin over what is retouched."""
    gap, where = retouched(target, rng)
    algorithm = str(rng.choice(list(_METHODS)))
    filled = _fill(target, gap, _METHODS[algorithm], radius_px=int(rng.integers(2, 6)))
    forged = blend(filled, target.image, gap.astype(np.float32))
    return finish(target.image, forged, {"where": where, "algorithm": algorithm})


def inpaint_patch(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Cover what is retouched with patches of the same photograph, found by PatchMatch (Barnes et al., 2009)."""
    gap, where = retouched(target, rng)
    filled = patches.fill(target.image, gap, rng, side_px=target.side_px)
    forged = blend(filled, target.image, gap.astype(np.float32))
    return finish(target.image, forged, {"where": where})


def inpaint_conv(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Let a generator draw what could be in the hole.

    Raises:
        ForgeError: the generator was not trained yet.
    """
    generator = generators.load("inpaint-conv")
    square = generator.square(target)
    gap, where = hole(Portrait(square.image, square.landmarks), rng)
    made = generators.picture(generator(conv_inputs(square.image, gap)))
    weight = np.asarray(blur(gap, 0.008 * gap.shape[0]), np.float32)
    forged = generators.lay_back(target.image, made, weight, square.matrix)
    return finish(target.image, forged, {"where": where})


def conv_inputs(square: Image, gap: np.ndarray) -> np.ndarray:
    """What the completing generator sees, (4, S, S): the square with its mean colour in the hole, and the hole."""
    rgb = generators.planes(square)
    outside = gap == 0
    rgb[:, ~outside] = rgb[:, outside].mean(1, keepdims=True) if outside.any() else 0.5
    return np.concatenate([rgb, gap[None].astype(np.float32)])


def retouched(target: Portrait, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """What a retoucher takes away, (H, W) of 0 and 1, and its name: strokes, or one to three brows and bits of skin."""
    gap = np.zeros(target.image.shape[:2], np.uint8)
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            _stroke(gap, target, rng)
        return gap, "strokes"
    names = sorted(str(name) for name in rng.choice([*_SKIN, *_BROWS], int(rng.integers(1, 4)), replace=False))
    for name in names:
        if name in _BROWS:
            points = np.rint(target.landmarks[list(FEATURES[name])]).astype(np.int32)
            width = max(2, round(float(rng.uniform(0.08, 0.12)) * target.side_px))
            cv2.polylines(gap, [points], False, 1, width, cv2.LINE_8)
        else:
            _patch_of_skin(gap, target, name, rng)
    return gap, "+".join(names)


def _stroke(gap: np.ndarray, target: Portrait, rng: np.random.Generator) -> None:
    """A bent line from one side of the face to another, as of a scratch, a lock of hair or a letter."""
    low, high = target.landmarks.min(0), target.landmarks.max(0)
    start, bend, end = low + rng.random((3, 2)) * (high - low)
    along = np.linspace(0, 1, 24)[:, None]
    line = (1 - along) ** 2 * start + 2 * along * (1 - along) * bend + along**2 * end
    width = max(2, round(float(rng.uniform(0.02, 0.045)) * target.side_px))
    cv2.polylines(gap, [np.rint(line).astype(np.int32)], False, 1, width, cv2.LINE_8)


def _patch_of_skin(gap: np.ndarray, target: Portrait, name: str, rng: np.random.Generator) -> None:
    points, lift = _SKIN[name]
    across = target.landmarks[45] - target.landmarks[36]
    tilt = float(np.arctan2(across[1], across[0]))
    up = np.array([np.sin(tilt), -np.cos(tilt)]) * lift
    centre = target.landmarks[list(points)].mean(0) + (up + rng.uniform(-0.03, 0.03, 2)) * target.side_px
    half = rng.uniform(0.06, 0.13, 2) * target.side_px
    axes = (max(1, round(half[0])), max(1, round(half[1])))
    at = (round(float(centre[0])), round(float(centre[1])))
    cv2.ellipse(gap, at, axes, float(np.degrees(tilt)), 0, 360, 1, cv2.FILLED)


def hole(target: Portrait, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """What is to be filled, (H, W) of 0 and 1, and its name: the centre, or one to three features."""
    names = ["centre"] if rng.random() < 0.4 else _draw_features(rng)
    return _centre(target, rng) if names == ["centre"] else _features(target, names, rng), "+".join(names)


def _draw_features(rng: np.random.Generator) -> list[str]:
    count = int(rng.integers(1, 4))
    return sorted(str(name) for name in rng.choice(list(FEATURES), count, replace=False))


def _centre(target: Portrait, rng: np.random.Generator) -> np.ndarray:
    """An ellipse or a rectangle over the middle of the face, a third to a half of its side across."""
    hole = np.zeros(target.image.shape[:2], np.uint8)
    centre = target.landmarks[27:36].mean(0) + rng.uniform(-0.06, 0.06, 2) * target.side_px
    half = rng.uniform(0.16, 0.26, 2) * target.side_px
    tilt = np.degrees(np.arctan2(*(target.landmarks[45] - target.landmarks[36])[::-1]))
    if rng.random() < 0.5:
        axes = (max(1, round(half[0])), max(1, round(half[1])))
        at = (round(centre[0]), round(centre[1]))
        return np.asarray(cv2.ellipse(hole, at, axes, float(tilt), 0, 360, 1, cv2.FILLED), np.uint8)
    box = cv2.boxPoints(((float(centre[0]), float(centre[1])), (float(half[0] * 2), float(half[1] * 2)), float(tilt)))
    return np.asarray(cv2.fillConvexPoly(hole, np.rint(box).astype(np.int32), 1), np.uint8)


def _features(target: Portrait, names: list[str], rng: np.random.Generator) -> np.ndarray:
    shape = (target.image.shape[0], target.image.shape[1])
    hole = np.zeros(shape, np.uint8)
    grown = float(rng.uniform(1.15, 1.5))
    for name in names:
        points: Points = target.landmarks[list(FEATURES[name])]
        if name in _BROWS:  # a line, which is given the breadth of a brow
            points = np.concatenate([points, points + np.array([0, 0.06 * target.side_px], np.float32)])
        wider = min(grown, 1.1) if name in _BROWS else grown
        hole |= hull(points.mean(0) + (points - points.mean(0)) * wider, shape)
    return hole


def _fill(target: Portrait, hole: np.ndarray, flag: int, radius_px: int) -> Image:
    """Fill at working size inside a window around the hole; a large face is filled reduced and enlarged again."""
    left, top, width, height = cv2.boundingRect(hole)
    reach = radius_px * 3 + round(0.05 * target.side_px)
    rows = slice(max(0, top - reach), top + height + reach)
    columns = slice(max(0, left - reach), left + width + reach)
    window, inside = target.image[rows, columns], hole[rows, columns]
    filled = target.image.copy()
    scale = min(1.0, _WORK_SIDE_PX / max(target.side_px, 1.0))
    if scale == 1.0 or min(window.shape[:2]) * scale < 8:
        filled[rows, columns] = cv2.inpaint(window, inside, radius_px, flag)
        return filled
    size = (max(1, round(window.shape[1] * scale)), max(1, round(window.shape[0] * scale)))
    small = cv2.resize(window, size, interpolation=cv2.INTER_AREA)
    holes = (cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    grown = cv2.inpaint(small, holes, radius_px, flag)
    filled[rows, columns] = cv2.resize(grown, window.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return filled
