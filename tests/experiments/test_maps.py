"""Experiments about maps and cells (FakeLocator, ADD) at toy size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.experiments.runner import run_experiment
from facewitness.types import RecipeError
from tests.experiments import toys
from tests.experiments.conftest import Finished, Make
from tests.fakes import LIGHTNING_CHATTER

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]


@pytest.fixture(scope="module")
def maps(make: Make) -> Finished:
    experiment = make(toys.maps)
    experiment.run()
    experiment.report()
    return experiment


def test_every_table_of_maps_is_there(maps: Finished) -> None:
    table = pl.read_csv(maps.out / "table.csv")
    assert set(table["detector"]) == {"plain", "led", "mean map"}
    assert set(table["set"]) >= {"seen", "unseen", "all", "odd", "london", "none", "jpeg 3", "disorganised"}
    assert table.filter(set="odd")["n_fake"].unique().to_list() == [2]
    assert "coss_inside" in table.filter(set="odd")["metric"].to_list()
    first = table.filter(table="Table one", set="unseen")
    assert {"balanced_accuracy@0.5", "eer", "coss", "cluster_accuracy", "area@0.1", "recall_gray@0.1"} <= set(
        first["metric"]
    )
    assert first["n_fake"].unique().to_list() == [4]
    london = table.filter(table="reals", set="london", detector="led")
    value = {row["metric"]: row["value"] for row in london.iter_rows(named=True)}
    rows = pl.read_parquet(next((maps.out / "judged").glob("led-*/robustness.parquet"))).filter(label=0)
    assert value["area_median@0.1"] == pytest.approx(np.median(rows["area"]))
    assert value["spotted@0.1"] == (rows["area"] > 0.01).mean()
    assert london["n_real"].unique().to_list() == [4]


def test_the_report_of_maps_has_every_section_and_figure(maps: Finished) -> None:
    text = maps.page.read_text()
    for part in ("## Runs", "## Real photographs", "## Table one", "Seen and not.", "## Small regions", "### JPEG"):
        assert part in text
    assert "| led | `toy.toml` | plain | blur | attention.parts=landmarks, augment.p_fake=0 |" in text
    assert "| run | judged on | real / fake | balanced_accuracy@0.5 | eer | coss | psnr | iinc@0.1 | area@0.1 |" in text
    for figure in ("toy-maps.jpg", "toy-degraded.png", "toy-table-one.png"):
        assert maps.page.with_name(figure).stat().st_size > 3000
        assert figure in text


def test_a_run_begins_from_the_weights_of_another(maps: Finished) -> None:
    led = json.loads(next((maps.out / "runs").glob("led-*/recipe.json")).read_text())
    assert Path(led["net"]["init"]).name.startswith("plain-")
    assert maps.run() == ["plain: trained before", "led: trained before"]


def test_runs_side_by_side_and_one_attribute_of_a_method(maps: Finished, tmp_path: Path) -> None:
    text = maps.recipe.read_text().replace(
        "[[run]]", '[[run]]\nname = "even"\nrecipe = "toy.toml"\nmethods = ["blur/even"]\nseeds = []\n[[run]]', 1
    )
    recipe = maps.recipe.with_name("even.toml")
    recipe.write_text(text)
    experiment = Finished(recipe)
    assert sorted(experiment.run(jobs=2)) == ["even: trained", "led: trained before", "plain: trained before"]
    rows = manifest.read(next((experiment.out / "runs").glob("even-*/manifest.parquet")))
    assert {s.attributes for s in rows if s.label} == {("even",)}
    assert len({s.attributes for s in rows if not s.label}) == 2


def test_runs_of_searched_cells_with_two_seeds(make: Make) -> None:
    cells = make(lambda folder: toys.maps(folder, toys.CELLS))
    lines = ["short: trained", "drawn: trained", "found, seed 1: trained", "found, seed 2: trained"]
    assert cells.run() == lines
    text = cells.report()
    table = pl.read_csv(cells.out / "table.csv")
    assert dict(table.group_by("detector").agg(pl.col("n_seeds").first()).iter_rows()) == {"found": 2, "drawn": 1}
    overlap = table.filter(detector="found", metric="hull_iou@0.5").row(0, named=True)
    assert 0 <= overlap["low"] <= overlap["value"] <= overlap["high"] < 1
    genotype = json.loads(next((cells.out / "searches").glob("short-*/genotype.json")).read_text())
    recipes = [json.loads(file.read_text()) for file in (cells.out / "runs").glob("found-*/recipe.json")]
    assert {recipe["seed"] for recipe in recipes} == {1, 2}
    assert all(json.loads(recipe["net"]["args"]["genotype"]) == genotype for recipe in recipes)
    for part in ("## Searched cells", "toy-short-cells.png", "| found | `add.toml` | - | blur | - | short | 2 | "):
        assert part in text
    assert {line.split(": ")[1] for line in cells.run(jobs=2)} == {"trained before"}
    cells.recipe.write_text(cells.recipe.read_text().replace('cells = "short"', 'cells = "long"'))
    with pytest.raises(RecipeError, match="found: no search 'long'"):
        run_experiment(cells.plan())
