"""The tidy table and its report, from scores written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from facewitness.evaluation import report, requirements, tables
from facewitness.evaluation.scores import SCHEMA
from facewitness.evaluation.slices import slices, tidy
from facewitness.metrics.intervals import wilson
from facewitness.types import Calibration, ManifestError

MARKS = Calibration(temperature=1.0, fake_above=0.8, real_below=0.3)


def row(
    person: str, label: int, score: float | None, dataset: str, method: str = "real", **maps: float
) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(SCHEMA)
    found |= {"path": f"{person}{method}{dataset}", "label": label, "method": method, "dataset": dataset, "faces": 1}
    found |= {"identities": [person], "person": person, "status": "ok" if score is not None else "no_face"}
    found |= {"highest": None if score is None else min(1.0, score + 0.45)}  # a second face, more suspicious
    found |= {"score": score, "verdict": None if score is None else str(MARKS.verdict(score)), **maps}
    return found


def scores() -> pl.DataFrame:
    """Source a: reals .1 .4 .9, fakes of x .85 .5; source b: reals .2 and a failure, fakes of x .95 and of y .3."""
    return pl.DataFrame(
        [
            row("p1", 0, 0.1, "a", iou=1.0, false_positive_area=0.0),
            row("p2", 0, 0.4, "a", iou=0.0, false_positive_area=0.3),
            row("p3", 0, 0.9, "a", iou=0.0, false_positive_area=0.6),
            row("p4", 0, 0.2, "b"),
            row("p5", 0, None, "b"),
            row("p1", 1, 0.85, "a", "x", iou=0.8, dice=0.9, false_positive_area=0.1),
            row("p2", 1, 0.5, "a", "x", iou=0.4, dice=0.5, false_positive_area=0.2),
            row("p4", 1, 0.95, "b", "x"),
            row("p4", 1, 0.3, "b", "y"),
        ],
        SCHEMA,
    )


@pytest.fixture(scope="module")
def table() -> requirements.Evaluation:
    return requirements.Evaluation(tidy(scores(), MARKS, draws=200), {})


def test_a_method_is_compared_with_the_reals_it_was_applied_to(table: requirements.Evaluation) -> None:
    x = table.row("auc", "x")
    assert (x["n_real"], x["n_fake"], x["n_unscored"], x["note"]) == (4, 3, 1, None)
    assert x["value"] == pytest.approx((3 + 3 + 4) / 12)  # .85, .5 and .95 against .1 .4 .9 .2
    y = table.row("auc", "y")
    assert (y["n_real"], y["n_fake"], y["n_unscored"]) == (1, 1, 1)
    assert y["value"] == 1
    assert y["note"] == "compared with the reals of b only, to which the method was applied"


def test_everything_and_each_source(table: requirements.Evaluation) -> None:
    everything = table.row("auc")
    assert (everything["n_real"], everything["n_fake"], everything["n_unscored"]) == (4, 4, 1)
    assert table.row("auc", source="a")["value"] == pytest.approx(4 / 6)
    assert table.row("auc", "x", "a")["n_fake"] == 2
    assert table.row("auc", "y", "a") == {}


def test_shares_at_the_shipped_thresholds(table: requirements.Evaluation) -> None:
    called = table.row("false_positive_rate@threshold", source="a")
    assert (called["value"], called["low"], called["high"]) == pytest.approx(wilson(1, 3))
    assert (called["n_real"], called["n_fake"]) == (3, 0)
    assert table.row("photograph_false_positive_rate@threshold", source="a")["value"] == pytest.approx(
        2 / 3
    )  # .4 + .45 as well
    assert table.row("inconclusive_real", source="a")["value"] == pytest.approx(1 / 3)
    assert table.row("recall@threshold", "x")["value"] == pytest.approx(2 / 3)
    assert table.row("inconclusive_fake", "y")["value"] == 1
    assert table.row("accuracy@threshold", "x")["value"] == pytest.approx(5 / 7)


def test_maps_of_fakes_and_of_reals_apart(table: requirements.Evaluation) -> None:
    iou = table.row("iou@0.5", "x")
    assert iou["value"] == pytest.approx(0.6)
    assert (iou["n_real"], iou["n_fake"]) == (0, 2)
    assert table.row("false_positive_area@0.5", "x")["value"] == pytest.approx(0.15)
    assert table.row("false_positive_area_real@0.5", source="a")["value"] == pytest.approx(0.3)
    assert table.row("empty_map_real@0.5", source="a")["value"] == pytest.approx(1 / 3)
    assert table.row("iou@0.5", "y") == {}


def test_no_number_is_nan_and_intervals_hold_their_numbers(table: requirements.Evaluation) -> None:
    numbers = table.table.select("value", "low", "high")
    assert not any(numbers.select(pl.all().is_nan().any()).row(0))
    inside = table.table.filter(pl.col("low").is_not_null())
    assert inside.height > 20
    assert inside.filter((pl.col("low") > pl.col("value")) | (pl.col("high") < pl.col("value"))).is_empty()


def test_without_calibration_there_are_no_verdicts() -> None:
    metrics = set(tidy(scores(), None, draws=20)["metric"])
    assert {"auc", "ece", "iou@0.5"} <= metrics
    assert not metrics & {
        "accuracy@threshold",
        "false_positive_rate@threshold",
        "inconclusive_real",
        "recall@threshold",
    }


def test_a_slice_where_nothing_was_scored_is_there_and_empty() -> None:
    failed = scores().with_columns(score=pl.when(pl.col("dataset") == "b").then(None).otherwise(pl.col("score")))
    y = requirements.Evaluation(tidy(failed, MARKS, draws=20), {}).row("auc", "y")
    assert (y["value"], y["n_real"], y["n_fake"], y["n_unscored"]) == (None, 0, 0, 3)


def test_the_table_can_be_made_again_to_the_last_digit() -> None:
    assert tidy(scores(), MARKS, seed=3, draws=50).equals(tidy(scores(), MARKS, seed=3, draws=50))


def number(metric: str, name: str, value: float | None) -> dict[str, Any]:
    bounds = {} if value is None else {"low": value - 0.01, "high": value + 0.01}
    return {"set": name, "metric": metric, "value": value, **bounds, "n_real": 50, "n_fake": 60}


def made_of(*rows: dict[str, Any]) -> requirements.Evaluation:
    return requirements.Evaluation(tables.build(rows), {"counts": {"real": {"a": {"ok": 9}}}})


def test_requirements_are_held_against_the_numbers() -> None:
    main = made_of(
        number("auc", "method x", 0.955),
        number("auc", "method y", 0.949),
        number("iou@0.5", "method x", 0.7),
        number("auc", "source a", 0.9),
        number("false_positive_rate@threshold", "source a", 0.021),
    )
    other = made_of(number("auc", "method x", 0.6))
    held = requirements.requirements(main, ["x", "y"], {"x": other})
    found = {one.what: (one.satisfied, one.sure) for one in held}
    assert found == {
        "AUC, x": (True, False),  # .945 to .965
        "AUC, y": (False, False),
        "map IoU, x": (True, True),
        "map IoU, y": (None, True),
        "false positives, reals of a": (False, False),
        "AUC on x when trained without it": (True, True),
        "AUC on y when trained without it": (None, True),
    }


def test_numbers_in_words() -> None:
    cells = {"value": 0.0123, "low": 0.0, "high": 0.05}
    assert tables.number(cells) == "0.012 (0.000-0.050)"
    assert tables.number(cells, percent=True) == "1.2 % (0.0-5.0)"
    assert tables.number({**cells, "low": None}) == "0.012"
    assert tables.number({}) == tables.number({**cells, "value": None}) == "-"


def test_a_folder_without_an_evaluation(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps({}))
    with pytest.raises(ManifestError, match="holds no finished evaluation"):
        report.write(tmp_path / "report.md", tmp_path)
    assert not (tmp_path / "report.md").exists()


def test_a_method_whose_sources_have_hardly_a_real_is_compared_with_all() -> None:
    rows = scores()
    alone = rows.filter(method="x").with_columns(pl.lit("drawn").alias("dataset"), pl.lit("z").alias("method"))
    found = {part.method: part for part in slices(pl.concat([rows, alone])) if part.kind == "method"}
    assert (found["z"].rows["label"] == 0).sum() == (rows["label"] == 0).sum()
    assert found["z"].note == "compared with all reals: there are 0 of the same sources"


def test_what_the_data_say_of_people_is_a_slice_of_their_reals_and_fakes() -> None:
    said = [{**row(f"p{n}", 0, n / 100, "a"), "attributes": ["female", "smiling"][: 1 + n % 2]} for n in range(24)]
    fakes = [row("p3", 1, 0.9, "a", "x"), row("somebody else", 1, 0.8, "a", "x")]
    table = requirements.Evaluation(tidy(pl.DataFrame([*said, *fakes], SCHEMA), MARKS, draws=20), {})
    assert table.attributes == ["female"], "of 12 smiling ones no rate can be told"
    auc = table.row("auc", attribute="female")
    assert (auc["n_real"], auc["n_fake"]) == (24, 1)
