"""How well a map shows the forged region: IoU, Dice, pixel AUC, false-positive area, mass, pointing game, IINC; and how
like it is to the gray-scale fakeness: cosine, PSNR, SSIM.

``prediction`` is a map (H, W) in 0..1, ``truth`` a binary mask (H, W) of the same grid; a pixel is called forged at or
above ``threshold``. One convention for empty masks, everywhere: calling nothing where nothing is forged is right (IoU
and Dice 1), calling anything there is wrong (0), however little; ``false_positive_area`` says how little.
"""

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.metrics.detection import auc

THRESHOLD = 0.5
FAKE_LEVEL = 0.1  # of gray-scale maps: FakeLocator's, after Dang et al.
MOST_DB = 100.0
_REACH_PX = 5


def iou(prediction: ArrayLike, truth: ArrayLike, threshold: float = THRESHOLD) -> float:
    """Intersection over union of called and truly forged pixels; 1 if both are empty, 0 if one is."""
    called, forged = _called(prediction, truth, threshold)
    union = np.count_nonzero(called | forged)
    return np.count_nonzero(called & forged) / union if union else 1.0


def dice(prediction: ArrayLike, truth: ArrayLike, threshold: float = THRESHOLD) -> float:
    """Twice the intersection over the sum of areas, which is pixel F1; 1 if both are empty, 0 if one is."""
    called, forged = _called(prediction, truth, threshold)
    total = np.count_nonzero(called) + np.count_nonzero(forged)
    return 2 * np.count_nonzero(called & forged) / total if total else 1.0


def pixel_auc(prediction: ArrayLike, truth: ArrayLike) -> float:
    """The chance that a forged pixel is brighter in the map than a real one, ties one half. NaN if either is absent."""
    plane, forged = _pair(prediction, truth)
    if forged.all() or not forged.any():
        return math.nan
    return auc(plane.ravel(), forged.ravel())


def false_positive_area(prediction: ArrayLike, truth: ArrayLike | None = None, threshold: float = THRESHOLD) -> float:
    """Share of the real pixels that are called forged; ``truth`` None means that all are real. NaN if none is."""
    plane = np.asarray(prediction)
    called, forged = _called(plane, np.zeros(plane.shape, bool) if truth is None else truth, threshold)
    real = np.count_nonzero(~forged)
    return np.count_nonzero(called & ~forged) / real if real else math.nan


def mass_inside(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Share of the map's sum that lies on forged pixels. NaN for a map of zeros, or if nothing is forged."""
    plane, forged = _pair(prediction, truth)
    total = float(plane.sum(dtype=np.float64))
    return float(plane[forged].sum(dtype=np.float64)) / total if total > 0 and forged.any() else math.nan


def pointing(prediction: ArrayLike, truth: ArrayLike) -> float:
    """The pointing game (Zhang et al., 2018): the chance that a brightest pixel is a forged one; ties share it."""
    plane, forged = _pair(prediction, truth)
    return float(forged[plane == plane.max()].mean())


def iinc(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Inverse intersection non-containment (Dang et al., CVPR 2020), 0 best, 1 worst, for soft maps and masks in 0..1.

    1 / (3 - |U|) times 2 - |I| / |truth| - |I| / |map|, or times 0 if both are empty and 1 if one is. |U| is a share of
    the area; intersection and union of soft values are their minimum and maximum, which the paper leaves open.
    """
    _pair(prediction, truth)
    plane, mask = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    shared, union = np.minimum(plane, mask).mean(), np.maximum(plane, mask).mean()
    if plane.any() and mask.any():
        missed = 2 - shared / mask.mean() - shared / plane.mean()
    else:
        missed = float(plane.any() or mask.any())
    return float(missed / (3 - union))


def cosine(prediction: ArrayLike, truth: ArrayLike) -> float:
    """COSS: the cosine between a map and the gray-scale fakeness, both (H, W); 1 if both are black, 0 if one is."""
    plane, wanted = _planes(prediction, truth)
    if not plane.any() or not wanted.any():
        return float(plane.any() == wanted.any())
    return float((plane * wanted).sum() / np.sqrt((plane * plane).sum() * (wanted * wanted).sum()))


def psnr(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Peak signal-to-noise ratio in dB of maps in 0..1, at most ``MOST_DB``, which is what two equal ones get."""
    plane, wanted = _planes(prediction, truth)
    return float(min(MOST_DB, -10 * np.log10(max(float(((plane - wanted) ** 2).mean()), 1e-300))))


def ssim(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Structural similarity (Wang et al., 2004) of maps in 0..1: Gaussian windows, sigma 1.5, cut off at 5 px.

    The mean over those pixels whose window lies inside; a map has to be 11 px a side.
    """
    plane, wanted = _planes(prediction, truth)
    return float(_ssims(plane, wanted).mean())


def _ssims(plane: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """SSIM of every pixel whose window lies inside, (H - 10, W - 10)."""
    if min(plane.shape) < 2 * _REACH_PX + 1:
        raise ValueError(f"SSIM needs maps of {2 * _REACH_PX + 1} px a side, not {plane.shape}")

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        size = (2 * _REACH_PX + 1, 2 * _REACH_PX + 1)
        smooth = cv2.GaussianBlur(values, size, 1.5, borderType=cv2.BORDER_REFLECT)
        return np.asarray(smooth[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX], np.float64)

    one, other = mean(plane), mean(wanted)
    spread, other_spread = mean(plane**2) - one**2, mean(wanted**2) - other**2
    shared = mean(plane * wanted) - one * other
    light = (2 * one * other + 0.01**2) / (one**2 + other**2 + 0.01**2)
    return np.asarray(light * (2 * shared + 0.03**2) / (spread + other_spread + 0.03**2), np.float64)


def pixel_accuracy(prediction: ArrayLike, truth: ArrayLike, threshold: float = THRESHOLD) -> float:
    """PBCA: the share of pixels that are called what they are."""
    called, forged = _called(prediction, truth, threshold)
    return float((called == forged).mean())


def fakeness(prediction: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """FakeLocator's seven numbers of a map (H, W) against the gray-scale fakeness (H, W), both in 0..1.

    COSS, PSNR and SSIM compare grays. The others compare pixels at or above 0.1 in either, the paper's threshold; a
    truth that stays below it everywhere counts as empty.
    """
    plane, wanted = _planes(prediction, truth)
    forged = wanted >= FAKE_LEVEL
    return {
        "coss": cosine(plane, wanted),
        "psnr": psnr(plane, wanted),
        "ssim": ssim(plane, wanted),
        "iou": iou(plane, forged, FAKE_LEVEL),
        "dice": dice(plane, forged, FAKE_LEVEL),
        "pbca": pixel_accuracy(plane, forged, FAKE_LEVEL),
        "iinc": iinc(plane >= FAKE_LEVEL, forged),
    }


def inside(prediction: ArrayLike, truth: ArrayLike, region: ArrayLike) -> dict[str, float]:
    """FakeLocator's in-region similarity (table X): COSS, PSNR and SSIM of the pixels of a region, (H, W), alone.

    Empty where no pixel of the region has its window inside the map.
    """
    plane, wanted = _planes(prediction, truth)
    own = _pair(prediction, region)[1]
    middle = own[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX]
    if not middle.any():
        return {}
    return {
        "coss_inside": cosine(plane * own, wanted * own),
        "psnr_inside": psnr(plane[own][None], wanted[own][None]),
        "ssim_inside": float(_ssims(plane, wanted)[middle].mean()),
    }


def recall(prediction: ArrayLike, truth: ArrayLike, threshold: float = THRESHOLD) -> float:
    """Share of the forged pixels that are called. NaN if nothing is forged."""
    called, forged = _called(prediction, truth, threshold)
    return float(called[forged].mean()) if forged.any() else math.nan


def _planes(prediction: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    _pair(prediction, truth)
    return np.asarray(prediction, np.float64), np.asarray(truth, np.float64)


def _pair(prediction: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    plane, mask = np.asarray(prediction), np.asarray(truth)
    if plane.ndim != 2 or plane.shape != mask.shape or not plane.size:
        raise ValueError(f"map and mask must be (H, W) on one grid, not {plane.shape} and {mask.shape}")
    if not np.isfinite(plane).all():
        raise ValueError("a map holds a value that is not finite")
    return plane, mask > 0


def _called(prediction: ArrayLike, truth: ArrayLike, threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    plane, forged = _pair(prediction, truth)
    return plane >= threshold, forged
