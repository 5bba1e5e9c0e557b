"""Curves of robustness: means, accuracies and gammas of a hand-made table; the report; the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.evaluation import robustness as rows
from facewitness.evaluation import tables
from facewitness.evaluation.robustness_report import curves
from tests.evaluation import scene


def _row(person: int, label: int, operator: str, level: int, score: float, coss: float | None) -> dict[str, Any]:
    known = {"path": f"{person}-{label}", "label": label, "person": str(person), "status": "ok"}
    seen = {"area": 0.02 * (level + 1) if not label else 0.5, "coss": coss}
    return {**known, "operator": operator, "level": level, "score": score, **seen}


def test_numbers_by_hand() -> None:
    made = []
    for person, (real, fake, harmed) in enumerate([(0.1, 0.9, 0.6), (0.2, 0.8, 0.4), (0.6, 0.7, 0.3), (0.3, 0.4, 0.2)]):
        made += [_row(person, 0, "none", 0, real, None), _row(person, 1, "none", 0, fake, 0.8)]
        made += [_row(person, 0, "jpeg", 1, real, None), _row(person, 1, "jpeg", 1, harmed, 0.2 * person)]
    table = tables.build(curves(pl.DataFrame(made, rows.SCHEMA), "one"))
    found = {(row["set"], row["metric"]): row for row in table.iter_rows(named=True)}
    assert found["none", "real_accuracy@0.5"]["value"] == 3 / 4
    assert found["none", "fake_accuracy@0.5"]["value"] == 3 / 4
    assert found["none", "balanced_accuracy@0.5"]["value"] == 3 / 4
    assert found["none", "auc"]["value"] == 15 / 16  # 0.4 lies below 0.6
    assert found["jpeg 1", "fake_accuracy@0.5"]["value"] == 1 / 4
    assert found["jpeg 1", "gamma(balanced_accuracy@0.5)"]["value"] == pytest.approx((3 / 4 + 1 / 4) / 2 / (3 / 4))
    assert ("none", "gamma(coss)") not in found
    assert found["jpeg 1", "coss"]["value"] == pytest.approx(0.3)
    assert found["jpeg 1", "gamma(coss)"]["value"] == pytest.approx(0.3 / 0.8)
    assert found["jpeg 1", "area@0.1"]["value"] == pytest.approx(0.04), "of reals alone"
    assert found["jpeg 1", "coss"]["low"] < 0.3 < found["jpeg 1", "coss"]["high"]
    assert found["none", "auc"]["n_real"] == 4


def test_the_command_writes_table_report_and_curves(tmp_path: Path) -> None:
    table = scene.write(tmp_path / "set", people=2)
    file = tmp_path / "docs" / "robust.md"
    said = f"evaluate robustness {table} --out {tmp_path / 'out'} --operator jpeg --limit 2 --report {file} -q"
    result = CliRunner().invoke(app, said.split())
    assert result.exit_code == 0, result.output
    found = pl.read_csv(tmp_path / "out" / "curves.csv")
    assert set(found["set"]) == {"none", *(f"jpeg {level}" for level in range(1, 6)), "disorganised"}
    text = file.read_text()
    assert "## JPEG compression (quality)" in text
    assert "| 5 = 10 |" in text
    assert "could not be judged: " in text
    assert file.with_suffix(".png").stat().st_size > 5000


def test_the_command_refuses_what_is_not_there(tmp_path: Path) -> None:
    table = scene.write(tmp_path / "set", people=2)
    for option, message in (("--operator", "jpeg, blur"), ("--target", "pair")):
        result = CliRunner().invoke(
            app, ["evaluate", "robustness", str(table), "--out", str(tmp_path / "o"), option, "fog"]
        )
        assert result.exit_code == 2
        assert message in result.output
