"""Augmentation of a pair of crops through torchvision v2. One draw for the whole pair; masks follow.

What differs between a real photograph and its forgery must be the forgery alone, so whatever happens to one happens to
the other.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from facewitness.training.recipe import AugmentSection
from facewitness.types import Image


def mirror() -> v2.Compose:
    """Half of the pairs are mirrored, masks with them."""
    return v2.Compose([v2.RandomHorizontalFlip(0.5)])


def pipeline(section: AugmentSection) -> v2.Compose:
    """What spoils a picture, for ``Image`` (P, 3, S, S) uint8; a ``Mask`` stays as it is."""
    low, high = section.jpeg_quality
    taps = 2 * math.ceil(2 * section.blur_sigma[1]) + 1
    steps: list[v2.Transform] = [
        v2.RandomApply([v2.ColorJitter(0.15, 0.15, 0.15, 0.02)], section.colour),
        v2.RandomApply([DownAndUp(0.5, 1.0)], section.resize),
        v2.RandomApply([v2.GaussianBlur(taps, section.blur_sigma)], section.blur),
        v2.RandomApply([Noise(6.0)], section.noise),
        v2.RandomApply([Jpeg(low, high)], section.jpeg / 2),  # the other half before the crop: see batches
    ]
    return v2.Compose(steps)


class Jpeg(v2.Transform):
    """Compress at a random quality. torchvision's own transform stands on an encoder that it is about to remove."""

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.low, self.high = low, high

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the quality."""
        return {"quality": int(torch.randint(self.low, self.high + 1, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Images (P, 3, S, S) uint8 only."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        crops = [recompress(crop, params["quality"]) for crop in inpt.permute(0, 2, 3, 1).numpy()]
        return tv_tensors.Image(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2))


class DownAndUp(v2.Transform):
    """Shrink by a random factor and enlarge again."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the factor."""
        return {"factor": float(torch.empty(()).uniform_(self.low, self.high))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Images only: a mask keeps its truth."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        size = list(inpt.shape[-2:])
        small = [max(1, round(side * params["factor"])) for side in size]
        return F.resize(F.resize(inpt, small, antialias=True), size, antialias=True)


class Noise(v2.Transform):
    """Gaussian sensor noise of a random strength, drawn anew for each crop."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most = most

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the standard deviation, in steps of 8 bits."""
        return {"deviation": float(torch.empty(()).uniform_(0, self.most))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Images only."""
        if not isinstance(inpt, tv_tensors.Image):
            return inpt
        noisy = inpt.float() + torch.randn(inpt.shape) * params["deviation"]
        return tv_tensors.Image(noisy.round().clamp(0, 255).to(torch.uint8))


def recompress(rgb: Image, quality: int) -> Image:
    """An image (H, W, 3) through JPEG and back."""
    _, data = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def apply(transforms: v2.Compose, crops: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Run the pipeline on crops (P, 3, S, S) and regions (P, S, S)."""
    image, mask = transforms(tv_tensors.Image(crops), tv_tensors.Mask(regions))
    return image.as_subclass(Tensor), mask.as_subclass(Tensor)
