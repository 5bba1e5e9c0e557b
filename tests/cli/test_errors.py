"""What goes wrong inside a command, as the person at the keyboard sees it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from facewitness.cli import app
from facewitness.scanning import pipeline
from facewitness.types import FacewitnessError


def scan_that_raises(error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Result:
    def raising(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "scan_paths", raising)
    out = str(tmp_path / "report")
    return CliRunner().invoke(app, ["scan", str(tmp_path), "--out", out, "--detector", str(tmp_path)])


def test_an_error_of_ours_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = scan_that_raises(FacewitnessError("two\n  lines"), monkeypatch, tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "facewitness: two lines\n")


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = scan_that_raises(KeyboardInterrupt(), monkeypatch, tmp_path)
    assert result.exit_code == 130
    assert "type the same command again" in result.stderr


def test_a_folder_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = scan_that_raises(PermissionError(13, "Permission denied", "/there"), monkeypatch, tmp_path)
    assert (result.exit_code, result.stderr) == (1, "facewitness: /there: Permission denied\n")


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), ModuleNotFoundError("a typo", name="nunpy")])
def test_what_nobody_foresaw_keeps_its_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert scan_that_raises(error, monkeypatch, tmp_path).exception is error
