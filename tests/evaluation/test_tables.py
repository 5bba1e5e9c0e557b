"""The tidy table: one schema, one meaning for each metric's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from facewitness.evaluation import tables
from facewitness.types import ManifestError


def test_a_row_may_lack_columns_and_nan_is_null() -> None:
    table = tables.build([{"set": "all", "metric": "auc", "value": float("nan")}])
    assert table.columns == list(tables.SCHEMA)
    assert table["value"].to_list() == table["low"].to_list() == [None]


def test_a_metric_without_a_meaning_is_refused() -> None:
    with pytest.raises(ManifestError, match="no metric 'iou'; there are"):
        tables.build([{"metric": "iou"}])


def test_a_set_is_named_by_method_and_source() -> None:
    assert tables.set_name(None, None) == "all"
    assert tables.set_name("swap", None) == "method swap"
    assert tables.set_name("swap", "lfw") == "method swap, source lfw"


def test_a_table_is_written_twice_and_the_same(tmp_path: Path) -> None:
    table = tables.build([{"set": "all", "metric": "auc", "value": 0.5, "n_seeds": 1}])
    csv = tables.write(table, tmp_path / "new" / "table.parquet")
    assert pl.read_parquet((tmp_path / "new" / "table.parquet").read_bytes()).equals(table)
    assert pl.read_csv(csv)["value"].to_list() == [0.5]
    assert tables.row(table, metric="auc")["value"] == 0.5
    assert tables.row(table, metric="eer") == {}


@pytest.mark.parametrize(
    ("cells", "options", "text"),
    [
        ({"value": 0.95, "low": 0.9312, "high": 1.0}, {}, "0.950 (0.931-1.000)"),
        ({"value": 0.95, "low": 0.9312, "high": 1.0}, {"bare": True}, "0.950"),
        ({"value": 0.95, "low": 0.9, "high": 1.0}, {"percent": True}, "95.0 % (90.0-100.0)"),
        ({"value": 7.04, "low": -1.0, "high": 9.0, "metric": "degradation"}, {}, "7.0 (-1.0 to 9.0)"),
        (
            {"value": 0.5, "low": 0.4, "high": 0.6, "n_seeds": 2, "seed_low": 0.45, "seed_high": 0.55},
            {"seeds": True},
            "0.500 (0.400-0.600) [0.450-0.550]",
        ),
        ({"value": None}, {}, "-"),
        ({}, {}, "-"),
    ],
)
def test_numbers_as_text(cells: dict[str, Any], options: dict[str, bool], text: str) -> None:
    assert tables.number(cells, **options) == text
