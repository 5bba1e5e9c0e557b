"""The table of methods: runs beside finished detectors, judged on another manifest than they learnt from."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.experiments.plan import Plan
from facewitness.types import RecipeError
from tests.experiments import toys
from tests.experiments.conftest import Finished, Make
from tests.fakes import LIGHTNING_CHATTER

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]

SECTION = """
judged = "{judged}"
[[run]]
name = "without white"
recipe = "meso4.toml"
methods = ["blur"]
seeds = []
[[section]]
kind = "methods"
[section.detectors]
shipped = "default"
[section.left_out]
"without white" = ["white"]
"""


@pytest.fixture(scope="module")
def finished(make: Make) -> Finished:
    experiment = make(toys.comparison)
    recipe = experiment.recipe
    judged = recipe.parent / "data" / "judged.parquet"
    samples = manifest.read(recipe.parent / "data" / "manifest.parquet")
    manifest.write([replace(sample, split="test") for sample in samples], judged)
    head = [
        line for line in recipe.read_text().splitlines() if line.startswith(("name", "title", "manifest", "common"))
    ]
    recipe.write_text("\n".join(head[:4]) + SECTION.format(judged=judged))
    assert experiment.run() == ["without white: trained"]
    return experiment


def test_runs_and_detectors_are_judged_on_every_photograph_of_the_other_manifest(finished: Finished) -> None:
    finished.report()
    table = pl.read_csv(finished.out / "table.csv")
    assert table["detector"].unique(maintain_order=True).to_list() == ["without white", "shipped"]
    assert set(table["set"]) == {"method blur", "method white"}
    assert set(table["metric"]) == {"auc", "recall@fpr=0.01"}
    assert table.select("n_real", "n_fake").unique().rows() == [(7, 7)]


def test_what_a_run_left_out_is_marked_and_summed_up(finished: Finished) -> None:
    text = finished.report()
    table = pl.read_csv(finished.out / "table.csv")
    value = table.filter(detector="without white", set="method white", metric="auc")["value"].item()
    line = next(line for line in text.splitlines() if line.startswith("| without white |"))
    assert f"**{value:.3f}**" in line
    assert line.count("**") == 2
    assert f"Mean of these: {value:.3f}; worst: {value:.3f}." in text


def test_a_method_that_nobody_forged_cannot_be_left_out(finished: Finished) -> None:
    text = finished.recipe.read_text()
    finished.recipe.write_text(text.replace('= ["white"]', '= ["grey"]'))
    with pytest.raises(RecipeError, match="no fake of the method 'grey'"):
        Plan(finished.recipe, finished.out)
    finished.recipe.write_text(text)
