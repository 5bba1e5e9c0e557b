"""``facewitness train`` from end to end at toy size: run folder, resume, export."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from facewitness import config
from facewitness.detectors import cards, zoo
from facewitness.detectors.base import WEIGHTS_FILE
from facewitness.detectors.export import export_run
from facewitness.training import calibrate, loop, supervised, train
from facewitness.training.loop import open_folder
from facewitness.training.recipe import CHECKPOINTS, TrainRecipe
from facewitness.types import RecipeError
from tests.fakes import LIGHTNING_CHATTER

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]


def _train(recipe: Path, out: Path, *overrides: str, resume: bool = False) -> Path:
    return train.train(recipe, out, overrides, resume=resume, progress=None)


def test_a_run_folder_has_all_that_is_needed_to_repeat_it_and_serves(recipe: Path, tmp_path: Path) -> None:
    folder = _train(recipe, tmp_path / "run")
    card = cards.read(folder)
    assert card.name == "effnet-map.toy"
    assert card.trained_on == "one astronaut"
    assert card.crop.size_px == 32
    assert card.calibration is not None
    assert card.calibration.real_below <= card.calibration.fake_above
    assert dict(card.calibration.counts) == {"d0": 1, "d1": 1}
    assert calibrate.LEAST_TOP <= card.map_scale < 1, "of a net so young; 1 is what was never learnt"
    environment = json.loads((folder / "environment.json").read_text())
    assert len(environment["manifest_sha256"]) == 64
    assert json.loads((folder / "recipe.json").read_text())["data"]["pairs_per_epoch"] == 4
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    assert {"val_auc", "val_loss", "train_loss"} <= set(rows[0])
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    mine, served = zoo.load(folder)(crops), zoo.load(export_run(folder, tmp_path / "served"))(crops)
    np.testing.assert_allclose(mine.score, served.score, atol=1e-4)


def test_a_run_goes_on_where_it_stopped(recipe: Path, tmp_path: Path) -> None:
    whole = _train(recipe, tmp_path / "whole")
    folder = tmp_path / "stopped"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervised.Supervised, "on_train_epoch_start", _stop_at_epoch_one)
        with pytest.raises(KeyboardInterrupt):
            _train(recipe, folder)
    assert not (folder / WEIGHTS_FILE).exists()
    _train(recipe, folder, resume=True)
    assert "\n0," in (folder / "metrics.before-1.csv").read_text()
    first, second = (load_file(f / WEIGHTS_FILE) for f in (whole, folder))
    for name, value in first.items():
        np.testing.assert_allclose(value.numpy(), second[name].numpy(), atol=1e-6, err_msg=name)


def _stop_at_epoch_one(module: supervised.Supervised) -> None:
    if module.current_epoch == 1:
        raise KeyboardInterrupt


def test_a_run_may_start_from_another_runs_weights(recipe: Path, tmp_path: Path) -> None:
    first = _train(recipe, tmp_path / "first")
    second = _train(recipe, tmp_path / "second", f"net.init={first}", "optim.rate=1e-9", "optim.average=0")
    one, two = (load_file(f / WEIGHTS_FILE)["classify.weight"] for f in (first, second))
    np.testing.assert_allclose(one.numpy(), two.numpy(), atol=1e-5)


def test_the_average_soon_forgets_the_first_weights_and_then_keeps_long() -> None:
    average = loop.moving_average(0.99)
    first, later = torch.zeros(1), torch.ones(1)
    assert float(average(first, later, 0)) == pytest.approx(0.9)
    assert float(average(first, later, 10**6)) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.rat=1", "did you mean 'rate'"),
        ("net.entry=resnet9000", "no architecture"),
        ("optim.rate=-1", "optim.rate"),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_is_made(
    override: str, message: str, recipe: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        _train(recipe, tmp_path / "run", override)
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_a_folder_that_holds_a_run_is_not_overwritten(recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(RecipeError, match="no run to resume"):
        _train(recipe, folder, resume=True)
    folder.mkdir()
    (folder / "card.json").write_text("{}")
    with pytest.raises(RecipeError, match="already holds a run"):
        _train(recipe, folder)
    (folder / "recipe.json").write_text("{}")
    with pytest.raises(RecipeError, match="already holds a run, and it is finished"):
        _train(recipe, folder, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_killed_before_its_first_checkpoint_begins_anew(recipe: Path, tmp_path: Path, resume: bool) -> None:
    settings = config.load(recipe, TrainRecipe)
    folder = tmp_path / "run"
    assert open_folder(folder, settings, resume=False) is None
    (folder / "recipe.json").write_text(json.dumps(settings.model_dump(mode="json")))
    (folder / "metrics.csv").touch()
    assert open_folder(folder, settings, resume=resume) is None
    (folder / CHECKPOINTS).mkdir()
    (folder / CHECKPOINTS / "last.ckpt").touch()
    assert open_folder(folder, settings, resume=True) == folder / CHECKPOINTS / "last.ckpt"
