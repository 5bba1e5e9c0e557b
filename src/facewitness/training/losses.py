"""Losses of supervised training: of the verdict, of a map of regions, of a map of fakeness."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

_ALPHA, _GAMMA = 0.25, 2.0  # Lin et al., Focal Loss, ICCV 2017, which FakeLocator cites without numbers of its own


def classification(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (N, 2) logits with labels (N,), 1 = fake."""
    return F.cross_entropy(logits, labels)


def activation(activity: Tensor, labels: Tensor) -> Tensor:
    """Mean of |a_real - (1 - y)| + |a_fake - y|, y = 1 for fake; ``activity`` (N, 2) is that of the two halves."""
    fake = labels.to(activity.dtype)
    return ((activity[:, 0] - (1 - fake)).abs() + (activity[:, 1] - fake).abs()).mean()


def apart(made: Tensor, wanted: Tensor, distance: Literal["absolute", "squared"]) -> Tensor:
    """Mean absolute or mean squared difference."""
    gap = made - wanted
    return gap.square().mean() if distance == "squared" else gap.abs().mean()


def discriminated(real: Tensor, made: Tensor) -> Tensor:
    """A discriminator's cross-entropy from logits: -[E log D(real) + E log(1 - D(made))]."""
    return F.softplus(-real.float()).mean() + F.softplus(made.float()).mean()


def fooled(logits: Tensor) -> Tensor:
    """The other side of it, -log D(made), which does not fade where the discriminator is sure."""
    return F.softplus(-logits.float()).mean()


def fakeness(
    plane: Tensor, target: Tensor, known: Tensor, distance: Literal["absolute", "squared", "focal", "dice"]
) -> Tensor:
    """Between map logits (N, 1, h, w) and gray-scale targets (N, 1, H, W) in 0..1: FakeLocator, eq. 8 to 12.

    ``absolute`` and ``squared`` are means over pixels. ``focal`` (alpha 0.25, gamma 2) weighs both answers of a pixel
    by its gray, which for targets of 0 and 1 is the paper's. ``dice`` is one minus the paper's similarity, an
    intersection being a sum of products. Samples whose truth is not known count for nothing.
    """
    if not bool(known.any()):
        return plane.sum() * 0
    logits = plane[known].float()
    wanted = F.adaptive_avg_pool2d(target[known].float(), (logits.shape[-2], logits.shape[-1]))
    drawn = torch.sigmoid(logits)
    if distance == "focal":
        forged = -_ALPHA * (1 - drawn) ** _GAMMA * F.logsigmoid(logits)
        genuine = -(1 - _ALPHA) * drawn**_GAMMA * F.logsigmoid(-logits)
        return (wanted * forged + (1 - wanted) * genuine).mean()
    if distance == "dice":
        return 1 - 2 * (drawn * wanted).sum() / (drawn.sum() + wanted.sum())
    return apart(drawn, wanted, distance)


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
