"""Losses of supervised training: cross-entropy for the verdict, cross-entropy plus Dice for the map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def classification(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (N, 2) logits with labels (N,), 1 = fake."""
    return F.cross_entropy(logits, labels)


def region(plane: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice loss of map logits (N, 1, h, w) against regions (N, 1, H, W) in 0..1.

    ``known`` (N,) is False where the truth is unknown; those samples count for nothing. Dice is taken over the whole
    batch, so that photographs without a region need no convention of their own.
    """
    if not bool(known.any()):
        return plane.sum() * 0
    plane = plane[known].float()
    target = F.adaptive_avg_pool2d(target[known].float(), (plane.shape[-2], plane.shape[-1]))
    cross_entropy = F.binary_cross_entropy_with_logits(plane, target)
    probability = torch.sigmoid(plane)
    dice = 1 - (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
    return cross_entropy + 0.5 * dice
