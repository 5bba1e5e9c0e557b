"""The temperature: one that is known, one found on a grid, extremes."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.training import calibrate


def drawn(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Margins whose labels were drawn at sigmoid(margin / temperature)."""
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 4, count)
    return margin, (rng.random(count) < 1 / (1 + np.exp(-margin / temperature))).astype(int)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_finds_the_temperature_the_labels_were_drawn_at(temperature: float) -> None:
    margin, labels = drawn(temperature)
    assert calibrate.fit_temperature(margin, labels) == pytest.approx(temperature, rel=0.05)


def test_no_temperature_of_a_fine_grid_is_likelier() -> None:
    margin, labels = drawn(1.7, 500)
    grid = np.linspace(1, 3, 20_001)
    likeliest = grid[np.argmin([calibrate.nll(margin, labels, temperature) for temperature in grid])]
    assert calibrate.fit_temperature(margin, labels) == pytest.approx(likeliest, abs=2e-4)


def test_extremes_stay_within_the_stated_range() -> None:
    margin, labels = np.array([-3.0, -1, 1, 3]), np.array([0, 0, 1, 1])
    assert calibrate.fit_temperature(margin, labels) == pytest.approx(calibrate.TEMPERATURES[0], rel=1e-4)
    assert calibrate.fit_temperature(-margin, labels) == pytest.approx(calibrate.TEMPERATURES[1], rel=1e-4)
    assert np.isfinite(calibrate.nll(margin * 1e6, 1 - labels))


def test_one_class_has_no_temperature() -> None:
    with pytest.raises(ValueError, match="both real and fake"):
        calibrate.fit_temperature([1.0, 2.0], [1, 1])
