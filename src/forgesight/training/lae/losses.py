"""The equations of LAE that are minimised, each a function of tensors and nothing else.

Labels are the house's: 1 = fake; the paper writes 1 for true. Sums over a batch are means here, so that no weight
depends on the batch's size, and the attention loss is a mean over pixels, so that none depends on the picture's.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def latent(activity: Tensor, labels: Tensor) -> Tensor:
    """Eq. 4: |a_T - l| + |a_F - (1 - l)| with l = 1 for true; ``activity`` (N, 2) is a_T, a_F."""
    fake = labels.to(activity.dtype)
    return ((activity[:, 0] - (1 - fake)).abs() + (activity[:, 1] - fake).abs()).mean()


def apart(made: Tensor, wanted: Tensor, distance: Literal["absolute", "squared"]) -> Tensor:
    """The pixel and the perceptual term of eq. 5: formula squared, text absolute."""
    gap = made - wanted
    return gap.square().mean() if distance == "squared" else gap.abs().mean()


def fooled(logits: Tensor) -> Tensor:
    """The adversarial term of eq. 5, -log D(made), from the discriminator's logits of what was made."""
    return F.softplus(-logits.float()).mean()


def discriminated(real: Tensor, made: Tensor) -> Tensor:
    """Eq. 6 from logits: -[E log D(x) + E log(1 - D(made))]."""
    return F.softplus(-real.float()).mean() + F.softplus(made.float()).mean()


def attention(plane: Tensor, masks: Tensor) -> Tensor:
    """Eq. 9 and 11: squared difference of the raw map (N, 1, h, w), enlarged, and the masks (N, 1, S, S) in 0..1."""
    if not len(plane):
        return plane.sum() * 0
    large = F.interpolate(plane.float(), masks.shape[-2:], mode="bilinear", align_corners=False)
    return (large - masks.float()).square().mean()


def concept(weight: Tensor, pooled: Tensor, labels: Tensor) -> Tensor:
    """Eq. 10 with the sign that is to be minimised: cross-entropy of p = sigmoid(w . u) with fake = 1, no bias."""
    return F.binary_cross_entropy_with_logits(pooled @ weight, labels.to(pooled.dtype))


def noisy(crops: Tensor, most: float) -> Tensor:
    """Crops in 0..255 with Gaussian noise whose deviation is drawn once, from 0 to ``most``."""
    if not most:
        return crops.float()
    return crops.float() + torch.randn(crops.shape, device=crops.device) * (torch.rand(()).item() * most)
