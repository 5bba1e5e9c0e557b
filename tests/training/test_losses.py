"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from forgesight.training import losses


def test_classification_is_the_mean_negative_log_probability() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])  # P(fake) = 3/4 and 1/2
    loss = losses.classification(logits, torch.tensor([1, 0]))
    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_region_is_cross_entropy_plus_half_of_dice() -> None:
    plane = torch.zeros(1, 1, 2, 2)  # probability 1/2 everywhere
    target = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    dice = 1 - (2 * 0.5 + 1) / (4 * 0.5 + 1 + 1)
    loss = losses.region(plane, target, torch.tensor([True]))
    assert float(loss) == pytest.approx(math.log(2) + 0.5 * dice)


def test_region_reduces_the_truth_by_area() -> None:
    target = torch.zeros(1, 1, 4, 4)
    target[..., :2, :1] = 1  # half of one pixel of the map
    coarse = torch.tensor([[[[0.5, 0.0], [0.0, 0.0]]]])
    plane = torch.randn(1, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    known = torch.tensor([True])
    torch.testing.assert_close(losses.region(plane, target, known), losses.region(plane, coarse, known))


def test_a_sample_without_truth_counts_for_nothing() -> None:
    plane = torch.randn(2, 1, 2, 2, requires_grad=True)
    target = torch.zeros(2, 1, 2, 2)
    losses.region(plane, target, torch.tensor([True, False])).backward()
    assert plane.grad is not None
    assert plane.grad[0].abs().sum() > 0
    assert plane.grad[1].abs().sum() == 0
    assert losses.region(plane, target, torch.tensor([False, False])).item() == 0
