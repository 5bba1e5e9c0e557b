"""Degradations: level 0 is nothing, more is worse, the same seed does the same, and no map leaves its grid."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.media.degrade import KNOWN, OPERATORS, TREATMENTS, degrade, shuffled
from tests.fakes import astronaut, texture

LEVELS = range(1, 6)


@pytest.mark.parametrize("name", list(OPERATORS))
def test_level_0_is_the_picture_itself_and_more_is_worse(name: str) -> None:
    rgb = texture(97, 120)
    assert degrade(rgb, name, 0) is rgb
    assert len(OPERATORS[name].levels) == 5
    loss = []
    for level in LEVELS:
        made = degrade(rgb, name, level)
        assert made.shape == rgb.shape
        assert made.dtype == np.uint8
        loss.append(float(((made.astype(float) - rgb) ** 2).mean()))
    assert loss == sorted(loss)
    assert loss[0] < 0.6 * loss[-1]


@pytest.mark.parametrize("name", list(OPERATORS))
def test_a_seed_does_the_same_to_both_of_a_pair(name: str) -> None:
    one, other = texture(64, 64), texture(64, 64).copy()
    other[20:40, 20:40] = 90
    np.testing.assert_array_equal(degrade(one, name, 3, seed=5), degrade(one.copy(), name, 3, seed=5))
    gap = np.abs(degrade(one, name, 3, seed=5).astype(int) - degrade(other, name, 3, seed=5)).max(2)
    assert gap[26:34, 26:34].mean() > 4
    if name not in ("h264", "webp"):  # which predict a block from the ones before it
        assert gap[:8, -8:].max() == 0, "what is alike in both stays so"


def test_noise_has_the_variance_it_says() -> None:
    flat = np.full((200, 200, 3), 128, np.uint8)
    made = degrade(flat, "noise", 3).astype(float) - 128
    assert made.var() == pytest.approx(64, rel=0.03)
    assert not np.array_equal(degrade(flat, "noise", 3, seed=1), degrade(flat, "noise", 3, seed=2))


def test_gamma_by_hand() -> None:
    made = degrade(np.full((4, 4, 3), 128, np.uint8), "gamma", 4)
    assert (made == round(255 * (128 / 255) ** 2)).all()


def test_a_crop_keeps_its_middle() -> None:
    rgb = texture(100, 60)
    made = degrade(rgb, "crop", 2)
    np.testing.assert_array_equal(made[10:90, 6:54], rgb[10:90, 6:54])
    np.testing.assert_array_equal(made[9], made[10])


@pytest.mark.parametrize(
    ("name", "level", "message"), [("fog", 1, "no degradation 'fog'"), ("blur", 6, "levels 0 to 5")]
)
def test_what_is_not_there_is_refused(name: str, level: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        degrade(texture(), name, level)


def test_a_single_pixel_survives_everything() -> None:
    for name, operator in KNOWN.items():
        assert degrade(np.full((1, 1, 3), 77, np.uint8), name, len(operator.levels)).shape == (1, 1, 3)


@pytest.mark.parametrize("name", list(TREATMENTS))
def test_a_treatment_changes_the_picture_alike_for_a_seed_and_keeps_what_it_shows(name: str) -> None:
    rgb = astronaut()[:300, 100:340]
    made = degrade(rgb, name, 1, seed=3)
    assert made.shape == rgb.shape
    assert made.dtype == np.uint8
    assert not np.array_equal(made, rgb)
    np.testing.assert_array_equal(degrade(rgb.copy(), name, 1, seed=3), made)
    rows = slice(0, 100)  # which altered bytes further on leave as they are
    assert np.corrcoef(made[rows].mean(2).ravel(), rgb[rows].mean(2).ravel())[0, 1] > 0.85


def test_disorganisation_moves_all_planes_alike_and_never_leaves_them_in_order() -> None:
    rgb = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
    for seed in range(30):
        picture, plane = shuffled([rgb, rgb[..., 0]], seed)
        np.testing.assert_array_equal(picture[..., 0], plane)
        assert sorted(picture.ravel()) == sorted(rgb.ravel())
        assert not np.array_equal(picture, rgb)
        np.testing.assert_array_equal(picture[-1], rgb[-1])
