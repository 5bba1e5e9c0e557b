"""The promises every manipulation makes, and the formulas behind them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from forgesight.forge import swap
from forgesight.forge.folder import forge_one
from forgesight.forge.forgery import Forgery, Portrait, blend, finish
from forgesight.forge.lab import METHODS
from forgesight.forge.pseudo import selfblend
from forgesight.media import faces
from forgesight.types import ForgeError


@pytest.fixture(scope="module")
def target() -> Portrait:
    photograph = data.astronaut()
    return Portrait(photograph, faces.find(photograph)[0].landmarks)


@pytest.fixture(scope="module")
def donor(target: Portrait) -> Portrait:
    """Another 'person': the same face mirrored, darker, larger, on another canvas."""
    mirrored = np.ascontiguousarray(target.image[:, ::-1] // 2)
    enlarged = np.asarray(cv2.resize(mirrored, None, fx=1.3, fy=1.2))
    return Portrait(enlarged, faces.find(enlarged)[0].landmarks)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(6))
def test_a_forgery_tells_the_exact_truth_about_itself(name: str, seed: int, target: Portrait, donor: Portrait) -> None:
    before = target.image.copy()
    forgery = forge_one(METHODS[name], target, np.random.default_rng(seed), donor)
    assert np.array_equal(target.image, before), "the photograph itself must not be written to"
    assert forgery.image.shape == before.shape
    assert forgery.image.dtype == np.uint8
    assert np.array_equal(forgery.image[~forgery.region], before[~forgery.region])
    assert 0.001 < forgery.region.mean() < 0.3
    gray = np.abs(forgery.image.astype(float) - before) @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(forgery.mask, gray, atol=1e-6)
    low, high = target.landmarks.min(0), target.landmarks.max(0)
    rows, columns = np.nonzero(forgery.region)
    centre = np.array([columns.mean(), rows.mean()])
    assert (centre > low).all()
    assert (centre < high).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_seed_decides_everything(name: str, target: Portrait, donor: Portrait) -> None:
    def make(seed: int) -> Forgery:
        return forge_one(METHODS[name], target, np.random.default_rng(seed), donor)

    assert np.array_equal(make(1).image, make(1).image)
    assert not np.array_equal(make(1).image, make(2).image)


def test_finish_closes_gaps_and_fills_holes_but_invents_nothing_far_away() -> None:
    original = np.zeros((60, 60, 3), np.uint8)
    forged = original.copy()
    forged[20:40, 20:40] = 9
    forged[28:32, 28:32] = 0  # a hole where the forgery happens to equal the photograph
    region = finish(original, forged, {}).region
    assert region[20:40, 20:40].all()
    assert region.sum() == 400


def test_finish_of_an_unchanged_photograph_has_no_region() -> None:
    original = np.full((8, 8, 3), 7, np.uint8)
    forgery = finish(original, original.copy(), {})
    assert not forgery.region.any()
    assert forgery.mask.max() == 0


def test_blend_is_a_convex_sum_and_exact_at_both_ends() -> None:
    source, target = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 101, np.uint8)
    mixed = blend(source, target, np.array([[0.0, 0.5, 1.0]], np.float32))
    assert mixed[0, :, 0].tolist() == [101, 150, 200]  # 150.5 rounds to even


def test_warping_a_face_upon_itself_changes_almost_nothing(target: Portrait) -> None:
    warped = swap.warp(target, target.landmarks, target.image.shape[:2])
    inside = warped.any(axis=2)
    gap = np.abs(warped[inside].astype(int) - target.image[inside])
    assert inside.sum() > 1000
    assert gap.mean() < 0.5


def test_colour_transfer_brings_the_mean_over(target: Portrait, donor: Portrait) -> None:
    inside = np.zeros(target.image.shape[:2], np.uint8)
    inside[100:200, 180:260] = 1
    dark = (target.image // 3).astype(np.uint8)
    matched = swap.match_colour(dark, target.image, inside)
    gap = matched[inside > 0].mean(0) - target.image[inside > 0].mean(0)
    assert np.abs(gap).max() < 6


def test_the_feather_is_zero_outside_and_full_deep_inside() -> None:
    inside = np.zeros((50, 50), np.uint8)
    inside[10:40, 10:40] = 1
    weight = swap.feathered(inside, 6.0)
    assert (weight[inside == 0] == 0).all()
    assert weight[25, 25] == 1
    assert 0 < weight[12, 25] < 0.7


def test_a_swap_without_a_donor_says_so(target: Portrait) -> None:
    with pytest.raises(ForgeError, match="donor"):
        swap.faceswap(target, np.random.default_rng(0))


def test_landmarks_on_a_line_are_refused(target: Portrait) -> None:
    line = np.stack([np.linspace(10, 100, 68), np.full(68, 50.0)], axis=1).astype(np.float32)
    with pytest.raises(ForgeError, match="line"):
        swap.warp(target, line, target.image.shape[:2])


def test_selfblend_may_alter_the_target_and_then_returns_it(target: Portrait) -> None:
    made = [selfblend(target, np.random.default_rng(seed), alter="either") for seed in range(8)]
    altered = [not np.array_equal(m.original, target.image) for m in made]
    assert any(altered)
    assert not all(altered)
    for forgery in made:
        assert np.array_equal(forgery.image[~forgery.region], forgery.original[~forgery.region])


def test_a_fainter_ratio_gives_a_fainter_mask(target: Portrait) -> None:
    faint = selfblend(target, np.random.default_rng(3), ratios=(0.25,))
    strong = selfblend(target, np.random.default_rng(3), ratios=(1.0,))
    assert faint.mask.sum() < 0.5 * strong.mask.sum()
