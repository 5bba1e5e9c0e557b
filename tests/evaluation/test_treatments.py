"""Verdicts under treatment: shares by hand from rows, and the command from photographs to a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.evaluation import tables
from facewitness.evaluation.robustness import SCHEMA
from facewitness.evaluation.treatments import tidy, treatments
from facewitness.media.degrade import TREATMENTS
from facewitness.types import Calibration, CardError
from tests.evaluation import scene
from tests.fakes import FAKE_CARD, FakeDetector

CALIBRATION = Calibration(1.0, fake_above=0.9, real_below=0.5)
SCORES = {  # (untreated, treated) of one source each
    ("real", "studio"): [(0.1, 0.2), (0.1, 0.6), (0.1, 0.95), (0.7, 0.95)],
    ("real", "street"): [(0.1, 0.1)],
    ("blur", "studio"): [(0.95, 0.95), (0.95, 0.7), (0.95, 0.2), (0.6, 0.1)],
}


def _rows() -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for (method, dataset), scores in SCORES.items():
        for number, pair in enumerate(scores):
            known = {"path": f"{dataset}/{method}-{number}", "label": int(method != "real"), "method": method}
            known |= {"dataset": dataset, "person": f"{dataset} {number}", "status": "ok"}
            rows += [
                {**known, "operator": operator, "level": level, "score": score}
                for operator, level, score in (("none", 0, pair[0]), ("beauty", 1, pair[1]))
            ]
    rows.append({"path": "lost", "label": 0, "method": "real", "dataset": "studio", "status": "no_face"})
    return pl.DataFrame(rows, SCHEMA)


def _value(table: pl.DataFrame, metric: str, source: str = "all", treatment: str = "beauty") -> float:
    return float(tables.row(table, table=treatment, set=source, metric=metric)["value"])


def test_false_alarms_and_changed_verdicts_are_counted() -> None:
    table = tables.build(tidy(_rows(), CALIBRATION, "x"))
    assert _value(table, "false_positive_rate@threshold", treatment="none") == 0
    assert _value(table, "false_positive_rate@threshold") == 2 / 5
    assert _value(table, "false_positive_rate@threshold", "source studio") == 2 / 4
    assert _value(table, "false_positive_rate@threshold", "source street") == 0
    assert _value(table, "inconclusive_real") == 1 / 5
    assert _value(table, "recall@threshold", treatment="none") == 3 / 4
    assert _value(table, "recall@threshold") == 1 / 4
    # sure before: four reals and three fakes, of which two and two have another verdict, and one each the opposite one
    assert _value(table, "changed_verdict") == pytest.approx(4 / 7)
    assert _value(table, "reversed_verdict") == pytest.approx(2 / 7)
    assert _value(table, "changed_verdict", treatment="none") == 0
    assert _value(table, "auc", treatment="none") > _value(table, "auc")


@pytest.mark.slow
def test_the_command_writes_a_table_and_a_report(tmp_path: Path) -> None:
    scene.write(tmp_path / "set", people=2)
    arguments = ["evaluate", "treatments", str(tmp_path / "set" / "manifest.parquet"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--report", str(tmp_path / "page.md"), "--workers", "1", "--quiet"])
    assert result.exit_code == 0, result.output
    table = pl.read_csv(tmp_path / "out" / "treatments.csv")
    assert set(table["table"]) == {"none", *TREATMENTS}
    text = (tmp_path / "page.md").read_text()
    for operator in TREATMENTS.values():
        assert f"| {operator.summary} | " in text
    assert "## False alarms by source" in text


def test_a_detector_without_thresholds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="has no thresholds"):
        treatments(tmp_path / "none.parquet", FakeDetector(card=replace(FAKE_CARD, calibration=None)), tmp_path)
