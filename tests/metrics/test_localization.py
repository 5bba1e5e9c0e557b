"""Map metrics: counts on small grids, the empty-mask convention, scikit-learn for pixel AUC."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import f1_score, jaccard_score, roc_auc_score

from facewitness.metrics import localization

TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
MAP = np.array([[0.9, 0.5, 0.5, 0.1], [0.2, 0.4, 0.1, 0.0]])  # calls three pixels, two of them rightly


def test_by_hand() -> None:
    assert localization.iou(MAP, TRUTH) == pytest.approx(2 / 5)
    assert localization.dice(MAP, TRUTH) == pytest.approx(4 / 7)
    assert localization.false_positive_area(MAP, TRUTH) == pytest.approx(1 / 4)
    assert localization.false_positive_area(MAP) == pytest.approx(3 / 8)
    assert localization.recall(MAP, TRUTH) == pytest.approx(2 / 4)
    assert math.isnan(localization.recall(MAP, np.zeros_like(TRUTH)))
    # Of 16 pairs the forged pixel is above in 4 + 3 + 3 + 3, and equal in one.
    assert localization.pixel_auc(MAP, TRUTH) == pytest.approx(13.5 / 16)


def test_threshold_is_reached_from_at_or_above() -> None:
    assert localization.iou(MAP, TRUTH, threshold=0.51) == pytest.approx(1 / 4)


def test_empty_masks() -> None:
    nothing, something = np.zeros((2, 4)), np.eye(2, 4)
    for metric in (localization.iou, localization.dice):
        assert metric(nothing, np.zeros((2, 4), bool)) == 1
        assert metric(something, np.zeros((2, 4), bool)) == 0
        assert metric(nothing, TRUTH) == 0
    assert math.isnan(localization.pixel_auc(MAP, np.zeros((2, 4), bool)))
    assert math.isnan(localization.pixel_auc(MAP, np.ones((2, 4), bool)))
    assert math.isnan(localization.false_positive_area(MAP, np.ones((2, 4), bool)))


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((30, 20)) < 0.3
    plane = np.round(np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1), 1).astype(np.float32)
    assert localization.pixel_auc(plane, truth) == pytest.approx(roc_auc_score(truth.ravel(), plane.ravel()))
    assert localization.dice(plane, truth) == pytest.approx(f1_score(truth.ravel(), plane.ravel() >= 0.5))
    assert localization.iou(plane, truth) == pytest.approx(jaccard_score(truth.ravel(), plane.ravel() >= 0.5))


def test_another_grid_is_an_error() -> None:
    with pytest.raises(ValueError, match="one grid"):
        localization.iou(np.zeros((2, 4)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="not finite"):
        localization.iou(np.full((2, 4), np.nan), TRUTH)


def test_iinc_gives_the_numbers_worked_out_by_hand() -> None:
    empty, full = np.zeros((4, 4)), np.ones((4, 4))
    left, top = np.zeros((4, 4)), np.zeros((4, 4))
    left[:, :2], top[:2] = 1, 1
    cases = [
        (empty, empty, 0.0),
        (empty, full, 0.5),
        (empty, left, 0.4),
        (left, left, 0.0),
        (left, 1 - left, 1.0),
        (left, top, 4 / 9),
        (left, full, 0.25),
        (full, full, 0.0),
    ]
    for one, other, expected in cases:
        assert localization.iinc(one, other) == pytest.approx(expected)
        assert localization.iinc(other, one) == pytest.approx(expected)
    assert localization.iinc(left * 0.5, left) == pytest.approx((2 - 0.5 - 1) / 2.5)


def test_mass_and_pointing_by_hand() -> None:
    assert localization.mass_inside(MAP, TRUTH) == pytest.approx((0.9 + 0.5 + 0.2 + 0.4) / MAP.sum())
    assert localization.pointing(MAP, TRUTH) == 1
    assert localization.pointing(np.ones((2, 4)), TRUTH) == 0.5
    assert localization.pointing(1 - MAP, TRUTH) == 0
    assert math.isnan(localization.mass_inside(np.zeros((2, 4)), TRUTH))
    assert math.isnan(localization.mass_inside(MAP, np.zeros((2, 4), bool)))


def _grays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = np.clip(rng.normal(0.2, 0.2, (40, 52)), 0, 1)
    return np.clip(truth + rng.normal(0, 0.1, truth.shape), 0, 1), truth


def test_likeness_to_the_gray_map_is_scikit_images_and_scipys() -> None:
    drawn, truth = _grays()
    assert localization.psnr(drawn, truth) == pytest.approx(peak_signal_noise_ratio(truth, drawn, data_range=1))
    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert localization.ssim(drawn, truth) == pytest.approx(structural_similarity(truth, drawn, **options))
    assert localization.cosine(drawn, truth) == pytest.approx(1 - cosine(drawn.ravel(), truth.ravel()))


def test_equal_and_empty_gray_maps() -> None:
    drawn, _ = _grays()
    black = np.zeros_like(drawn)
    assert localization.fakeness(drawn, drawn) == {
        **{"coss": pytest.approx(1), "psnr": localization.MOST_DB, "ssim": pytest.approx(1)},
        **{"iou": 1, "dice": 1, "pbca": 1, "iinc": pytest.approx(0)},
    }
    assert localization.cosine(black, black) == 1
    assert localization.cosine(drawn, black) == localization.cosine(black, drawn) == 0


def test_pixels_of_gray_maps_are_told_at_a_tenth() -> None:
    truth = np.array([[0.1, 0.5, 0.09, 0.0]] * 11)
    drawn = np.array([[0.3, 0.05, 0.2, 0.0]] * 11)
    wide = [np.concatenate([plane] * 3, axis=1) for plane in (drawn, truth)]
    found = localization.fakeness(*wide)
    assert found["pbca"] == pytest.approx(2 / 4)
    assert found["iou"] == pytest.approx(1 / 3)
    assert found["dice"] == pytest.approx(2 / 4)
    # |I| = 1/4, |U| = 3/4, |truth| = |map| = 1/2: (2 - 1/2 - 1/2) / (3 - 3/4)
    assert found["iinc"] == pytest.approx(1 / 2.25)


def test_inside_a_region_only_its_pixels_count() -> None:
    drawn, truth = _grays()
    region = np.zeros(drawn.shape, bool)
    region[8:30, 10:40] = True
    found = localization.inside(drawn, truth, region)
    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    assert found["ssim_inside"] == pytest.approx(structural_similarity(truth, drawn, **options)[1][region].mean())
    assert found["psnr_inside"] == pytest.approx(peak_signal_noise_ratio(truth[region], drawn[region], data_range=1))
    assert found["coss_inside"] == pytest.approx(1 - cosine(drawn[region], truth[region]))
    spoilt = np.where(region, drawn, 1 - drawn)
    assert localization.inside(spoilt, truth, region)["psnr_inside"] == found["psnr_inside"]
    border = np.zeros(drawn.shape, bool)
    border[:5] = True
    assert localization.inside(drawn, truth, border) == {}


def test_ssim_of_less_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="11 px"):
        localization.ssim(MAP, TRUTH.astype(float))
