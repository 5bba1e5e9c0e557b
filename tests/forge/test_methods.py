"""The promises every manipulation makes, and the formulas behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import color, data

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, blend, finish
from facewitness.forge.manipulations import attribute, patches, reconstruction, reenactment, swap, synthesis
from facewitness.forge.manipulations.pseudo import selfblend
from facewitness.forge.methods import METHODS
from facewitness.forge.render import forge_one
from facewitness.media import faces
from facewitness.types import CropProfile, ForgeError
from tests.forge import generators as nets


@pytest.fixture(scope="module", autouse=True)
def _networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stand-ins for the networks that some methods need."""
    home = tmp_path_factory.mktemp("cache")
    nets.install(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        yield


@pytest.fixture(scope="module")
def target() -> Portrait:
    photograph = data.astronaut()
    return Portrait(photograph, faces.find(photograph)[0].landmarks)


@pytest.fixture(scope="module")
def donor(target: Portrait) -> Portrait:
    """Another 'person': the same face mirrored, darker, larger, on another canvas."""
    mirrored = np.ascontiguousarray(target.image[:, ::-1] // 2)
    enlarged = np.asarray(cv2.resize(mirrored, None, fx=1.3, fy=1.2))
    landmarks = faces.find(enlarged)[0].landmarks
    neutral = landmarks.copy()
    neutral[48:] = landmarks[48:].mean(0) + (landmarks[48:] - landmarks[48:].mean(0)) * np.array([0.8, 0.6])
    return Portrait(enlarged, landmarks, np.asarray(neutral + 7, np.float32))  # as photographed a little aside


@pytest.fixture(scope="module")
def head(target: Portrait) -> Portrait:
    """A head square of the target, as a benchmark set is made of."""
    square = generators.square(target, CropProfile(size_px=128, margin=0.5))
    return Portrait(square.image, square.landmarks)


PARTLY = [name for name, method in METHODS.items() if not method.whole]


@pytest.mark.parametrize("name", PARTLY)
@pytest.mark.parametrize("seed", range(6))
def test_a_forgery_tells_the_exact_truth_about_itself(name: str, seed: int, target: Portrait, donor: Portrait) -> None:
    before = target.image.copy()
    forgery = forge_one(METHODS[name], target, np.random.default_rng(seed), donor)
    assert np.array_equal(target.image, before), "the photograph itself must not be written to"
    assert forgery.image.shape == before.shape
    assert forgery.image.dtype == np.uint8
    assert np.array_equal(forgery.image[~forgery.region], before[~forgery.region])
    assert forgery.region.mean() > 0.0005
    if METHODS[name].family == "reconstruction" and not forgery.description["local"]:
        return  # it is everywhere
    assert forgery.region.mean() < 0.4
    gray = np.abs(forgery.image.astype(float) - before) @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(forgery.mask, gray, atol=1e-6)
    low, high = target.landmarks.min(0), target.landmarks.max(0)
    rows, columns = np.nonzero(forgery.region)
    centre = np.array([columns.mean(), rows.mean()])
    assert (centre > low).all()
    assert (centre < high).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_head_square_is_forged_as_truly(name: str, head: Portrait, donor: Portrait) -> None:
    for seed in range(3):
        forgery = forge_one(METHODS[name], head, np.random.default_rng(seed), donor)
        assert forgery.image.shape == head.image.shape
        assert np.array_equal(forgery.image[~forgery.region], head.image[~forgery.region])
        if METHODS[name].whole or not forgery.description.get("local", True):
            assert forgery.region.mean() > (0.99 if METHODS[name].whole else 0.6)  # what is black stays black
        else:
            assert 0.001 < forgery.region.mean() < 0.9


@pytest.mark.parametrize("name", METHODS)
def test_the_seed_decides_everything(name: str, head: Portrait, donor: Portrait) -> None:
    def make(seed: int) -> Forgery:
        return forge_one(METHODS[name], head, np.random.default_rng(seed), donor)

    assert np.array_equal(make(1).image, make(1).image)
    assert any(not np.array_equal(make(1).image, make(seed).image) for seed in range(2, 6))


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


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.needs_donor])
def test_who_needs_a_donor_says_so(name: str, target: Portrait) -> None:
    with pytest.raises(ForgeError, match="donor"):
        METHODS[name].make(target, np.random.default_rng(0))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.generator])
def test_a_network_that_was_not_fitted_is_named(
    name: str, head: Portrait, donor: Portrait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ForgeError, match=f"facewitness forge train-generator {name}"):
        METHODS[name].make(head, np.random.default_rng(0), donor)


def test_weights_that_are_not_those_of_the_card_are_refused(
    head: Portrait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets.install(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (generators.folder("deepfake") / generators.MODEL).write_bytes(b"of another")
    with pytest.raises(ForgeError, match="not the file its card describes"):
        METHODS["deepfake"].make(head, np.random.default_rng(0))


def test_poisson_blending_solves_its_equation() -> None:
    """Inside, the Laplacian is the source's; outside, every pixel is the target's (Perez et al., 2003, eq. 7)."""
    rows, columns = np.mgrid[0:40, 0:40]
    bumps = np.rint(100 + 30 * np.sin(rows / 1.5) + 30 * np.cos(columns / 1.7))
    source = np.repeat(bumps[..., None], 3, axis=2).astype(np.uint8)
    target = np.full((40, 40, 3), 140, np.uint8)
    inside = np.zeros((40, 40), np.uint8)
    inside[8:32, 10:30] = 1
    made = swap.poisson(source, target, inside)
    assert np.array_equal(made[inside == 0], target[inside == 0])

    def laplacian(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.Laplacian(values[..., 0].astype(np.float64), cv2.CV_64F))

    core = (slice(13, 27), slice(15, 25))  # OpenCV erodes the mask by three pixels before it solves
    assert np.abs(laplacian(made)[core] - laplacian(source)[core]).mean() < 1.5  # both are rounded to whole levels
    assert np.abs(laplacian(source)[core]).mean() > 8
    assert np.abs(made[core].astype(int) - source[core]).max() > 10  # moved to the level of its border


def test_an_expression_is_the_displacement_and_nothing_of_the_donors_shape(target: Portrait) -> None:
    """A donor who is the target twice as large, turned, elsewhere, gives back exactly its own change of mouth."""
    turn = 2 * np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    neutral = target.landmarks @ turn.T + 30
    smile = np.zeros((68, 2))
    smile[48:] = (0, -3)
    donor = Portrait(target.image, np.asarray(neutral + smile @ turn.T, np.float32), np.asarray(neutral, np.float32))
    moved = reenactment.expression(donor, target.landmarks) - target.landmarks
    np.testing.assert_allclose(moved[48:], smile[48:], atol=1e-3)
    np.testing.assert_allclose(moved[27:31], 0, atol=1e-3)


def test_moving_landmarks_moves_what_is_there(target: Portrait) -> None:
    goal = target.landmarks.copy()
    goal[48:] += (4, 0)  # the mouth to the right
    moved = reenactment.move(target.image, target.landmarks, goal)
    x, y = (round(float(v)) for v in target.landmarks[48:].mean(0))
    there, was = moved[y - 3 : y + 3, x + 1 : x + 7], target.image[y - 3 : y + 3, x - 3 : x + 3]
    assert np.abs(there.astype(int) - was).mean() < 6
    assert np.array_equal(moved[:20], target.image[:20])


def test_a_striped_hole_is_filled_with_stripes() -> None:
    """What diffusion cannot do: patches carry texture into the hole."""
    stripes = np.repeat(((np.arange(96) // 4 % 2) * 120 + 60).astype(np.uint8)[None, :, None], 96, axis=0).repeat(3, 2)
    gap = np.zeros((96, 96), np.uint8)
    gap[38:58, 38:58] = 1
    holed = np.where(gap[..., None] > 0, 0, stripes).astype(np.uint8)
    filled = patches.fill(holed, gap, np.random.default_rng(0), side_px=96)
    assert np.array_equal(filled[gap == 0], holed[gap == 0])
    assert np.abs(filled.astype(int) - stripes)[gap > 0].mean() < 12


def test_recolouring_adds_exactly_the_change_in_cielab() -> None:
    gray = np.full((4, 4, 3), 120, np.uint8)
    weight = np.zeros((4, 4), np.float32)
    weight[:, 2:] = 1
    made = attribute.recolour(gray, weight, np.array([10.0, 0.0, 0.0]))
    assert np.array_equal(made[:, :2], gray[:, :2])
    lightness = color.rgb2lab(made)[0, 3, 0] - color.rgb2lab(gray)[0, 3, 0]
    assert lightness == pytest.approx(10, abs=0.4)


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


def test_a_drawn_face_has_as_much_fine_detail_as_asked_of_the_photograph_it_replaces() -> None:
    square = np.full((64, 64, 3), 128, np.uint8)
    square[::2] = 148  # lines of one pixel: a blur takes nearly all of them out
    points = np.random.default_rng(0).uniform(16, 48, (68, 2)).astype(np.float32)
    portraits = (Portrait(picture, points) for picture in (square, np.full_like(square, 128)))
    busy, flat = (synthesis.synthesis(portrait, np.random.default_rng(1)) for portrait in portraits)
    assert synthesis.detail(square) == pytest.approx(10, abs=0.5)
    grain = busy.image.astype(float) - flat.image  # the same face, with grain and without
    assert grain.std() == pytest.approx(synthesis.GRAIN * synthesis.detail(square), rel=0.1)
    assert np.quantile(np.abs(grain.mean(-1) - grain[..., 0]), 0.9) <= 1, "grain is of the light, not of the colours"


def test_a_reconstruction_is_as_sharp_as_its_original_where_that_can_be_mended(target: Portrait) -> None:
    original = target.image[:200, :240].astype(np.float32)
    soft = cv2.GaussianBlur(original, (0, 0), 0.7)
    before = reconstruction.band_ratios(soft, original)
    after = reconstruction.band_ratios(reconstruction.match_spectrum(soft, original), original)
    assert before[-1] < 0.8 * after[-1]
    mended = before > 0.3
    np.testing.assert_allclose(after[mended][1:], 1, atol=0.03)
    np.testing.assert_allclose(reconstruction.match_spectrum(original, original), original, atol=0.01)


def test_a_reconstruction_covers_the_face_or_its_whole_window(target: Portrait) -> None:
    made = [forge_one(METHODS["reconstruct-fir-4"], target, np.random.default_rng(seed)) for seed in range(8)]
    local = [one.region.mean() for one in made if one.description["local"]]
    assert 0 < len(local) < len(made)
    assert max(local) < 0.1
    assert all(one.region.mean() > 0.12 for one in made if not one.description["local"])


def test_a_large_photograph_is_reconstructed_in_blocks_without_seams() -> None:
    network = generators.load("reconstruct-fir-4")
    rgb = np.random.default_rng(0).integers(0, 256, (600, 1100, 3), np.uint8)
    made = reconstruction.drawn(network, rgb)
    whole = generators.picture(network(generators.planes(rgb)))
    assert made.shape == rgb.shape
    np.testing.assert_allclose(made[8:-8, 8:-8], whole[8:-8, 8:-8], atol=1e-3)
