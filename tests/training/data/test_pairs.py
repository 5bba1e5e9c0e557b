"""Pairs: what differs between a photograph and its forgery is the forgery alone."""

from __future__ import annotations

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from facewitness import config
from facewitness.data import manifest
from facewitness.media import faces
from facewitness.training.data import cache
from facewitness.training.data import draws as drawing
from facewitness.training.data.augment import apply, degradations, flips
from facewitness.training.data.cache import cached_faces
from facewitness.training.data.draws import Draw, Draws, FixedDraws
from facewitness.training.data.pairs import Pairs
from facewitness.training.loop import loaders_of
from facewitness.training.recipe import AugmentSection, CropSection, TrainRecipe
from facewitness.types import CropProfile, FacewitnessError, Sample
from tests.fakes import astronaut, save

PROFILE = CropProfile(size_px=64, margin=0.3)


def _pairs(recipe: Path, *overrides: str, train: bool = True) -> Pairs:
    settings = config.load(recipe, TrainRecipe, overrides)
    samples = [s for s in manifest.read(Path(settings.data.path)) if s.split == "train"]
    return Pairs(cached_faces(samples, 400, progress=None), samples, settings, PROFILE, train=train)


def test_a_photograph_without_a_face_is_left_out(recipe: Path) -> None:
    assert len(_pairs(recipe)) == 4


def test_of_several_that_ask_at_once_one_finds_the_faces(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config.load(recipe, TrainRecipe)
    samples = manifest.read(Path(settings.data.path))[:2]
    made: list[Path] = []

    def slow(*given: Any) -> None:
        made.append(given[2])
        time.sleep(0.3)
        build(*given)

    build = cache._build
    monkeypatch.setattr(cache, "_build", slow)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: cached_faces(samples, 300, progress=None), range(2))
    assert len(made) == 1
    assert (one.pixels == other.pixels).all()
    assert len(one) > 0


def test_of_too_many_faces_those_asked_for_longest_ago_are_forgotten(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(recipe.parent / "own-cache"))
    samples = manifest.read(Path(config.load(recipe, TrainRecipe).data.path))

    def made(count: int) -> Path:
        cached_faces(samples[:count], 300, progress=None)
        return max((recipe.parent / "own-cache" / "facewitness").iterdir(), key=lambda folder: folder.stat().st_mtime)

    first, second, third = made(1), made(2), made(3)
    os.utime(first, (0, 0))
    os.utime(second, (9, 9))
    made(4)
    assert first.exists()  # there is room
    monkeypatch.setattr(cache, "_KEPT_BYTES", sum(file.stat().st_size for f in (second, third) for file in f.iterdir()))
    made(1)  # asked for again
    made(5)
    assert [folder.exists() for folder in (first, second, third)] == [True, False, True]


@pytest.mark.parametrize("method", ["selfblend", "faceswap", "inpaint-diffusion"])
def test_outside_the_region_real_and_forged_are_alike(recipe: Path, method: str) -> None:
    pairs = _pairs(recipe, f"forge.methods={{{method}=1.0}}", "data.source_power=0", train=False)
    item = pairs[Draw(0, 5, 9)]
    assert item["crops"].shape == (2, 3, 64, 64)
    assert item["labels"].tolist() == [0, 1]
    assert item["regions"][0].max() == 0
    region = item["regions"][1]
    assert 0.01 < (region > 127).float().mean() < 0.8
    grown = torch.nn.functional.max_pool2d(region[None].float(), 9, 1, 4)[0] > 0  # JPEG spreads by a block
    gap = (item["crops"][0].float() - item["crops"][1].float()).abs().mean(0)
    assert gap[~grown].mean() < 0.5
    assert gap[region > 127].mean() > 0.5


def test_paired_a_listed_fake_stands_beside_the_photograph_it_was_made_from(recipe: Path, toy_data: Path) -> None:
    listed = manifest.read(toy_data / "manifest.parquet")
    fakes = []
    for number, of in enumerate([0, 1, 2, 3, 0]):
        path = shutil.copy(listed[of].path, recipe.parent / f"fake{number}.png")
        people = (listed[of].identities[0] if number < 4 else "somebody else", "donor")
        fakes.append(replace(listed[of], path=Path(path), label=1, method="copy", identities=people))
    manifest.write([*listed, *fakes], recipe.parent / "listed.parquet")
    given = (f"data.path={json.dumps(str(recipe.parent / 'listed.parquet'))}", "forge.methods={}")
    forgeless = recipe.read_text().replace("{ selfblend = 0.5, faceswap = 0.25, inpaint-diffusion = 0.25 }", "{}")
    recipe.write_text(forgeless)
    apart, together = (_pairs(recipe, *given, f"data.paired={share}", train=False) for share in (0, 1))
    assert [together.original(int(fake), -1) for fake in together.own] == [0, 1, 2, 3, -1]

    def alike(pairs: Pairs) -> int:
        return sum(torch.equal(*pairs[Draw(seed % 4, seed, 0)]["crops"]) for seed in range(20))

    assert alike(apart) < 12
    assert alike(together) > 12, "all but those of the fake whose original is not there"


def test_a_draw_decides_everything(recipe: Path) -> None:
    pairs = _pairs(recipe)
    one, two, other = (pairs[Draw(1, seed, 0)]["crops"] for seed in (3, 3, 4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_both_of_a_pair_are_augmented_alike_and_the_mask_follows() -> None:
    section = AugmentSection(jpeg=0, resize=1, blur=1, noise=0, colour=1)
    crop = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8).repeat(2, 1, 1, 1)
    mask = torch.zeros(2, 32, 32, dtype=torch.uint8)
    mask[:, :, :8] = 255
    sides = set()
    for seed in range(12):
        torch.manual_seed(seed)
        images, masks = apply(v2.Compose([flips(), degradations(section)]), crop, mask)
        assert torch.equal(images[0], images[1])
        assert torch.equal(masks[0], masks[1])
        assert int((masks > 0).sum()) == 2 * 32 * 8
        sides.add(bool(masks[0, 0, 0] > 0))
    assert sides == {True, False}, "half of the pairs are flipped, masks with them"


def test_small_sources_are_drawn_more_than_their_share() -> None:
    sources = ["large"] * 900 + ["small"] * 100
    even = [d.index for d in Draws(sources, 0.0, 4000, seed=1)]
    fair = [d.index for d in Draws(sources, 1.0, 4000, seed=1)]
    assert np.mean(np.array(even) >= 900) == pytest.approx(0.5, abs=0.05)
    assert np.mean(np.array(fair) >= 900) == pytest.approx(0.1, abs=0.03)


def test_a_worker_starts_though_opencv_has_threads(recipe: Path) -> None:
    """Forked with them, it would wait for ever: `compare` cuts photographs between two trainings."""
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 5)
    pairs = _pairs(recipe, "data.workers=1", "optim.batch_pairs=1", "data.validation_pairs=1")
    training, validation = loaders_of(pairs.recipe, pairs, pairs)
    for loader in (training, validation):
        loader.timeout = 60
        assert next(iter(loader))["crops"].shape == (1, 2, 3, 64, 64)


def test_every_epoch_draws_anew_and_every_run_alike() -> None:
    draws = Draws(["a"] * 50, 0.5, 20, seed=2)
    first = list(draws)
    draws.set_epoch(1)
    assert list(draws) != first
    draws.set_epoch(0)
    assert list(draws) == first


def test_validation_pairs_are_the_same_every_time() -> None:
    assert list(FixedDraws(5, 10, 0)) == list(FixedDraws(5, 10, 0))
    assert len({d.index for d in FixedDraws(50, 10, 0)}) == 10


def test_processes_that_train_together_share_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    for draws in (Draws(["a"] * 50, 0.5, 21, seed=2), FixedDraws(21, 50, 0)):
        monkeypatch.setattr(drawing, "share", lambda: (0, 1))
        alone = list(draws)
        parts = []
        for rank in range(2):
            monkeypatch.setattr(drawing, "share", lambda rank=rank: (rank, 2))
            parts.append(list(draws))
            assert len(parts[-1]) == len(draws) == 10
        assert sorted(parts[0] + parts[1]) == sorted(alone[:20])


def test_an_unknown_method_is_named(recipe: Path) -> None:
    with pytest.raises(FacewitnessError, match="'deepfry'"):
        _pairs(recipe, "forge.methods={deepfry=1.0}")


def test_without_fakes_and_without_a_forge_there_is_nothing_to_learn(recipe: Path) -> None:
    text = recipe.read_text().split("[forge]")[0]
    recipe.write_text(text)
    with pytest.raises(FacewitnessError, match="nothing to learn"):
        _pairs(recipe)


GRAY = ('loss.kind="fakeness"', "forge.methods={inpaint-diffusion=1.0}")


def test_fakeness_is_the_gray_map_of_the_forgery(recipe: Path) -> None:
    settings = config.load(recipe, TrainRecipe, GRAY)
    samples = [s for s in manifest.read(Path(settings.data.path)) if s.split == "train"]
    pairs = Pairs(cached_faces(samples, 400, gray=True, progress=None), samples, settings, PROFILE, train=False)
    item = pairs[Draw(0, 5, 9)]
    levels = item["regions"][1]
    assert 0 < levels.max() < 255, "gray, not black and white"
    real, fake = (crop.float() for crop in item["crops"])
    gap = (real - fake).abs().permute(1, 2, 0) @ torch.tensor([0.299, 0.587, 0.114])
    alike = np.corrcoef(gap.numpy().ravel(), levels.numpy().ravel())[0, 1]
    assert alike > 0.85, "what the two crops show, up to JPEG and the order of scaling and subtracting"


def test_partial_augmentation_touches_reals_alone(recipe: Path) -> None:
    always = (
        "augment={jpeg=1, jpeg_quality=[5, 6], resize=0, blur=0, noise=1, colour=1, jitter=0, p_real=%g, p_fake=%g}"
    )

    def crops(p_real: float, p_fake: float) -> torch.Tensor:
        return _pairs(recipe, always % (p_real, p_fake), "forge.methods={selfblend=1.0}")[Draw(1, 4, 0)]["crops"]

    clean, both, real_alone = crops(0, 0), crops(1, 1), crops(1, 0)
    assert torch.equal(real_alone[1], clean[1])
    assert not torch.equal(real_alone[0], clean[0])
    assert not torch.equal(both[1], clean[1])


def test_attention_is_of_the_forged_part_on_either_face(recipe: Path) -> None:
    settings = config.load(recipe, TrainRecipe, (*GRAY, 'attention={parts="landmarks", sigma=0.02}'))
    samples = [s for s in manifest.read(Path(settings.data.path)) if s.split == "train"]
    pairs = Pairs(cached_faces(samples, 400, gray=True, progress=None), samples, settings, PROFILE, train=False)
    for seed in range(4):
        item = pairs[Draw(0, seed, 9)]
        real, fake = item["attention"].float() / 255
        assert real.max() == fake.max() == 1
        assert (real - fake).abs().mean() < 0.02, "the same part of the same face"
        weight = item["regions"][1].float()
        assert (fake * weight).sum() / weight.sum() > 2 * fake.mean(), "and what was forged lies in it"


def test_a_network_for_attention_has_to_be_named(recipe: Path) -> None:
    with pytest.raises(FacewitnessError, match=r"attention\.network"):
        _pairs(recipe, 'attention.parts="network"')


def test_the_finder_of_the_recipe_finds_what_is_learnt_from(tmp_path: Path) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut()))
    sample = Sample(save(turned, tmp_path / "turned.png"), 0)
    with pytest.raises(FacewitnessError, match="no face was found"):
        cached_faces([sample], 300)
    assert len(cached_faces([sample], 300, finder="mtcnn").landmarks) == 1
    with pytest.raises(ValueError, match="known: dlib-hog, mtcnn"):
        CropSection(finder="mtcn")


TILES = CropProfile(alignment=faces.TILES, size_px=64, margin=0.3)


def _tiles(recipe: Path, *overrides: str, train: bool = True) -> Pairs:
    settings = config.load(recipe, TrainRecipe, overrides)
    samples = [s for s in manifest.read(Path(settings.data.path)) if s.split == "train"]
    return Pairs(cached_faces(samples, 400, progress=None), samples, settings, TILES, train=train)


def test_tiles_of_a_pair_show_the_same_place_and_what_was_forged(recipe: Path) -> None:
    pairs = _tiles(recipe, "forge.methods={selfblend=1.0}", "augment.jpeg=0", "augment.noise=0", "augment.blur=0")
    for seed in range(12):
        item = pairs[Draw(seed % len(pairs), seed, 9)]
        assert item["crops"].shape == (2, 3, 64, 64)
        assert item["regions"][1].any()
        outside = item["regions"][1] == 0
        gap = (item["crops"][0].float() - item["crops"][1].float()).abs().mean(0)
        if outside.sum() > 400:
            assert gap[outside].mean() < gap[~outside].mean() + 1
            assert gap[outside].mean() < 4  # what two encodings differ by


def test_a_tile_that_is_judged_is_the_middle_of_the_face(recipe: Path) -> None:
    pairs = _tiles(recipe, "forge.methods={selfblend=1.0}", train=False)
    window = pairs.faces.portrait(0)
    left, top = -faces.alignment(window.landmarks, TILES)[:, 2].astype(int)
    near = [(top + down, left + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]  # a half is rounded either way
    wanted = np.stack([window.image[row : row + 64, column : column + 64] for row, column in near])
    shown = [pairs[Draw(0, seed, 9)]["crops"][0].permute(1, 2, 0).numpy().astype(int) for seed in range(3)]
    gaps = [np.abs(one - wanted).mean((1, 2, 3)).min() for one in shown]
    assert min(gaps) < 3  # of the encoding; elsewhere where what was forged lies elsewhere


def test_how_often_a_listed_fake_is_shown_is_up_to_the_recipe(recipe: Path) -> None:
    settings = config.load(recipe, TrainRecipe, ("forge.methods={selfblend=1.0}", "data.listed=0.9"))
    samples = [s for s in manifest.read(Path(settings.data.path)) if s.split == "train"]
    fakes = [replace(s, label=1, method="other", path=s.path.with_name(f"copy-{s.path.name}")) for s in samples]
    for fake, sample in zip(fakes, samples, strict=True):
        shutil.copy(sample.path, fake.path)
    both = [*samples, *fakes]
    pairs = Pairs(cached_faces(both, 400, progress=None), both, settings, PROFILE, train=True)
    used = [pairs._use_forge(np.random.default_rng(seed)) for seed in range(200)]
    assert 5 < sum(used) < 40


def test_a_beauty_filter_is_drawn_for_both_of_a_pair() -> None:
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.integers(0, 256, (3, 40, 40), np.uint8))
    pair, masks = torch.stack([noise, noise]), torch.zeros(2, 40, 40, dtype=torch.uint8)
    section = AugmentSection(jpeg=0, resize=0, blur=0, noise=0, colour=0, retouch=1)
    changes = []
    for seed in range(9):
        torch.manual_seed(seed)
        made, _ = apply(degradations(section), pair, masks)
        assert torch.equal(made[0], made[1])
        changes.append(float(made[0].float().std() / noise.float().std()))
    assert min(changes) < 0.8
    assert max(changes) > 1.05  # smoothed, or sharpened
