"""The equations of LAE that only LAE has, each a function of tensors and nothing else.

Eq. 4 is ``training.losses.activation``, the pixel and perceptual terms of eq. 5 are ``apart``, its adversarial term is
``fooled``, eq. 6 is ``discriminated``.

Labels are the package's: 1 = fake; the paper writes 1 for true. Sums over a batch are means here, so that no weight
depends on the batch's size, and the attention loss is a mean over pixels, so that none depends on the picture's.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def attention(plane: Tensor, masks: Tensor, *, balanced: bool = False) -> Tensor:
    """Eq. 9 and 11: squared difference of the raw map (N, 1, h, w), enlarged, and the masks (N, 1, S, S) in 0..1.

    ``balanced`` is ours: forged pixels, however few, count as much in all as the others.
    """
    if not len(plane):
        return plane.sum() * 0
    wanted = masks.float()
    large = F.interpolate(plane.float(), masks.shape[-2:], mode="bilinear", align_corners=False)
    apart = (large - wanted).square()
    if not balanced:
        return apart.mean()
    forged = wanted.round()
    parts = [(apart * of).sum() / of.sum().clamp(min=1) for of in (forged, 1 - forged)]
    return (parts[0] + parts[1]) / 2


def concept(weight: Tensor, pooled: Tensor, labels: Tensor) -> Tensor:
    """Eq. 10 with the sign that is to be minimised: cross-entropy of p = sigmoid(w . u) with fake = 1, no bias."""
    return F.binary_cross_entropy_with_logits(pooled @ weight, labels.to(pooled.dtype))


def noisy(crops: Tensor, most: float) -> Tensor:
    """Crops in 0..255 with Gaussian noise whose deviation is drawn once, from 0 to ``most``."""
    if not most:
        return crops.float()
    return crops.float() + torch.randn(crops.shape, device=crops.device) * (torch.rand(()).item() * most)
