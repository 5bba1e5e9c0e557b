"""Pseudo fakes: a photograph blended with an altered copy of itself or with a face of like shape, for the traces alone.

``selfblend`` follows Shiohara & Yamasaki (CVPR 2022). Lengths the recipe gives
in pixels are for its crops of about 380 px; here they scale with the face.
"""

import cv2
import numpy as np

from facewitness.forge.forgery import Forgery, Portrait, blend, finish
from facewitness.media.finders.face import similarity
from facewitness.media.parts import hull, with_forehead
from facewitness.types import ForgeError, Image, Plane, Points

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
HULLS = ("full", "components", "extended", "face")

_FULL = ([*range(17), *range(48, 68)], [*range(27, 31), 33], [*range(17, 27), 0, 27, 16, 33])
_COMPONENTS = (
    [*range(9), 17],
    [*range(8, 17), 26],
    [17, 18, 19, 8],
    [24, 25, 26, 8],
    [*range(19, 25), 8],
    [*range(17, 22), 27, *range(31, 36), 8],
    [*range(22, 27), 27, *range(31, 36), 8],
    [*range(27, 36)],
)
_CROP_PX = 380.0  # the recipe's crop; its face takes about 1 / 1.5 of that
_FACE_PX = _CROP_PX / 1.5


def selfblend(
    target: Portrait,
    rng: np.random.Generator,
    donor: None = None,
    *,
    alter: str = "source",
    ratios: tuple[float, ...] = RATIOS,
) -> Forgery:
    """Blend a photograph with a colour-, sharpness- and position-shifted copy of itself.

    ``alter`` says which copy the source-target generator changes: ``source`` leaves the background as photographed;
    ``either`` (the paper's rule) tosses a coin and, when the target is changed, returns it as ``original``.
    """
    scale = target.side_px / _FACE_PX
    hull_name = HULLS[rng.integers(len(HULLS))]
    region = _hull(target.landmarks, hull_name, target.image.shape[:2], forehead=rng.random() >= 0.25)
    original, source = target.image, target.image
    if alter == "either" and rng.random() < 0.5:
        original = _alter(original, rng)
    else:
        source = _alter(source, rng)
    source, region = _shift(source, region, target, rng)
    weight = _blend_weight(_elastic(region, scale, rng), target, rng)
    ratio = float(rng.choice(ratios))
    forged = blend(source, original, weight * np.float32(ratio))
    return finish(original, forged, {"hull": hull_name, "ratio": ratio, "altered": alter})


def _hull(landmarks: Points, name: str, shape: tuple[int, int], *, forehead: bool) -> np.ndarray:
    """One of the four hull masks. dlib has 68 points, so the forehead is the brows lifted by brow-to-nose."""
    points = landmarks.copy()
    if name == "face":
        return hull(with_forehead(points, 0.6) if forehead else points, shape)
    if name == "extended":
        left_eye = np.stack([(points[36] * 1.5 + points[0] * 0.5) / 2, *points[36:40]])
        right_eye = np.stack([*points[42:46], (points[45] * 1.5 + points[16] * 0.5) / 2])
        points[17:22] += (points[17:22] - left_eye) / 2
        points[22:27] += (points[22:27] - right_eye) / 2
    groups = _FULL if name == "full" else _COMPONENTS
    return np.asarray(np.bitwise_or.reduce([hull(points[group], shape) for group in groups]))


def _alter(image: Image, rng: np.random.Generator) -> Image:
    """The source-target generator: colour shifts, then one of blurring by re-sampling or sharpening."""
    shift = rng.uniform(-20, 20, 3) if rng.random() < 0.3 else np.zeros(3)
    gain, lift = 1 + rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1) * 255
    steps = np.arange(256, dtype=np.float64)
    table = np.stack([np.clip((np.clip(steps + s, 0, 255)) * gain + lift, 0, 255) for s in shift], axis=-1)
    altered = np.asarray(cv2.LUT(_hue_shift(image, rng), np.rint(table).astype(np.uint8)[None]))
    if rng.random() < 0.5:
        height, width = altered.shape[:2]
        factor = int(rng.choice((2, 4)))
        size = (max(1, width // factor), max(1, height // factor))
        small = cv2.resize(altered, size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    amount, lightness = rng.uniform(0.2, 0.5), rng.uniform(0.5, 1.0)
    kernel = np.full((3, 3), -amount, np.float32)
    kernel[1, 1] = (1 - amount) + amount * (8 + lightness)
    return np.asarray(cv2.filter2D(altered, -1, kernel), np.uint8)


def _hue_shift(image: Image, rng: np.random.Generator) -> Image:
    """Hue, saturation and value moved by up to 0.3 of a step of 8 bits: rounding is all that is left of it."""
    steps = np.arange(256, dtype=np.float64)
    hue, saturation, value = rng.uniform(-0.3, 0.3, 3)
    table = np.stack(
        [np.mod(steps + hue, 180), np.clip(steps + saturation, 0, 255), np.clip(steps + value, 0, 255)], axis=-1
    ).astype(np.uint8)
    shifted = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table[None])
    return np.asarray(cv2.cvtColor(shifted, cv2.COLOR_HSV2RGB), np.uint8)


def _shift(source: Image, region: np.ndarray, target: Portrait, rng: np.random.Generator) -> tuple[Image, np.ndarray]:
    """Move and scale the source and its mask together, about the face's centre."""
    crop_px = target.side_px * 1.5
    move = rng.uniform(-1, 1, 2) * (0.03, 0.015) * crop_px
    zoom = np.exp(rng.uniform(-1, 1) * np.log(1 / 0.95))
    centre = target.landmarks.mean(0)
    matrix = np.array([[zoom, 0, 0], [0, zoom, 0]], float)
    matrix[:, 2] = centre * (1 - zoom) + move
    height, width = region.shape
    moved = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8), np.asarray(cv2.warpAffine(region, matrix, (width, height)), np.uint8)


def _elastic(region: np.ndarray, scale: float, rng: np.random.Generator) -> Plane:
    """Elastic deformation of the mask: alpha 50 and sigma 7 at the recipe's size, drawn on a grid a quarter as fine."""
    height, width = region.shape
    step = max(1.0, 4.0 * scale)
    grid = (max(8, round(height / step)), max(8, round(width / step)))
    # A box of noise blurred with sigma keeps a standard deviation of 1 / (2 sqrt(3 pi) sigma): the same on any grid.
    noise = rng.uniform(-1, 1, (*grid, 2)).astype(np.float32)
    sigma = 7.0 / 4.0
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma) / np.float32(4.0)
    offset = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(50.0 * scale)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(
        cv2.remap(region.astype(np.float32), columns + offset[..., 0], rows + offset[..., 1], cv2.INTER_LINEAR),
        np.float32,
    )


def _blend_weight(region: Plane, target: Portrait, rng: np.random.Generator) -> Plane:
    """The soft blending mask: blur, keep what stayed at 1 (which erodes), blur again; at 192 to 256 px."""
    height, width = region.shape
    side = rng.integers(192, 257, 2) / (target.side_px * 1.5)  # pixels of the small mask to one of the photograph
    size = (max(8, round(width * side[0])), max(8, round(height * side[1])))
    small = cv2.resize(region, size, interpolation=cv2.INTER_LINEAR)
    first = np.asarray(cv2.GaussianBlur(small, (_odd(rng), _odd(rng)), 0), np.float32)
    if first.max() > 0:
        first /= first.max()
    first[first < 1 - 1e-3] = 0
    second = np.asarray(cv2.GaussianBlur(first, (_odd(rng), _odd(rng)), float(rng.integers(5, 46))), np.float32)
    if second.max() > 0:
        second /= second.max()
    weight = cv2.resize(second, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(weight, 0, 1), np.float32)


def _odd(rng: np.random.Generator) -> int:
    return int(rng.integers(2, 13)) * 2 + 1


def blended(target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Blend in the face of another person of like shape. Face X-ray (Li et al., CVPR 2020).

    Raises:
        ForgeError: there is no donor.
    """
    if donor is None:
        raise ForgeError("blended needs a donor: another person whose landmarks lie alike")
    shape = (target.image.shape[0], target.image.shape[1])
    matrix = similarity(donor.landmarks[17:], target.landmarks[17:])
    laid = np.asarray(
        cv2.warpAffine(donor.image, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    )
    hull_name = HULLS[rng.integers(len(HULLS))]
    inside = _hull(target.landmarks, hull_name, shape, forehead=False)
    inside = (_distorted(inside, target.side_px, rng) > 0.5).astype(np.uint8)
    side = target.side_px / _FACE_PX
    shrink = bool(rng.random() < 0.5)
    reach = max(1, round(float(rng.integers(1, 22 if shrink else 6)) * side)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    inside = np.asarray((cv2.erode if shrink else cv2.dilate)(inside, kernel), np.uint8)
    colour = laid.astype(np.float32)
    there = inside > 0
    if there.any():
        colour += target.image[there].mean(0) - colour[there].mean(0)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    width = 0.2 * max(1, *cv2.boundingRect(inside)[2:])
    weight = np.asarray(np.clip(distance / width, 0, 1), np.float32)
    forged = blend(np.asarray(np.clip(np.rint(colour), 0, 255), np.uint8), target.image, weight)
    return finish(target.image, forged, {"hull": hull_name, "morphology": "erode" if shrink else "dilate"})


def _distorted(region: np.ndarray, side_px: float, rng: np.random.Generator) -> Plane:
    """A mask bent by random displacements on a coarse grid, up to a few hundredths of the face's side."""
    height, width = region.shape
    amount = float(rng.uniform(0.01, 0.05)) * side_px
    coarse = rng.normal(0, amount, (6, 6, 2)).astype(np.float32)
    offset = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(
        cv2.remap(region.astype(np.float32), columns + offset[..., 0], rows + offset[..., 1], cv2.INTER_LINEAR),
        np.float32,
    )
