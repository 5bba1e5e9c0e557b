"""Augmentation of a pair of crops through torchvision v2. One draw for the whole pair; masks follow.

What differs between a real photograph and its forgery must be the forgery alone, so whatever happens to one happens to
the other.
"""

import math
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from facewitness.training.recipe import AugmentSection
from facewitness.types import Image

ENCODER_QUALITY = 95  # of the forge's default encoder


def flips() -> v2.Compose:
    """Return what mirrors half of the pairs, masks with them."""
    return v2.Compose([v2.RandomHorizontalFlip(0.5)])


def degradations(section: AugmentSection) -> v2.Compose:
    """Return what degrades a picture, for ``Image`` (P, 3, S, S) uint8; a ``Mask`` stays as it is."""
    low, high = section.jpeg_quality
    taps = 2 * math.ceil(2 * section.blur_sigma[1]) + 1
    steps: list[v2.Transform] = [
        v2.RandomApply([v2.ColorJitter(0.15, 0.15, 0.15, 0.02)], section.colour),
        v2.RandomApply([DownAndUp(0.5, 1.0)], section.resize),
        v2.RandomApply([v2.GaussianBlur(taps, section.blur_sigma)], section.blur),
        *([v2.RandomApply([Retouch(0, 3)], section.retouch)] if section.retouch else []),
        v2.RandomApply([Noise(0.0, 6.0)], section.noise),
        v2.RandomApply([Jpeg(low, high)], section.jpeg / 2),  # the other half before the crop: see batches
    ]
    return v2.Compose(steps)


class _Drawn(v2.Transform):
    """Change images (P, 3, S, S) uint8 by one number from a range; a mask keeps its truth."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the number."""
        return {"drawn": float(torch.empty(()).uniform_(self.low, self.high))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Change them."""
        return tv_tensors.Image(self._changed(inpt, params["drawn"]))

    def _changed(self, crops: Tensor, drawn: float) -> Tensor:
        raise NotImplementedError


class Jpeg(_Drawn):
    """Compress at a random quality. torchvision's own transform stands on an encoder that it is about to remove."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the quality."""
        return {"drawn": int(torch.randint(int(self.low), int(self.high) + 1, ()))}

    def _changed(self, crops: Tensor, drawn: float) -> Tensor:
        made = [recompress(crop, int(drawn)) for crop in crops.permute(0, 2, 3, 1).numpy()]
        return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)


class DownAndUp(_Drawn):
    """Shrink by a random factor and enlarge again."""

    def _changed(self, crops: Tensor, drawn: float) -> Tensor:
        size = list(crops.shape[-2:])
        small = [max(1, round(side * drawn)) for side in size]
        return cast(Tensor, F.resize(F.resize(crops, small, antialias=True), size, antialias=True))


class Noise(_Drawn):
    """Gaussian sensor noise of a random deviation, in steps of 8 bits, drawn anew for each crop."""

    def _changed(self, crops: Tensor, drawn: float) -> Tensor:
        return (crops.float() + torch.randn(crops.shape) * drawn).round().clamp(0, 255).to(torch.uint8)


class Retouch(_Drawn):
    """Smooth the skin (a bilateral filter, from 0 to 1), take a median (to 2) or sharpen (to 3): a beauty filter."""

    def _changed(self, crops: Tensor, drawn: float) -> Tensor:
        made = [self._one(np.ascontiguousarray(crop), drawn) for crop in crops.permute(0, 2, 3, 1).numpy()]
        return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)

    @staticmethod
    def _one(crop: Image, drawn: float) -> Image:
        amount = drawn % 1
        if drawn < 1:
            return np.asarray(cv2.bilateralFilter(crop, 7, 15 + 60 * amount, 5), np.uint8)
        if drawn < 2:
            return np.asarray(cv2.medianBlur(crop, 3), np.uint8)
        return np.asarray(cv2.addWeighted(crop, 1 + amount, cv2.GaussianBlur(crop, (0, 0), 1.0), -amount, 0), np.uint8)


def draw_jitter(section: AugmentSection, size_px: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a small rotation, zoom and shift of a crop, (3, 3)."""
    amount = section.jitter
    angle, zoom = np.radians(rng.uniform(-6, 6)) * amount, np.exp(rng.uniform(-0.08, 0.08) * amount)
    cosine, sine = np.cos(angle) * zoom, np.sin(angle) * zoom
    centre, move = (size_px - 1) / 2, rng.uniform(-0.03, 0.03, 2) * size_px * amount
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
    matrix[:2, 2] = centre + move - matrix[:2, :2] @ np.array([centre, centre])
    return matrix


def draw_quality(section: AugmentSection, rng: np.random.Generator) -> int:
    """Draw the JPEG quality that a photograph gets before it is cropped."""
    low, high = section.jpeg_quality
    return int(rng.integers(low, high + 1)) if rng.random() < section.jpeg / 2 else ENCODER_QUALITY


def draw_augmented(section: AugmentSection, rng: np.random.Generator) -> list[bool]:
    """Draw which of a pair are augmented at all. Nothing is drawn where both always are."""
    if section.p_real == section.p_fake == 1:
        return [True, True]
    return [bool(rng.random() < share) for share in (section.p_real, section.p_fake)]


def recompress(rgb: Image, quality: int) -> Image:
    """An image (H, W, 3) through JPEG and back."""
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def apply(transforms: v2.Compose, crops: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Run the pipeline on crops (P, 3, S, S) and regions (P, S, S)."""
    image, mask = transforms(tv_tensors.Image(crops), tv_tensors.Mask(regions))
    return image.as_subclass(Tensor), mask.as_subclass(Tensor)
