"""Noise residuals and spectra against slow, obvious versions and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from facewitness.detectors.nets.dct import FLOOR, DctNet, cosines
from facewitness.detectors.nets.f3net import FrequencyBands, LocalFrequencies
from facewitness.detectors.nets.steganalysis import BORDER, STEP, ResidualNet, StegSvm, descriptor, luminance


def _gray(size: int = 21, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(128, 5, (2, 1, size, size)).clip(0, 255).round()
    return torch.from_numpy(values.astype(np.float32))


def _slowly(picture: np.ndarray, step: float) -> np.ndarray:
    """The descriptor, one pixel at a time."""
    height, width = picture.shape
    along, across = np.zeros(81), np.zeros(81)
    for turned in (False, True):  # columns are the rows of the picture turned over
        plane = picture.T if turned else picture
        height, width = plane.shape
        residual = np.array(
            [[plane[y, x] - 3 * plane[y, x + 1] + 3 * plane[y, x + 2] - plane[y, x + 3] for x in range(width - 3)]
             for y in range(height)]
        )  # fmt: skip
        level = np.clip(np.round(residual / step), -1, 1)[BORDER:-BORDER, BORDER:-BORDER].astype(int) + 1
        for y in range(level.shape[0]):
            for x in range(level.shape[1] - 3):
                a, b, c, d = level[y, x : x + 4]
                along[27 * a + 9 * b + 3 * c + d] += 1
        for y in range(level.shape[0] - 3):
            for x in range(level.shape[1]):
                a, b, c, d = level[y : y + 4, x]
                across[27 * a + 9 * b + 3 * c + d] += 1
    return np.concatenate([along / along.sum(), across / across.sum()])


@pytest.mark.parametrize("step", [STEP, 1.0, 4.5])
def test_the_descriptor_equals_the_slow_one(step: float) -> None:
    gray = _gray()
    found = descriptor(gray, step).numpy()
    for one, picture in zip(found, gray[:, 0].numpy(), strict=True):
        np.testing.assert_allclose(one, _slowly(picture, step), atol=1e-6)


def test_a_flat_picture_has_one_bin() -> None:
    found = descriptor(torch.full((1, 1, 16, 16), 99.0))[0]
    assert torch.nonzero(found).flatten().tolist() == [40, 121]  # all four in the middle
    assert found.sum() == 2


def test_the_network_with_a_hard_choice_is_the_descriptor() -> None:
    gray = _gray(24, seed=3)
    net = ResidualNet(hard=True)
    with torch.no_grad():
        torch.testing.assert_close(net.histograms(gray), descriptor(gray))


def test_the_soft_network_begins_near_the_descriptor_and_learns() -> None:
    gray = _gray(48, seed=4)
    soft, hard = ResidualNet(sharpness=64.0), ResidualNet(hard=True)
    with torch.no_grad():
        assert (soft.histograms(gray) - hard.histograms(gray)).abs().max() < 0.01
    x = torch.rand(2, 3, 32, 32, requires_grad=True)
    ResidualNet()(x).logits.sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_codes_far_from_the_best_stay_normal_numbers() -> None:
    likeness = torch.tensor([[[[0.0, -3.0, -90.0, -500.0]]]]) + 40
    codes = ResidualNet()._codes(likeness)
    assert codes.min() >= torch.finfo(codes.dtype).tiny
    torch.testing.assert_close(codes, torch.softmax(likeness, dim=3), rtol=0, atol=1e-20)


def test_steg_svm_rounds_the_luminance() -> None:
    crops = torch.randint(0, 256, (1, 3, 20, 20), generator=torch.Generator().manual_seed(0))
    gray = torch.round(0.299 * crops[:, :1] + 0.587 * crops[:, 1:2] + 0.114 * crops[:, 2:])
    torch.testing.assert_close(torch.round(luminance(crops / 255)), gray)
    torch.testing.assert_close(StegSvm()(crops / 255).features, descriptor(gray))


def test_the_cosine_transform_is_scipys() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32)).astype(np.float32)
    expected = np.log(np.maximum(np.abs(dctn(crops, axes=(2, 3), norm="ortho")), FLOOR))
    found = DctNet(size_px=32).spectrum(torch.from_numpy(crops) / 255).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    matrix = cosines(17)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(17), atol=1e-6, rtol=0)


def test_a_spectrum_is_measured_by_mean_and_deviation_of_what_was_seen() -> None:
    net = DctNet(size_px=16)
    x = torch.rand(12, 3, 16, 16)
    net.observe([x[:5], x[5:]])
    spectrum = net.spectrum(x)
    torch.testing.assert_close(net.mean, spectrum.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(net.deviation, spectrum.std(0, correction=0), atol=1e-4, rtol=1e-3)


def test_the_bands_of_f3net_add_up() -> None:
    bands = FrequencyBands(32)
    bands.learnt.data.zero_()  # what is learnt adds 2 sigmoid(w) - 1, which is nothing at 0
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        low, middle, high, everything = bands(x).view(1, 4, 3, 32, 32).unbind(1)
    torch.testing.assert_close(everything, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(low + middle + high, x, atol=1e-5, rtol=0)
    coarse = torch.ones(1, 3, 32, 32) * torch.linspace(-1, 1, 32)
    with torch.no_grad():
        low, _, high, _ = bands(coarse).view(1, 4, 3, 32, 32).unbind(1)
    assert high.abs().mean() < 0.05 * low.abs().mean()


def test_local_frequencies_of_a_flat_picture_are_in_the_lowest_band_alone() -> None:
    local = LocalFrequencies()
    assert local(torch.zeros(1, 3, 299, 299)).shape == (1, 6, 149, 149)
    inner = local(torch.zeros(1, 3, 40, 40))[0, :, 5, 5]  # 127.5 everywhere: only the first of 100 coefficients
    first = np.log10(1275.0) - np.log10(FLOOR)  # 10 x 127.5, orthonormal
    lowest = int(local.bands[0].count_nonzero())
    assert float(inner[0]) == pytest.approx(np.log10(FLOOR) + first / lowest, abs=1e-3)
    np.testing.assert_allclose(inner[1:].numpy(), np.log10(FLOOR), atol=1e-4)
