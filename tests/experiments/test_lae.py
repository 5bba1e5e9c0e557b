"""``facewitness lae experiments`` at toy size: all the tables, each run once."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.experiments.lae import experiments
from facewitness.media import image
from facewitness.types import RecipeError, Sample
from tests.fakes import LIGHTNING_CHATTER, astronaut, save, toy_training

pytestmark = LIGHTNING_CHATTER

LAE = """
[reconstruct]
comparator = "random"
comparator_px = 32
[attend]
epochs = 1
batch_masks = 2
[ask]
epochs = 1
"""
RECIPE = """
name = "toy"
manifest = "{manifest}"
stage_one = "lae.toml"
seeds = [1, 2]
masks = [1, 2]
curve_task = "one"
stage_two = ["data.pairs_per_epoch=3"]
discussion = "It is a toy."
looked_at = ["meso4"]
[ablations]
"latent only" = ["reconstruct.alpha_rec=0"]
[weights]
"lambda 0.1" = ["attend.lambda_attention=0.1"]
[controls]
"without" = ["attend.lambda_attention=0"]
[remedies]
"empty" = ["attend.real_is_empty=true"]
[[task]]
name = "one"
seen = "blur"
unseen = "white"
[[baselines]]
recipe = "meso4.toml"
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples = []
    for number in range(7):
        picture = np.roll(astronaut(), 6 * number, axis=1)
        region = np.zeros(picture.shape[:2], np.uint8)
        region[80:200] = 255
        split = "train" if number < 3 else "val" if number < 5 else "test"
        pictures = {"real": picture, "blur": cv2.blur(picture, (5, 5)), "white": picture // 2 + 127}
        for method, made in pictures.items():
            forged = np.where(region[..., None] > 0, made, picture).astype(np.uint8)
            path = save(forged, tmp_path / "data" / f"{number}-{method}.png")
            known = save(region, tmp_path / "data" / f"{number}-{method}-region.png") if method != "real" else None
            who = (str(number),)
            samples.append(
                Sample(path, int(method != "real"), method, identities=who, split=split, region=known, dataset="london")
            )
    manifest.write(samples, tmp_path / "data" / "manifest.parquet")
    (tmp_path / "lae.toml").write_text(toy_training("lae", LAE, pairs=2))
    (tmp_path / "meso4.toml").write_text(toy_training("meso4", pairs=2))
    path = tmp_path / "experiments.toml"
    path.write_text(RECIPE.format(manifest=tmp_path / "data" / "manifest.parquet"))
    return path


def test_every_table_is_there_and_nothing_is_run_twice(recipe: Path) -> None:
    said: list[str] = []
    page = recipe.parent / "lae.md"
    table = experiments(recipe, recipe.parent / "out", jobs=2, page_file=page, progress=False, say=said.append)
    trained = [line for line in said if line.endswith(": trained")]
    assert len(trained) == len(set(trained)) == len(list((recipe.parent / "out").rglob("card.json")))
    found = pl.read_csv(table)
    labels = set(found["detector"])
    assert labels == {
        *("LAE, no masks", "LAE, 1 masks", "LAE, 2 masks", "1 masks, random", "2 masks, random"),
        *("latent only", "lambda 0.1", "without", "empty", "meso4"),
    }
    assert {"mass_inside", "pointing", "accuracy", "auc"} <= set(found["metric"])
    assert found.filter(pl.col("detector") == "LAE, 2 masks")["masks"].unique().to_list() == [2]
    assert found["seeds"].unique().to_list() == [2]
    gains = pl.read_csv(table.with_name("gains.csv")).filter(label="LAE, 2 masks")
    unseen = found.filter(detector="LAE, 2 masks", slice="unseen")
    for metric in ("accuracy", "mass_inside"):  # one for each seed, whose mean is the table's
        assert gains[metric].mean() == pytest.approx(unseen.filter(metric=metric)["value"].item())
    text = page.read_text()
    for part in (
        "## Table 3, one",
        "## Where it looks, one",
        "## Tables 4 and 5",
        "## Figure 5",
        "## Table 6",
        "## What else was tried, one",
        "a toy",
        "Stage 1: 1 x 2 pairs at 64 px; stage 2: 1 x 3 pairs at 64 px, 2 faces with a mask beside every 2 pairs",
        "without (attend.lambda_attention=0)",
    ):
        assert part in text
    (control,) = (line for line in text.split("## Where it looks")[0].splitlines() if line.startswith("| without"))
    assert control.startswith("| without | - | 2 | ")
    assert (page.parent / "lae.png").stat().st_size > 3000
    sheet = image.read(page.parent / "lae-one.jpg")  # crop, region, LAE before and after, MesoNet
    assert sheet.shape[1] > 5 * 144
    assert "![Where the detectors look](lae-one.jpg)" in text
    chosen = [json.loads(file.read_text()) for file in (recipe.parent / "out" / "runs").rglob("selection.json")]
    assert sorted((one["choice"], one["masks"]) for one in chosen) == sorted(
        [("active", 1), ("active", 2), ("random", 1), ("random", 2), ("active", 2), ("active", 2), ("active", 2)] * 2
    )
    before = {file: file.stat().st_mtime_ns for file in recipe.parent.rglob("weights.safetensors")}
    said.clear()
    experiments(recipe, recipe.parent / "out", progress=False, say=said.append)
    assert said
    assert all(line.endswith(": trained before") for line in said)
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('unseen = "white"', 'unseen = "whit"'), "no fake of the method 'whit'"),
        (('curve_task = "one"', 'curve_task = "two"'), "no task 'two'"),
        (('curve_task = "one"', 'curve_task = ""'), "name one"),
        (("masks = [1, 2]", "masks = []"), "give masks"),
        (('looked_at = ["meso4"]', 'looked_at = ["meso5"]'), "no baseline's recipe is called 'meso5'"),
    ],
)
def test_a_wrong_recipe_is_refused(change: tuple[str, str], message: str, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace(*change))
    with pytest.raises(RecipeError, match=message):
        experiments(recipe, recipe.parent / "out", progress=False)
