"""LAE's experiments at toy size: all the tables, each run once."""

from __future__ import annotations

import json

import polars as pl
import pytest

from facewitness.experiments import measure
from facewitness.experiments.analyses.context import Context
from facewitness.experiments.analyses.masks import gains
from facewitness.experiments.sections import MaskGainSection
from facewitness.media import image
from tests.experiments import toys
from tests.experiments.conftest import Finished, Make
from tests.fakes import LIGHTNING_CHATTER

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]


@pytest.fixture(scope="module")
def masks(make: Make) -> Finished:
    experiment = make(toys.masks)
    lines = experiment.run(jobs=2)
    assert {line.rpartition(": ")[2] for line in lines} == {"trained"}
    assert len(lines) == len(list(experiment.out.rglob("card.json")))
    experiment.report()
    return experiment


def test_every_table_of_masks_is_there(masks: Finished) -> None:
    table = pl.read_csv(masks.out / "table.csv")
    assert set(table["detector"]) == {
        *("LAE, no masks", "LAE, 1 masks", "LAE, 2 masks", "1 masks, random", "2 masks, random"),
        *("latent only", "lambda 0.1", "without", "empty", "meso4"),
    }
    assert {"mass_inside", "pointing", "balanced_accuracy@0.5", "auc"} <= set(table["metric"])
    assert table["n_seeds"].unique().to_list() == [2]
    text = masks.page.read_text()
    for part in ("## Table 3, one", "## Where the attention lies", "## Tables 4 and 5", "## Figure 5", "It is a toy."):
        assert part in text
    assert masks.page.with_suffix(".png").stat().st_size > 3000


def test_gains_are_differences_to_stage_one_of_the_same_seed(masks: Finished) -> None:
    plan = masks.plan(trust_record=True)
    (section,) = [part for part in plan.settings.section if isinstance(part, MaskGainSection)]
    found = gains(Context(plan, measure.needs(plan), None), section)
    table = pl.read_parquet((masks.out / "table.parquet").read_bytes())
    unseen = table.filter(table="Table 3, one", detector="LAE, 2 masks", set="unseen")
    before = table.filter(table="Table 3, one", detector="LAE, no masks", set="unseen")
    rows = found.filter(label="LAE, 2 masks")
    for name, metric in (("accuracy", "balanced_accuracy@0.5"), ("mass", "mass_inside")):
        after, base = (part.filter(metric=metric)["value"].item() for part in (unseen, before))
        assert rows[name].mean() == pytest.approx(after)
        assert rows[f"{name}_gained"].mean() == pytest.approx(after - base)


def test_the_maps_of_masks_are_drawn_side_by_side(masks: Finished) -> None:
    sheet = image.read(masks.page.with_name("toy-one.jpg"))  # crop, region, LAE before and after, MesoNet
    assert sheet.shape[1] > 5 * 144
    assert "(toy-one.jpg)" in masks.page.read_text()


def test_masks_are_chosen_as_the_recipe_says(masks: Finished) -> None:
    chosen = [json.loads(file.read_text()) for file in (masks.out / "runs").rglob("selection.json")]
    assert sorted((one["choice"], one["masks"]) for one in chosen) == sorted(
        [("active", 1), ("active", 2), ("random", 1), ("random", 2), ("active", 2), ("active", 2), ("active", 2)] * 2
    )


def test_nothing_of_masks_is_run_twice(masks: Finished) -> None:
    before = {file: file.stat().st_mtime_ns for file in masks.out.rglob("weights.safetensors")}
    assert all(line.endswith(": trained before") for line in masks.run())
    assert {file: file.stat().st_mtime_ns for file in before} == before
