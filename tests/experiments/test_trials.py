"""``facewitness experiments`` at toy size: a FakeLocator with and without face attention, each trained once."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.data import manifest
from facewitness.experiments.trials.judge import REALS
from facewitness.experiments.trials.run import experiments
from facewitness.media import faces, image
from facewitness.types import RecipeError, Sample
from tests.fakes import LIGHTNING_CHATTER, astronaut, save, toy_training

pytestmark = LIGHTNING_CHATTER

RECIPE = """
name = "toy"
manifest = "{manifest}"
common = ["augment.jitter=0"]
shown = ["plain", "led"]
shown_methods = ["blur"]
degraded = "led"
degraded_methods = ["blur"]
limit = 4
degraded_limit = 3
discussion = "It is a toy."
[[trial]]
name = "plain"
recipe = "toy.toml"
methods = ["blur"]
[[trial]]
name = "led"
recipe = "toy.toml"
methods = ["blur"]
set = ["attention.parts=landmarks", "augment.p_fake=0"]
after = "plain"
[[table]]
title = "Table one"
text = "Seen and not."
trials = ["plain", "led"]
metrics = ["accuracy", "eer", "coss", "psnr", "iinc", "area"]
clustered = true
mean_map = true
[table.judged]
seen = ["blur"]
unseen = ["white"]
[[table]]
title = "Small regions"
trials = ["led"]
metrics = ["recall", "coss_inside"]
small = 0.9
[table.judged]
all = ["blur", "white"]
odd = ["blur/odd"]
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples = []
    for number in range(10):
        picture = np.roll(astronaut(), 5 * number, axis=1)
        landmarks = faces.find(picture)[0].landmarks
        split = "train" if number < 3 else "val" if number < 5 else "test"
        for method, made in {"real": picture, "blur": cv2.blur(picture, (9, 9)), "white": picture // 2 + 127}.items():
            forged = picture.copy()
            forged[80:200] = made[80:200]
            path = save(forged, tmp_path / "data" / f"{number}-{method}.png")
            gap = np.abs(forged.astype(float) - picture) @ np.array([0.299, 0.587, 0.114]) / 255
            mask = tmp_path / "data" / f"{number}-{method}-mask.png"
            region = save(np.uint8(gap > 0) * np.uint8(255), tmp_path / "data" / f"{number}-{method}-region.png")
            mask.write_bytes(image.encode_plane16(gap.astype(np.float32)))
            known = {"mask": mask, "region": region} if method != "real" else {}
            known |= {"attributes": ("odd" if number % 2 else "even",)}
            who = {"identities": (str(number),), "dataset": "london", "split": split, "landmarks": landmarks}
            samples.append(Sample(path, int(method != "real"), method, **who, **known))
    manifest.write(samples, tmp_path / "data" / "manifest.parquet")
    (tmp_path / "toy.toml").write_text(toy_training("fakelocator-mobilenet", '[loss]\nkind = "fakeness"\n'))
    path = tmp_path / "experiments.toml"
    path.write_text(RECIPE.format(manifest=tmp_path / "data" / "manifest.parquet"))
    return path


def test_every_table_is_there_and_nothing_is_run_twice(recipe: Path) -> None:
    out, page = recipe.parent / "out", recipe.parent / "docs" / "toy.md"
    said = f"experiments {recipe} --out {out} --page {page} -q"
    result = CliRunner().invoke(app, said.split())
    assert result.exit_code == 0, result.output
    found = pl.read_csv(out / "experiments.csv")
    assert set(found["trial"]) == {"plain", "led", "mean map"}
    assert set(found["judged"]) == {"seen", "unseen", "all", "odd", "london"}
    assert found.filter(judged="odd")["n_fake"].unique().to_list() == [2]
    assert "coss_inside" in found.filter(judged="odd")["metric"].to_list()
    first = found.filter((pl.col("table") == "Table one") & (pl.col("judged") == "unseen"))
    assert {"accuracy", "eer", "coss", "clustered", "area", "recall"} <= set(first["metric"])
    assert first["n_fake"].unique().to_list() == [4]
    london = found.filter((pl.col("table") == REALS) & (pl.col("judged") == "london") & (pl.col("trial") == "led"))
    at = {row["metric"]: row["value"] for row in london.iter_rows(named=True)}
    rows = pl.read_parquet(next((out / "judged").glob("led-*/robustness.parquet"))).filter(label=0)
    assert at["area_median"] == pytest.approx(np.median(rows["area"]))
    assert at["spotted"] == (rows["area"] > 0.01).mean()
    assert london["n_real"].unique().to_list() == [4]
    text = page.read_text()
    for part in (
        "## The trials",
        f"## {REALS}",
        "## Table one",
        "It is a toy",
        "## Small regions",
        "## led, degraded",
        "### JPEG",
    ):
        assert part in text
    assert "| led | `toy.toml` | plain | blur | attention.parts=landmarks, augment.p_fake=0 |" in text
    assert "| trial | judged on | real / fake | accuracy | eer | coss | psnr | iinc | area | clustered |" in text
    for figure in ("toy-maps.jpg", "toy-degraded.png", "toy-table-one.png"):
        assert (page.parent / figure).stat().st_size > 3000
        assert figure in text
    led = json.loads(next((out / "runs").glob("led-*/recipe.json")).read_text())
    assert Path(led["net"]["init"]).name.startswith("plain-")
    before = {file: file.stat().st_mtime_ns for file in recipe.parent.rglob("weights.safetensors")}
    assert len(before) == 2
    lines: list[str] = []
    experiments(recipe, out, progress=False, say=lines.append)
    assert lines == ["plain: trained before", "led: trained before"]
    assert {file: file.stat().st_mtime_ns for file in before} == before


CELLS = """
name = "cells"
manifest = "{manifest}"
[[search]]
name = "short"
recipe = "search.toml"
methods = ["blur"]
[[trial]]
name = "found"
recipe = "add.toml"
methods = ["blur"]
cells = "short"
parameters = 90000
seeds = [1, 2]
[[trial]]
name = "drawn"
recipe = "add.toml"
methods = ["blur"]
set = ["net.args.genotype=random-3", "net.args.channels=4"]
[[table]]
title = "Cells"
trials = ["found", "drawn"]
metrics = ["accuracy", "hull_iou"]
judged = {{ seen = ["blur"] }}
"""
SEARCH = """
[search]
sampler = "gumbel"
channels = 2
blocks = 2
operations = ["identity", "conv-3", "max-3"]
"""


def test_a_trial_of_searched_cells_with_two_seeds(recipe: Path) -> None:
    folder = recipe.parent
    potential = '[loss]\nkind = "potential"\n'
    (folder / "add.toml").write_text(toy_training("add", potential).replace("[crop]", "args = { normal = 1 }\n[crop]"))
    (folder / "search.toml").write_text(toy_training("add", potential + SEARCH).replace("average = 0\n", ""))
    recipe.write_text(CELLS.format(manifest=folder / "data" / "manifest.parquet"))
    lines: list[str] = []
    page = folder / "docs" / "cells.md"
    experiments(recipe, folder / "out", page_file=page, progress=False, say=lines.append)
    assert lines == ["short: trained", "found, seed 1: trained", "found, seed 2: trained", "drawn: trained"]
    found = pl.read_csv(folder / "out" / "experiments.csv")
    assert dict(found.group_by("trial").agg(pl.col("seeds").first()).iter_rows()) == {"found": 2, "drawn": 1}
    overlap = found.filter(trial="found", metric="hull_iou").row(0, named=True)
    assert 0 <= overlap["low"] <= overlap["value"] <= overlap["high"] < 1
    cells = json.loads(next((folder / "out" / "searches").glob("short-*/genotype.json")).read_text())
    told = [json.loads(file.read_text()) for file in (folder / "out" / "runs").glob("found-*/recipe.json")]
    assert {one["seed"] for one in told} == {1, 2}
    assert all(json.loads(one["net"]["args"]["genotype"]) == cells for one in told)
    text = page.read_text()
    for part in ("## Searched cells", "cells-short-cells.png", "| found | `add.toml` | - | blur | - | short | 2 | "):
        assert part in text
    lines.clear()
    experiments(recipe, folder / "out", jobs=2, progress=False, say=lines.append)
    assert lines[0] == "short: trained before"
    assert {line.split(": ")[1] for line in lines} == {"trained before"}
    recipe.write_text(recipe.read_text().replace('cells = "short"', 'cells = "long"'))
    with pytest.raises(RecipeError, match="found: no search 'long'"):
        experiments(recipe, folder / "out", progress=False)


def test_trials_side_by_side_and_one_attribute_of_a_method(recipe: Path) -> None:
    text = recipe.read_text().replace(
        "[[trial]]", '[[trial]]\nname = "even"\nrecipe = "toy.toml"\nmethods = ["blur/even"]\n[[trial]]', 1
    )
    recipe.write_text(text.replace('trials = ["led"]', 'trials = ["even"]').replace("clustered = true", ""))
    lines: list[str] = []
    out = recipe.parent / "out"
    experiments(recipe, out, only=["plain", "even", "led"], jobs=2, progress=False, say=lines.append)
    assert sorted(lines[:2]) == ["even: trained", "plain: trained"]
    assert lines[2:] == ["led: trained", "even: trained before", "plain: trained before", "led: trained before"]
    found = pl.read_csv(out / "experiments.csv")
    assert set(found["trial"]) == {"plain", "even", "led", "mean map"}
    rows = manifest.read(next((out / "runs").glob("even-*/manifest.parquet")))
    assert {s.attributes for s in rows if s.label} == {("even",)}
    assert len({s.attributes for s in rows if not s.label}) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('methods = ["blur"]', 'methods = ["blur/old"]'), "no fake of the method 'blur/old'"),
        (('unseen = ["white"]', 'unseen = ["whit"]'), "Table one: .* no fake of the method 'whit'"),
        (('trials = ["led"]', 'trials = ["lead"]'), "Small regions: no trial 'lead'"),
        (('"recall", "coss', '"recal", "coss'), "no metric 'recal'"),
        (('name = "led"', 'name = "plain"'), "two trials have one name"),
        (('degraded = "led"', 'degraded = "x"'), "degraded: no trial 'x'"),
        (('after = "plain"', 'after = "led"'), "led: no trial 'led' before it"),
    ],
)
def test_a_wrong_recipe_is_refused(change: tuple[str, str], message: str, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace(*change))
    with pytest.raises(RecipeError, match=message):
        experiments(recipe, recipe.parent / "out", progress=False)
