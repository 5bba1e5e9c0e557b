"""The batch's augmentation against Pillow, OpenCV and torchvision, and what it must leave alone."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from facewitness.training.data import batch_augment
from facewitness.training.data.batch_augment import augmented, blurred
from facewitness.training.data.batch_jpeg import compressed
from facewitness.training.recipe import AugmentSection

NOTHING = AugmentSection(jpeg=0, resize=0, blur=0, retouch=0, noise=0, colour=0)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[0:200, 120:330])


def _tensor(rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None]


def _pairs(rgb: np.ndarray, count: int = 4) -> tuple[Tensor, Tensor]:
    crop = torch.from_numpy(rgb[:128, :128]).permute(2, 0, 1)
    return crop.expand(count, 2, 3, 128, 128).clone(), torch.zeros(count, 2, 128, 128, dtype=torch.uint8)


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 98])
def test_jpeg_is_what_pillow_writes_and_reads(astronaut: np.ndarray, quality: int) -> None:
    written = io.BytesIO()
    Image.fromarray(astronaut).save(written, "JPEG", quality=quality)
    theirs = np.asarray(Image.open(written).convert("RGB"), np.float64)
    ours = compressed(_tensor(astronaut), torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy()
    loss = np.sqrt(((theirs - astronaut) ** 2).mean())
    apart = np.sqrt(((theirs - ours) ** 2).mean())
    assert apart < max(0.45 * loss, 1.2)  # chroma is enlarged by another rule than libjpeg's


def test_each_picture_has_a_quality_of_its_own(astronaut: np.ndarray) -> None:
    both = torch.cat([_tensor(astronaut)] * 2)
    made = compressed(both, torch.tensor([20.0, 95.0])).float()
    loss = (made - both).square().mean((1, 2, 3))
    assert loss[0] > 5 * loss[1]


def test_blur_is_opencvs(astronaut: np.ndarray) -> None:
    crops, _ = _pairs(astronaut)
    made = blurred(crops.float(), torch.tensor([0.5, 0.8, 1.0, 1.0]))
    for sigma, pair in zip((0.5, 0.8, 1.0, 1.0), made, strict=True):
        wanted = cv2.GaussianBlur(astronaut[:128, :128].astype(np.float32), (9, 9), sigma)
        assert np.abs(pair[1].permute(1, 2, 0).numpy() - wanted)[6:-6, 6:-6].max() < 0.6


def test_without_shares_pairs_are_only_mirrored(astronaut: np.ndarray) -> None:
    crops, regions = _pairs(astronaut, 16)
    regions[:, 1, :, :20] = 255
    made, masks = augmented(crops, regions, NOTHING, torch.Generator().manual_seed(1))
    turned = torch.tensor([not torch.equal(a, b) for a, b in zip(made, crops, strict=True)])
    assert 0 < int(turned.sum()) < 16
    assert torch.equal(made[turned], crops[turned].flip(-1))
    assert torch.equal(masks[turned], regions[turned].flip(-1))
    assert torch.equal(masks[~turned], regions[~turned])


@pytest.mark.parametrize("step", ["jpeg", "resize", "blur", "retouch", "colour"])
def test_both_of_a_pair_are_degraded_alike_and_pairs_are_not(astronaut: np.ndarray, step: str) -> None:
    crops, regions = _pairs(astronaut, 12)
    section = NOTHING.model_copy(update={step: 2.0 if step == "jpeg" else 1.0})
    made, _ = augmented(crops, regions, section, torch.Generator().manual_seed(2))
    assert torch.equal(made[:, 0], made[:, 1])
    assert len({one.numpy().tobytes() for one in made}) > 3  # mirrored alone there would be two
    assert (made.float() - crops.float()).abs().mean() > 0.3


def test_noise_differs_between_the_two(astronaut: np.ndarray) -> None:
    crops, regions = _pairs(astronaut, 12)
    made, _ = augmented(crops, regions, NOTHING.model_copy(update={"noise": 1.0}), torch.Generator().manual_seed(2))
    assert not torch.equal(made[:, 0], made[:, 1])


def test_the_median_is_opencvs(astronaut: np.ndarray) -> None:
    crops, _ = _pairs(astronaut, 1)
    made = batch_augment._median(crops.float())[0, 0].permute(1, 2, 0).numpy()
    assert np.array_equal(made, cv2.medianBlur(np.ascontiguousarray(astronaut[:128, :128]), 3))


def test_the_bilateral_filter_is_opencvs(astronaut: np.ndarray) -> None:
    crops, _ = _pairs(astronaut, 1)
    made = batch_augment._bilateral(crops.float(), torch.full((1, 1, 1, 1, 1), 40.0))[0, 0].permute(1, 2, 0).numpy()
    wanted = cv2.bilateralFilter(np.ascontiguousarray(astronaut[:128, :128]), 7, 40, 5)
    assert np.abs(made - wanted)[4:-4, 4:-4].mean() < 1
