"""``facewitness data``: what is typed, what is answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from facewitness.cli import app
from facewitness.data import manifest
from facewitness.data.sources import LAYOUTS
from facewitness.media import image
from facewitness.types import Sample
from tests.data import trees
from tests.fakes import astronaut, save, texture


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Ten textures of ten people, half of them fakes."""
    samples = []
    for number in range(10):
        path = save(texture(seed=number), tmp_path / f"{number}.png")
        fake = number % 2
        samples.append(Sample(path, fake, "mine" if fake else "real", identities=(str(number),), dataset="x"))
    manifest.write(samples, tmp_path / "all.csv")
    return tmp_path / "all.csv"


def test_sources_lists_every_layout() -> None:
    lines = run("sources").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(LAYOUTS)


def test_prepare_says_what_became_of_what(tmp_path: Path) -> None:
    trees.uadfv(tmp_path / "set", [astronaut()[:360, 80:400]] * 2)
    (tmp_path / "set" / "real" / "0001.mp4").touch()
    result = run(
        "prepare", "uadfv", tmp_path / "set", "--out", tmp_path / "out", "--frames", 1, "--size", 64, "--quiet"
    )
    assert result.exit_code == 0, result.stderr
    assert "files: ok 2; unreadable 1" in result.stdout
    assert len(manifest.read(tmp_path / "out" / "manifest.parquet")) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("celebdf-v3", "."), 2, "did you mean 'celebdf-v2'"),
        (("uadfv", ".", "--faces", "some"), 2, "known: largest, all"),
        (("celebdf-v2", "."), 1, "expected Celeb-real"),
    ],
)
def test_prepare_of_what_is_not_there(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    source, root, *rest = arguments
    result = run("prepare", source, tmp_path / root, "--out", tmp_path / "out", *rest)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())


def test_audit_prints_writes_and_is_strict_when_asked(tmp_path: Path) -> None:
    samples = []
    for number in range(50):
        path = tmp_path / f"{number}{'.png' if number % 2 else '.jpg'}"
        path.write_bytes(image.encode(texture(seed=number), "png" if number % 2 else "jpeg:90"))
        samples.append(
            Sample(path, number % 2, "mine" if number % 2 else "real", identities=(str(number),), dataset="x")
        )
    manifest.write(samples, tmp_path / "all.csv")
    loose = run("audit", tmp_path / "all.csv", "--out", tmp_path / "a", "--report", tmp_path / "a.md", "--quiet")
    assert loose.exit_code == 0
    assert "warning: all: format alone reaches AUC 1.000" in loose.stdout
    assert json.loads((tmp_path / "a" / "audit.json").read_text())["warnings"]
    assert "# Audit" in (tmp_path / "a.md").read_text()
    assert run("audit", tmp_path / "all.csv", "--strict", "--quiet").exit_code == 1


def test_split_sample_merge_and_show(table: Path, tmp_path: Path) -> None:
    divided = tmp_path / "divided.parquet"
    assert run("split", table, "--out", divided, "--shares", 0.6, 0.2, 0.2).exit_code == 0
    assert {s.split for s in manifest.read(divided)} == {"train", "val", "test"}
    few = tmp_path / "few.parquet"
    assert run("sample", divided, "--out", few, "--most", 1).exit_code == 0
    assert len(manifest.read(few)) <= 6
    assert run("sample", divided, "--out", few).exit_code == 2
    refused = run("merge", divided, few, "--out", tmp_path / "both.csv")
    assert refused.exit_code == 1
    assert "already" in refused.stderr
    shown = run("show", table, "--out", tmp_path / "sheet.jpg", "--each", 2)
    assert shown.exit_code == 0
    assert image.read(tmp_path / "sheet.jpg").shape[0] > 300
    assert run("show", table, "--out", tmp_path / "sheet.gif").exit_code == 2
