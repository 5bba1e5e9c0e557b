"""LAE from end to end at toy size: stage 1, a folder to paint, stage 2."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facewitness.data import manifest
from facewitness.detectors import cards, zoo
from facewitness.detectors.export import export_run
from facewitness.training.lae import active, paint
from facewitness.training.lae import run as lae
from facewitness.training.lae.recipe import AskSection
from facewitness.types import CardError, FacewitnessError, RecipeError, Sample
from tests.fakes import LIGHTNING_CHATTER, astronaut, save

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]

RECIPE = """
name = "toy"
[data]
path = "{data}"
pairs_per_epoch = 4
validation_pairs = 2
workers = 0
[net]
entry = "lae"
[crop]
size_px = 64
[reconstruct]
comparator = "random"
comparator_px = 32
[attend]
epochs = 2
batch_masks = 2
[ask]
channels = 3
epochs = 1
[optim]
optimizer = "adam"
rate = 1e-3
batch_pairs = 2
epochs = 2
[trainer]
accelerator = "cpu"
devices = 1
threads = 1
"""


@pytest.fixture(scope="module")
def stage_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished stage 1 over six people and as many fakes, whose regions are known."""
    folder = tmp_path_factory.mktemp("lae")
    samples = []
    for number in range(6):
        picture = np.roll(astronaut(), 5 * number, axis=1)
        split = "train" if number < 4 else "val"
        who = {"identities": (str(number),), "split": split}
        samples.append(Sample(save(picture, folder / f"{number}.png"), 0, **who))
        forged, region = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
        region[90:180] = 255
        forged[90:180] = cv2.blur(forged[90:180], (9, 9))
        fake = save(forged, folder / f"{number}-fake.png")
        samples.append(Sample(fake, 1, "blur", region=save(region, folder / f"{number}-region.png"), **who))
    manifest.write(samples, folder / "manifest.parquet")
    recipe = folder / "toy.toml"
    recipe.write_text(RECIPE.format(data=folder / "manifest.parquet"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return lae.train(recipe, folder / "run", progress=None)


@pytest.fixture(autouse=True)
def _cache(stage_one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(stage_one.parent / "cache"))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(zoo.load(folder).graph.net.state_dict())  # type: ignore[attr-defined]


def test_stage_one_leaves_a_detector(stage_one: Path, tmp_path: Path) -> None:
    card = cards.read(stage_one)
    assert card.name == "lae.toy"
    assert card.calibration is not None
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    served = zoo.load(export_run(stage_one, tmp_path / "out"))(crops)
    np.testing.assert_allclose(zoo.load(stage_one)(crops).score, served.score, atol=1e-4)
    assert served.map is not None
    assert served.map.shape == (3, 4, 4)


def test_select_paint_finetune(stage_one: Path, tmp_path: Path) -> None:
    folder = lae.select(stage_one, 3, tmp_path / "paint", progress=None)
    assert sorted(path.name for path in folder.glob("*.png")) == [
        f"{n:04}{kind}.png" for n in range(3) for kind in (".mask", "")
    ]
    index = json.loads((folder / paint.INDEX).read_text())
    activations = [row["activation"] for row in index["faces"]]
    assert activations == sorted(activations, reverse=True)
    assert all(row["path"].endswith("-fake.png") for row in index["faces"])
    assert f"finetune {stage_one} --masks {folder} --out {stage_one}-painted\n" in (folder / "README.txt").read_text()
    assert (folder / "contact.jpg").stat().st_size > 500

    mask = np.zeros((64, 64, 3), np.uint8)
    mask[10:20] = 255
    for name in ("0000", "0002"):
        cv2.imwrite(str(folder / f"{name}.mask.png"), mask)  # the second stays black
    out = lae.finetune(stage_one, tmp_path / "tuned", masks=folder, progress=None)
    said = json.loads((out / lae.SELECTION).read_text())
    assert (said["masks"], said["fakes"], said["answered_by"]) == (2, 4, "a person")
    assert said["faces"] == [index["faces"][0]["path"], index["faces"][2]["path"]]
    before, after = _weights(stage_one), _weights(out)
    assert not torch.equal(before["units.weight"], after["units.weight"])
    assert all(torch.equal(before[key], after[key]) for key in before if key.startswith("decoder") and "weight" in key)
    assert cards.read(out).weights != cards.read(stage_one).weights


def test_the_manifest_may_answer_and_every_mask_is_counted(stage_one: Path, tmp_path: Path) -> None:
    out = lae.finetune(stage_one, tmp_path / "tuned", oracle=2, progress=None)
    said = json.loads((out / lae.SELECTION).read_text())
    assert (said["masks"], said["answered_by"], len(said["faces"])) == (2, "oracle", 2)
    again = lae.finetune(stage_one, tmp_path / "again", oracle=3, overrides=["attend.reselect=true"], progress=None)
    said = json.loads((again / lae.SELECTION).read_text())
    assert said["masks"] == 3
    assert len(set(said["faces"])) == 3


def test_the_training_faces_are_looked_at_once(
    stage_one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage_one / lae.CONCEPTS).write_bytes(b"half a file")
    first = paint.read(lae.select(stage_one, 2, tmp_path / "first", oracle=True, progress=None))

    def looked(*_: object) -> None:
        raise AssertionError("looked again")

    monkeypatch.setattr(active, "concepts", looked)
    again = paint.read(lae.select(stage_one, 2, tmp_path / "again", oracle=True, progress=None))
    assert first[0] == again[0]
    with np.load(stage_one / lae.CONCEPTS) as kept:
        np.savez(stage_one / lae.CONCEPTS, decides="other weights", pooled=kept["pooled"])
    with pytest.raises(AssertionError, match="looked again"):
        lae.select(stage_one, 2, tmp_path / "other", oracle=True, progress=None)


def test_an_oracle_paints_what_the_manifest_says(stage_one: Path, tmp_path: Path) -> None:
    folder = lae.select(stage_one, 2, tmp_path / "paint", oracle=True, choice="random", progress=None)
    rows, masks, facts = paint.read(folder)
    assert len(rows) == 2
    assert facts["choice"] == "random"
    assert all(0 < (mask > 0).mean() < 1 for mask in masks)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.unlink(), r"0000\.mask\.png"),
        (lambda file: cv2.imwrite(str(file), np.full((16, 16), 255, np.uint8)), "16 x 16 px, its face 64 x 64"),
        (lambda file: file.write_bytes(file.with_name("0000.png").read_bytes()), "has colours"),
        (lambda file: file.write_text("no picture"), "save it as PNG"),
        (lambda file: None, "every mask is black"),
    ],
)
def test_masks_that_cannot_be_read(spoil: object, message: str, stage_one: Path, tmp_path: Path) -> None:
    folder = lae.select(stage_one, 1, tmp_path / "paint", progress=None)
    assert callable(spoil)
    spoil(folder / "0000.mask.png")
    with pytest.raises(FacewitnessError, match=message):
        lae.finetune(stage_one, tmp_path / "tuned", masks=folder, progress=None)
    assert not (tmp_path / "tuned").exists()


def test_what_is_refused(stage_one: Path, tmp_path: Path) -> None:
    with pytest.raises(FacewitnessError, match="5 masks are asked for, but the training set has 4 fakes"):
        lae.select(stage_one, 5, tmp_path / "paint", progress=None)
    with pytest.raises(CardError):
        lae.select(tmp_path, 1, tmp_path / "paint", progress=None)
    with pytest.raises(RecipeError, match="either"):
        lae.finetune(stage_one, tmp_path / "x", progress=None)
    with pytest.raises(FacewitnessError, match="was not written by"):
        lae.finetune(stage_one, tmp_path / "x", masks=tmp_path, progress=None)
    folder = lae.select(stage_one, 1, tmp_path / "paint", oracle=True, progress=None)
    with pytest.raises(FacewitnessError, match="already holds masks"):
        lae.select(stage_one, 1, folder, progress=None)
    index = json.loads((folder / paint.INDEX).read_text())
    (folder / paint.INDEX).write_text(json.dumps(index | {"weights": "0" * 64}))
    with pytest.raises(FacewitnessError, match="another run"):
        lae.finetune(stage_one, tmp_path / "x", masks=folder, progress=None)


def test_the_linear_model_finds_the_channels_that_tell_fakes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    pooled = rng.normal(0, 0.1, (400, 512)).astype(np.float32)
    pooled[labels == 1, 7] += 2
    pooled[labels == 1, 300] += 3
    pooled[labels == 0, 40] += 3
    channels, accuracy = active.ranked(pooled, labels, AskSection(channels=2), seed=0)
    assert channels.tolist() == [300, 7]
    assert accuracy > 0.9
