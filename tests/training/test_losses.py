"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from facewitness.training import losses


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


HALVES = torch.zeros(1, 1, 1, 2)  # drawn: 1/2 and 1/2
GRAYS = torch.tensor([[[[0.9, 0.2]]]])


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("absolute", (0.4 + 0.3) / 2),  # eq. 8
        ("squared", (0.16 + 0.09) / 2),  # eq. 9
        # eq. 10, 11: (1 - p)^2 log p is 1/4 log 2 either way; alpha 1/4 for forged, 3/4 for real, weighed by gray
        ("focal", math.log(2) / 4 * ((0.25 * 0.9 + 0.75 * 0.1) + (0.25 * 0.2 + 0.75 * 0.8)) / 2),
        ("dice", 1 - 2 * (0.45 + 0.1) / (1.0 + 1.1)),  # eq. 12
    ],
)
def test_fakeness_is_the_papers_distance(distance: str, expected: float) -> None:
    loss = losses.fakeness(HALVES, GRAYS, torch.tensor([True]), distance)
    assert float(loss) == pytest.approx(expected)


def test_focal_loss_of_a_black_and_white_target_is_the_published_one() -> None:
    plane, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    chances = [1 / (1 + math.exp(-2.0)), 1 - 1 / (1 + math.exp(1.0))]
    expected = sum(-a * (1 - p) ** 2 * math.log(p) for a, p in zip((0.25, 0.75), chances, strict=True)) / 2
    assert float(losses.fakeness(plane, target, torch.tensor([True]), "focal")) == pytest.approx(expected)


def test_fakeness_that_is_not_known_counts_for_nothing() -> None:
    plane = torch.cat([HALVES, torch.full_like(HALVES, 9)]).requires_grad_()
    truth = torch.cat([GRAYS, GRAYS])
    loss = losses.fakeness(plane, truth, torch.tensor([True, False]), "absolute")
    assert loss.item() == pytest.approx(0.35)
    loss.backward()
    assert plane.grad is not None
    assert not plane.grad[1].any()
    assert losses.fakeness(plane, truth, torch.tensor([False, False]), "dice").item() == 0
