"""Reports as JSON: the published schema, and back again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from facewitness import Report
from facewitness.scanning.pipeline import scan_paths
from facewitness.scanning.results import schema
from tests.fakes import FakeDetector, astronaut, save, texture

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "report.json"


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text()) == schema()


@pytest.fixture
def reports(tmp_path: Path) -> list[dict[str, Any]]:
    photos = tmp_path / "photos"
    save(astronaut(), photos / "a.png")
    save(texture(), photos / "b.png")
    (photos / "c.jpg").write_text("no picture")
    scan_paths([photos], tmp_path / "out", FakeDetector(), workers=0)
    return [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]


def test_every_report_of_a_scan_fits_the_schema(reports: list[dict[str, Any]]) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    assert {report["status"] for report in reports} == {"ok", "no_face", "unsupported"}
    for report in reports:
        assert list(validator.iter_errors(report)) == []
    assert list(validator.iter_errors({**reports[0], "score": 2}))
    assert list(validator.iter_errors({name: value for name, value in reports[0].items() if name != "faces"}))


def test_a_report_is_read_back_without_its_maps(reports: list[dict[str, Any]]) -> None:
    for data in reports:
        maps = [face["map"] for face in data["faces"]]
        assert Report.from_json(data).to_json(maps) == data


@pytest.mark.parametrize(
    ("change", "message"), [({"format": 99}, "format 99 is not 1"), ({"faces": [{}]}, "no report"), ({}, "format None")]
)
def test_what_is_no_report_is_refused(change: dict[str, Any], message: str, reports: list[dict[str, Any]]) -> None:
    data = {**reports[0], **change} if change else {}
    with pytest.raises(ValueError, match=message):
        Report.from_json(data)
