"""Calibration: a gap worked out by hand, a temperature that is known, and one found on a grid."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.metrics import calibration
from facewitness.metrics.detection import evaluated


def drawn(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Margins whose labels were drawn at sigmoid(margin / temperature)."""
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 4, count)
    return margin, (rng.random(count) < 1 / (1 + np.exp(-margin / temperature))).astype(int)


def test_ece_by_hand() -> None:
    # Two bins: .1 and .3 with one fake (gap .3, two samples), 1.0 and .8 with two fakes (gap .1, two samples).
    assert evaluated(calibration.ece_weighted(2), [0.1, 0.3, 1.0, 0.8], [0, 1, 1, 1]) == pytest.approx(
        (0.3 * 2 + 0.1 * 2) / 4
    )


def test_ece_of_true_probabilities_is_small_and_of_overconfident_ones_is_not() -> None:
    margin, labels = drawn(2.0)
    assert evaluated(calibration.ece_weighted(), 1 / (1 + np.exp(-margin / 2)), labels) < 0.015
    assert evaluated(calibration.ece_weighted(), 1 / (1 + np.exp(-margin * 2)), labels) > 0.1


def test_ece_weights_count_as_repetitions() -> None:
    rng = np.random.default_rng(1)
    scores, labels, weights = rng.random(50), rng.integers(0, 2, 50), rng.integers(0, 3, (2, 50))
    together = calibration.ece_weighted()(scores, labels.astype(float), weights.astype(float))
    for row, value in zip(weights, together, strict=True):
        assert value == pytest.approx(
            evaluated(calibration.ece_weighted(), np.repeat(scores, row), np.repeat(labels, row))
        )


def test_ece_of_what_is_no_probability_is_an_error() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        evaluated(calibration.ece_weighted(), [1.2, 0.3], [0, 1])
