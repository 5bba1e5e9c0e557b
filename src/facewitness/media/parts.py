"""Where the parts of a face are: from its 68 landmarks, or from a face-parsing network of 19 classes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness import runtime
from facewitness.types import FacewitnessError, Image, Plane, Points

PARTS = ("hair", "nose", "mouth", "eyes", "brows", "skin", "face")
Regions = Mapping[str, NDArray[np.uint8]]
"""For each of ``PARTS`` a mask (S, S) of 0 and 1."""

# CelebAMask-HQ, as the published BiSeNet numbers it. "face" is all that is the head's.
_CLASSES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "hair": (17, 18),  # with a hat
        "nose": (10,),
        "mouth": (11, 12, 13),
        "eyes": (4, 5, 6),  # with glasses
        "brows": (2, 3),
        "skin": (1,),
        "face": (1, 2, 3, 4, 5, 6, 10, 11, 12, 13),
    }
)
_SIDE_PX = 512  # of the published network
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def parts(landmarks: Points, size_px: int) -> Regions:
    """The parts of an upright face from its landmarks (68, 2) in a square of ``size_px``, as in an aligned crop.

    Hair is what lies above the brows' line inside the head's box and not on the forehead; skin is the face without its
    features. Both are coarse: landmarks do not see hair.
    """
    shape = (size_px, size_px)
    side = float(np.ptp(landmarks, axis=0).max())
    up = landmarks[27] - landmarks[33]
    face = hull(with_forehead(landmarks), shape)
    thick = max(1, round(0.06 * side))
    brows = np.zeros(shape, np.uint8)
    for brow in (landmarks[17:22], landmarks[22:27]):
        cv2.polylines(brows, [np.rint(brow).astype(np.int32)], False, 1, thick)
    eyes = _grown(hull(landmarks[36:42], shape) | hull(landmarks[42:48], shape), 0.03 * side)
    mouth = hull(landmarks[48:60], shape)
    nose = hull(np.concatenate([landmarks[27:36], landmarks[[39, 42]] * 0.3 + landmarks[[31, 35]] * 0.7]), shape)
    left, right = landmarks[:, 0].min() - 0.12 * side, landmarks[:, 0].max() + 0.12 * side
    brow_line, crown = landmarks[17:27, 1].mean(), landmarks[17:27, 1].min() + 1.35 * up[1]
    box = np.zeros(shape, np.uint8)
    rows = slice(max(0, round(crown)), max(0, round(brow_line)))
    box[rows, max(0, round(left)) : max(0, round(right))] = 1
    features = brows | eyes | mouth | nose
    hair, skin = box & (1 - face), face & (1 - features)
    found = {"hair": hair, "nose": nose, "mouth": mouth, "eyes": eyes, "brows": brows, "skin": skin, "face": face}
    return {name: np.asarray(mask, np.uint8) for name, mask in found.items()}


def hull(points: Points, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The filled convex hull of some points as a (H, W) mask of 0 and 1."""
    corners = cv2.convexHull(np.rint(points).astype(np.int32))
    return np.asarray(cv2.fillConvexPoly(np.zeros(shape, np.uint8), corners, 1), np.uint8)


def with_forehead(landmarks: Points, share: float = 0.55) -> Points:
    """The 68 landmarks, and the brows once more, lifted by a share of the way from the nose to them."""
    up = landmarks[27] - landmarks[33]
    return np.concatenate([landmarks, landmarks[17:27] + up * share]).astype(np.float32)


class Parser:
    """A face-parsing network as ONNX: (1, 3, 512, 512), normalised as for ImageNet -> logits (1, 19, 512, 512)."""

    def __init__(self, path: Path) -> None:
        try:
            self.session = runtime.session(path, threads=1)
        except Exception as error:  # onnxruntime raises kinds of its own
            raise FacewitnessError(f"{path}: no network that onnxruntime can run ({error})") from error
        shape = self.session.get_outputs()[0].shape
        if len(shape) != 4 or shape[1] != 19:
            raise FacewitnessError(f"{path}: a face parser gives (1, 19, H, W); this one gives {shape}")

    def __call__(self, crop: Image) -> Regions:
        """The parts of an aligned crop (S, S, 3)."""
        size = crop.shape[0]
        large = cv2.resize(crop, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
        x = ((large - _MEAN) / _STD).transpose(2, 0, 1)[None]
        logits = self.session.run(None, {self.session.get_inputs()[0].name: np.ascontiguousarray(x, np.float32)})[0]
        classes = np.asarray(logits[0].argmax(0), np.uint8)
        classes = np.asarray(cv2.resize(classes, (size, size), interpolation=cv2.INTER_NEAREST), np.uint8)
        return {name: np.isin(classes, of).astype(np.uint8) for name, of in _CLASSES.items()}


def changed(regions: Regions, fakeness: NDArray[Any]) -> str:
    """The part that a change was about: whose mask is most like the map of the change (H, W), by their cosine."""

    def alike(name: str) -> float:
        mask = regions[name].astype(np.float64)
        return float((mask * fakeness).sum() / max(np.sqrt(mask.sum()), 1e-9))

    return max(PARTS, key=alike)


def attention(mask: NDArray[np.uint8], sigma: float) -> Plane:
    """The face attention map of a part (FakeLocator, eq. 5): its mask blurred, brightest 1. White for an empty mask."""
    if not mask.any():
        return np.ones(mask.shape, np.float32)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma) if sigma > 0 else mask.astype(np.float32)
    return np.asarray(soft / soft.max(), np.float32)


def _grown(mask: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    width = max(0, round(radius)) * 2 + 1
    return np.asarray(cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))), np.uint8)


Find = Callable[[Image, Points], Regions]
"""Of an aligned crop and its landmarks, the parts."""


def finder(parser: Path | None) -> Find:
    """What finds parts: a network, or the landmarks alone.

    Raises:
        FacewitnessError: the network cannot be used.
    """
    if parser is None:
        return lambda crop, landmarks: parts(landmarks, crop.shape[0])
    network = Parser(parser)
    return lambda crop, landmarks: network(crop)
