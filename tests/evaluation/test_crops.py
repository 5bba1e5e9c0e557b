"""The crop of a sample and its truth: the right face, the right grid, and a status for everything that fails."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facewitness.data import manifest
from facewitness.evaluation.crops import FaceCrop, crop_sample, crop_samples, match
from facewitness.media import faces
from facewitness.types import CropProfile, Sample, Status
from tests.evaluation import scene
from tests.fakes import astronaut, save, texture

PROFILE = CropProfile(size_px=96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("crops")
    save(astronaut(), at / "photo.png")
    save(scene.pair(), at / "pair.png")
    save(texture(200, 200), at / "nobody.png")
    region = np.zeros((512, 512), np.uint8)
    region[110:170, 190:260] = 1  # binary masks come as 0/1 as well as 0/255
    save(region, at / "region.png")
    soft = region * 40
    soft[110:170, 260:280] = 1
    save(soft.astype(np.uint8), at / "mask.png")
    corner = np.zeros((512, 512), np.uint8)
    corner[480:, 480:] = 255
    save(corner, at / "corner.png")
    save(np.zeros((512, 512), np.uint8), at / "empty.png")
    save(np.full((512, 512), 255, np.uint8), at / "whole.png")
    return at


@pytest.fixture
def fake(folder: Path) -> Sample:
    return Sample(folder / "photo.png", 1, "paint", region=folder / "region.png")


def test_truth_lies_on_the_crops_own_grid(fake: Sample, folder: Path) -> None:
    made = crop_sample(fake, PROFILE)
    assert made.status is Status.OK
    assert made.crop is not None
    assert made.truth is not None
    assert made.crop.shape == (96, 96, 3)
    # The region painted into the photograph and cropped as a photograph must come out where the truth says.
    face = faces.find(astronaut())[0]
    painted = np.zeros((512, 512, 3), np.uint8)
    painted[110:170, 190:260] = 255
    seen = faces.crop(painted, face.landmarks, PROFILE)[0][..., 0] >= 128
    assert seen.sum() > 300
    assert (seen & made.truth).sum() / (seen | made.truth).sum() > 0.95
    assert made.mask_outside == 0


def test_without_a_region_every_changed_pixel_of_the_mask_counts(fake: Sample, folder: Path) -> None:
    wider = crop_sample(replace(fake, region=None, mask=folder / "mask.png"), PROFILE).truth
    narrow = crop_sample(replace(fake, mask=folder / "mask.png"), PROFILE).truth
    assert wider is not None
    assert narrow is not None
    assert (wider & narrow).sum() == narrow.sum()
    assert wider.sum() / narrow.sum() == pytest.approx(90 / 70, rel=0.05)


def test_share_of_the_mask_that_the_crop_does_not_show(fake: Sample, folder: Path) -> None:
    made = crop_sample(replace(fake, region=folder / "whole.png"), PROFILE)
    face = faces.find(astronaut())[0]
    scale = np.hypot(*faces.alignment(face.landmarks, PROFILE)[0, :2])
    assert made.mask_outside == pytest.approx(1 - (96 / scale) ** 2 / 512**2, abs=0.005)


def test_a_real_is_forged_nowhere_and_a_fake_without_files_is_unknown(fake: Sample) -> None:
    real = crop_sample(replace(fake, label=0, method="real"), PROFILE)
    assert real.truth is not None
    assert not real.truth.any()
    assert crop_sample(replace(fake, region=None), PROFILE).truth is None


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("corner.png", "lies outside the crop"),
        ("empty.png", "is empty, though the sample is a fake"),
        ("nobody.png", r"is \(200, 200\), the photograph \(512, 512\)"),
        ("gone.png", "map not judged: .*gone.png"),
    ],
)
def test_a_truth_that_cannot_be_used_leaves_the_map_unjudged(fake: Sample, folder: Path, name: str, note: str) -> None:
    made = crop_sample(replace(fake, region=folder / name), PROFILE)
    assert made.status is Status.OK
    assert made.crop is not None
    assert made.truth is None
    assert re.search(note, made.note)


def test_the_largest_face_or_the_one_the_manifest_knows(folder: Path) -> None:
    large, small = faces.find(scene.pair())
    sample = Sample(folder / "pair.png", 0)
    assert crop_sample(sample, PROFILE).side_px == pytest.approx(large.side_px)
    known = replace(sample, landmarks=small.landmarks + np.float32(3))
    assert crop_sample(known, PROFILE).side_px == pytest.approx(small.side_px)
    assert crop_sample(known, PROFILE).faces == 2
    first, other = crop_sample(sample, PROFILE), crop_sample(known, PROFILE)
    assert first.others is not None
    assert other.crop is not None
    assert first.others.shape == (1, 96, 96, 3)
    assert crop_sample(sample, replace(PROFILE, min_face_px=round(small.side_px) + 2)).others is None


def test_a_face_that_is_not_the_manifests_is_no_face(folder: Path) -> None:
    elsewhere = np.random.default_rng(0).uniform(0, 40, (68, 2)).astype(np.float32)
    made = crop_sample(Sample(folder / "pair.png", 0, landmarks=elsewhere), PROFILE)
    assert made.status is Status.NO_FACE
    assert "none of the 2 faces" in made.note
    assert match(faces.find(scene.pair()), elsewhere) is None


def test_failures_have_a_status_and_no_crop(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    cases = {
        Status.NO_FACE: crop_sample(Sample(folder / "nobody.png", 0), PROFILE),
        Status.FACE_TOO_SMALL: crop_sample(Sample(folder / "photo.png", 0), replace(PROFILE, min_face_px=400)),
        Status.UNSUPPORTED: crop_sample(Sample(tmp_path / "text.jpg", 0), PROFILE),
        Status.UNREADABLE: crop_sample(Sample(tmp_path / "none.jpg", 0), PROFILE),
    }
    for status, made in cases.items():
        assert made.status is status
        assert made.crop is None
        assert made.note


def same(a: FaceCrop, b: FaceCrop) -> bool:
    plain = replace(a, crop=None, others=None, truth=None) == replace(b, crop=None, others=None, truth=None)
    return (
        plain
        and np.array_equal(a.crop, b.crop)
        and np.array_equal(a.truth, b.truth)
        and np.array_equal(a.others, b.others)
    )


def test_worker_processes_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    samples = manifest.read(scene.write(tmp_path, people=4))
    here = list(crop_samples(samples, PROFILE, workers=0))
    there = list(crop_samples(samples, PROFILE, workers=2))
    assert len(here) == len(samples) == len(there)
    assert all(same(a, b) for a, b in zip(here, there, strict=True))
    assert {made.status for made in here} == {Status.OK, Status.UNSUPPORTED}
