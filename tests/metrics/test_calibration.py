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


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_finds_the_temperature_the_labels_were_drawn_at(temperature: float) -> None:
    margin, labels = drawn(temperature)
    assert calibration.fit_temperature(margin, labels) == pytest.approx(temperature, rel=0.05)


def test_no_temperature_of_a_fine_grid_is_likelier() -> None:
    margin, labels = drawn(1.7, 500)
    grid = np.linspace(1, 3, 20_001)
    likeliest = grid[np.argmin([calibration.nll(margin, labels, temperature) for temperature in grid])]
    assert calibration.fit_temperature(margin, labels) == pytest.approx(likeliest, abs=2e-4)


def test_extremes_stay_within_the_stated_range() -> None:
    margin, labels = np.array([-3.0, -1, 1, 3]), np.array([0, 0, 1, 1])
    assert calibration.fit_temperature(margin, labels) == pytest.approx(calibration.TEMPERATURES[0], rel=1e-4)
    assert calibration.fit_temperature(-margin, labels) == pytest.approx(calibration.TEMPERATURES[1], rel=1e-4)
    assert np.isfinite(calibration.nll(margin * 1e6, 1 - labels))


def test_one_class_has_no_temperature() -> None:
    with pytest.raises(ValueError, match="both real and fake"):
        calibration.fit_temperature([1.0, 2.0], [1, 1])
