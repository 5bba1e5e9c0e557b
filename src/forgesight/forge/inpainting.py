"""Inpainting: a part of the face is removed and grown again from its border. ``inpaint`` is OpenCV's Telea (2004) and
Navier-Stokes (Bertalmio et al., 2001) method on a central region or on one or more features of the face."""

from __future__ import annotations

import cv2
import numpy as np

from forgesight.forge.forgery import Forgery, Portrait, blend, finish, hull
from forgesight.types import Image, Points

FEATURES: dict[str, tuple[int, ...]] = {
    "left-eye": (17, 18, 19, 20, 21, *range(36, 42)),
    "right-eye": (22, 23, 24, 25, 26, *range(42, 48)),
    "nose": tuple(range(27, 36)),
    "mouth": tuple(range(48, 60)),
}
_METHODS = {"telea": cv2.INPAINT_TELEA, "navier-stokes": cv2.INPAINT_NS}
_WORK_SIDE_PX = 240  # a face larger than this is filled at this size: the methods' time grows with the hole's area


def inpaint(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Fill the centre of the face, or one to three of its features, from the surrounding skin."""
    names = ["centre"] if rng.random() < 0.4 else _draw_features(rng)
    hole = _centre(target, rng) if names == ["centre"] else _features(target, names, rng)
    algorithm = str(rng.choice(list(_METHODS)))
    filled = _fill(target, hole, _METHODS[algorithm], radius_px=int(rng.integers(2, 6)))
    forged = blend(filled, target.image, hole.astype(np.float32))
    return finish(target.image, forged, {"where": "+".join(names), "algorithm": algorithm})


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
        hole |= hull(points.mean(0) + (points - points.mean(0)) * grown, shape)
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
