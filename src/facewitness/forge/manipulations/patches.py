"""Completion by patches: every patch of the hole takes after one outside it, coarse to fine (Wexler et al., 2007).

The nearest patches are found by propagation and random search over the whole field at once (PatchMatch, Barnes et al.,
2009).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.types import Image

_PATCH = 7
_HALF = _PATCH // 2
_WORK_SIDE_PX = 110.0  # a larger face is completed at this size; its finest texture is then taken from full size
_LEVELS = 3
_ROUNDS = 4  # of search and voting at each level
_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))

Field = NDArray[np.int64]  # (K, 2) row and column of the source patch of each patch that is looked for


def fill(image: Image, gap: NDArray[np.uint8], rng: np.random.Generator, *, side_px: float) -> Image:
    """``image`` (H, W, 3) with the hole ``gap`` (H, W) of 0 and 1 filled; equal to it elsewhere."""
    if not gap.any() or gap.all():
        return image.copy()
    left, top, width, height = cv2.boundingRect(gap)
    reach = round(0.6 * side_px) + _PATCH
    rows = slice(max(0, top - reach), top + height + reach)
    columns = slice(max(0, left - reach), left + width + reach)
    window, inside = image[rows, columns], gap[rows, columns]
    filled = image.copy()
    scale = min(1.0, _WORK_SIDE_PX / max(side_px, 1.0))
    filled[rows, columns] = _pyramid(window, inside, scale, rng)
    filled[gap == 0] = image[gap == 0]
    return filled


def _pyramid(image: Image, gap: NDArray[np.uint8], scale: float, rng: np.random.Generator) -> Image:
    """Complete a window at ever finer sizes, each starting from the one before."""
    small, made = image, image
    field: Field | None = None
    for level in range(_LEVELS - 1, -1, -1):
        factor = scale / 2**level
        size = tuple(max(2 * _PATCH + 2, round(side * factor)) for side in image.shape[1::-1])
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        holes = (cv2.resize(gap.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.02).astype(np.uint8)
        start = cv2.inpaint(small, holes, 3, cv2.INPAINT_TELEA) if field is None else cv2.resize(made, size)
        made = np.where(holes[..., None] > 0, start, small).astype(np.uint8)
        made, field = _complete(made, holes, rng)
    if small.shape == image.shape:
        return made
    # Enlarged, the hole would be blurred: what its patches look like at full size is added to it.
    large = np.asarray(cv2.resize(made, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.where(gap[..., None] > 0, _sharpened(large, image, gap, field, small.shape[:2]), image).astype(np.uint8)


def _complete(image: Image, holes: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Image, Field]:
    """Rounds of search and voting; returns the picture and, for each pixel of the picture, where it came from."""
    height, width = holes.shape
    padded = cv2.copyMakeBorder(holes, _HALF, _HALF, _HALF, _HALF, cv2.BORDER_CONSTANT, value=1)
    touched = cv2.dilate(padded, np.ones((_PATCH, _PATCH), np.uint8))[_HALF:-_HALF, _HALF:-_HALF]
    allowed = touched == 0
    inner = np.zeros_like(holes)
    inner[_HALF : height - _HALF, _HALF : width - _HALF] = 1
    wanted = np.argwhere((cv2.dilate(holes, np.ones((_PATCH, _PATCH), np.uint8)) > 0) & (inner > 0))
    places = np.argwhere(allowed)
    own = _places(height, width)
    if not len(places) or not len(wanted):
        return image, own
    index = np.full((height, width), -1)
    index[wanted[:, 0], wanted[:, 1]] = np.arange(len(wanted))
    chosen = places[rng.integers(len(places), size=len(wanted))]
    for _ in range(_ROUNDS):
        chosen = _search(image, wanted, chosen, index, allowed, rng)
        image = _vote(image, holes, wanted, chosen)
    own[wanted[:, 0], wanted[:, 1]] = chosen
    return image, own


def _search(
    image: Image, wanted: Field, chosen: Field, index: NDArray[np.int64], allowed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Field:  # fmt: skip
    """One pass: each patch tries what its neighbours found, and random places ever nearer to its own find."""
    table = _patches(image)
    goal = table[wanted[:, 0], wanted[:, 1]]
    # A patch from far away must be the better for it: skin is lit alike only near by.
    chosen, cost = chosen.copy(), _cost(table, goal, wanted, chosen)
    height, width = allowed.shape
    for step in _NEIGHBOURS * 2:
        beside = wanted - step
        number = index[beside[:, 0].clip(0, height - 1), beside[:, 1].clip(0, width - 1)]
        trial = np.where(number[:, None] >= 0, chosen[number] + step, chosen)
        _keep(chosen, cost, trial, allowed, table, goal, wanted)
    radius = max(height, width) / 2
    while radius >= 1:
        trial = chosen + rng.integers(-int(radius), int(radius) + 1, chosen.shape)
        _keep(chosen, cost, trial, allowed, table, goal, wanted)
        radius /= 2
    return chosen


def _keep(
    chosen: Field, cost: NDArray[np.float32], trial: Field, allowed: NDArray[np.bool_], table: NDArray[np.float32],
    goal: NDArray[np.float32], wanted: Field,
) -> None:  # fmt: skip
    """Take over the trials that lie on allowed places and cost less."""
    bounds = np.array(allowed.shape) - 1
    inside = ((trial >= 0) & (trial <= bounds)).all(1)
    trial = trial.clip(0, bounds)
    inside &= allowed[trial[:, 0], trial[:, 1]]
    rows = np.flatnonzero(inside)
    price = _cost(table, goal[rows], wanted[rows], trial[rows])
    better = price < cost[rows]
    chosen[rows[better]], cost[rows[better]] = trial[rows[better]], price[better]


def _cost(table: NDArray[np.float32], goal: NDArray[np.float32], wanted: Field, place: Field) -> NDArray[np.float32]:
    apart = ((table[place[:, 0], place[:, 1]] - goal) ** 2).mean(1)
    away = ((place - wanted) ** 2).sum(1) / float(table.shape[0] * table.shape[1])
    return np.asarray(apart * (1 + 0.5 * away), np.float32)


def _patches(image: Image) -> NDArray[np.float32]:
    """Each pixel's patch as a vector, (H, W, 3 * P * P)."""
    padded = cv2.copyMakeBorder(image, _HALF, _HALF, _HALF, _HALF, cv2.BORDER_REFLECT_101).astype(np.float32)
    view = np.lib.stride_tricks.sliding_window_view(padded, (_PATCH, _PATCH), axis=(0, 1))
    return np.ascontiguousarray(view).reshape(*image.shape[:2], -1)


def _vote(image: Image, holes: NDArray[np.uint8], wanted: Field, chosen: Field) -> Image:
    """Each pixel of the hole becomes the mean of what the patches over it say, the middle of a patch counting most."""
    total = np.zeros(image.shape, np.float64)
    count = np.zeros(image.shape[:2], np.float64)
    for row in range(-_HALF, _HALF + 1):
        for column in range(-_HALF, _HALF + 1):
            share = np.exp(-(row**2 + column**2) / 4.0)
            step = np.array([row, column])
            at, source = wanted + step, chosen + step
            total[at[:, 0], at[:, 1]] += share * image[source[:, 0], source[:, 1]]
            count[at[:, 0], at[:, 1]] += share
    voted = np.rint(total / np.maximum(count, 1e-9)[..., None]).astype(np.uint8)
    return np.where(((holes > 0) & (count > 0))[..., None], voted, image)


def _places(height: int, width: int) -> Field:
    """(H, W, 2) the row and column of each pixel."""
    return np.moveaxis(np.indices((height, width)), 0, -1)


def _sharpened(
    large: Image, image: Image, gap: NDArray[np.uint8], field: Field | None, small: tuple[int, int]
) -> NDArray[np.uint8]:
    """``large`` with the detail added that full size has at the places its patches were taken from."""
    if field is None:
        return large
    sigma = 0.6 * image.shape[0] / small[0]
    known = np.where(gap[..., None] > 0, large, image).astype(np.float32)
    detail = known - cv2.GaussianBlur(known, (0, 0), sigma)
    shift = (field - _places(*small)).astype(np.float32)
    ratio = np.array([image.shape[0] / small[0], image.shape[1] / small[1]], np.float32)
    moved = cv2.resize(shift * ratio, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    there = cv2.remap(detail, columns + moved[..., 1], rows + moved[..., 0], cv2.INTER_NEAREST)
    return np.asarray(np.clip(np.rint(large + there), 0, 255), np.uint8)
