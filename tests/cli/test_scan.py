"""What the options of ``facewitness scan`` do, and ``facewitness case``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from facewitness.cli import app, scan
from facewitness.detectors import zoo
from facewitness.scanning.pool import WorkerPool
from tests import fakes


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that loads as the fake detector, which finds an astronaut inconclusive."""
    monkeypatch.setattr(zoo, "load", lambda name, threads=None, device="auto": fakes.FakeDetector())
    (tmp_path / "detector").mkdir()
    return tmp_path / "detector"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return fakes.save(fakes.astronaut(), tmp_path / "photos" / "a.png")


def run(detector: Path, *arguments: object, stdin: bytes | None = None) -> Result:
    command = ["scan", *map(str, arguments), "--detector", str(detector)]
    result = CliRunner().invoke(app, command, prog_name="facewitness", input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def parsed(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_goes_to_standard_output_and_leaves_nothing(detector: Path, photo: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = run(detector, photo, "--json")
    (entry,) = parsed(result)
    assert (entry["path"], entry["verdict"]) == (str(photo), "inconclusive")
    assert entry["faces"][0]["map"] is None
    assert sorted(tmp_path.rglob("*")) == before
    (kept,) = parsed(run(detector, photo, "--json", "--out", tmp_path / "out"))
    assert (tmp_path / "out" / kept["faces"][0]["map"]).is_file()


def test_a_dash_reads_standard_input(detector: Path, photo: Path, tmp_path: Path) -> None:
    for _ in range(2):
        (entry,) = parsed(run(detector, "-", "--json", "--out", tmp_path / "out", stdin=photo.read_bytes()))
        assert Path(entry["path"]).read_bytes() == photo.read_bytes()
    (bad,) = parsed(run(detector, "-", "--json", stdin=b"no picture"))
    assert bad["status"] == "unsupported"


def test_addresses_are_refused_in_one_line(detector: Path, tmp_path: Path) -> None:
    for address in ("https://example.org/a.jpg", "s3://bucket/a.jpg"):
        result = run(detector, address, "--out", tmp_path / "out")
        assert result.exit_code == 2
        assert "addresses are not fetched; download the file and name it" in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_an_output_must_be_named_and_only_one(detector: Path, photo: Path, tmp_path: Path) -> None:
    assert "--out DIR, --case DIR, or --json" in run(detector, photo).stderr
    assert run(detector, photo, "--out", tmp_path / "a", "--case", tmp_path / "b").exit_code == 2
    assert run(detector, tmp_path / "none.jpg", "--json").exit_code == 2


def test_exclude_leaves_out_by_name_and_by_path(detector: Path, photo: Path, tmp_path: Path) -> None:
    for name in ("b.png", "sub/c.png", "sub/deep/d.png", "other/e.png"):
        fakes.save(fakes.texture(), photo.parent / name)

    def names(*exclude: str) -> set[str]:
        options = [word for pattern in exclude for word in ("--exclude", pattern)]
        return {Path(entry["path"]).name for entry in parsed(run(detector, photo.parent, "--json", *options))}

    assert names() == {"a.png", "b.png", "c.png", "d.png", "e.png"}
    assert names("b.*", "other") == {"a.png", "c.png", "d.png"}
    assert names("sub/deep") == {"a.png", "b.png", "c.png", "e.png"}
    assert names("sub/*.png") == {"a.png", "b.png", "e.png"}
    assert names("photos") == names()  # what was named is not left out


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [((), 0), (("inconclusive",), 4), (("fake",), 0), (("error",), 5), (("error", "inconclusive"), 4)],
)
def test_fail_on_gives_exit_codes(
    detector: Path, photo: Path, tmp_path: Path, fail_on: tuple[str, ...], code: int
) -> None:
    (photo.parent / "broken.jpg").write_text("no picture")
    options = [word for name in fail_on for word in ("--fail-on", name)]
    assert run(detector, photo.parent, "--out", tmp_path / "out", *options).exit_code == code


def test_a_threshold_changes_the_verdict_and_says_that_its_rate_is_unknown(detector: Path, photo: Path) -> None:
    result = run(detector, photo, "--json", "--threshold", "0.1", "--fail-on", "fake")
    (entry,) = parsed(result)
    assert (entry["verdict"], result.exit_code) == ("fake", scan.FAIL_CODES[scan.FailOn.FAKE])
    assert "whose rate of false alarms is not known" in entry["statement"]


def test_a_timeout_is_handed_on(detector: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facewitness.scanning import pipeline

    limits: list[tuple[int, float]] = []

    class Pool(WorkerPool):
        def __init__(self, count: int, profile: Any, preview_px: int, time_limit_s: float, stable: bool) -> None:
            limits.append((count, time_limit_s))
            super().__init__(count, profile, preview_px, time_limit_s, stable)

    monkeypatch.setattr(pipeline, "WorkerPool", Pool)
    assert parsed(run(detector, photo, "--json", "--timeout", "77"))[0]["status"] == "ok"
    assert limits == [(1, 77.0)]


def test_a_case_is_made_checked_and_found_spoilt(detector: Path, photo: Path, tmp_path: Path) -> None:
    case = tmp_path / "case"
    made = run(detector, photo, "--case", case)
    assert made.exit_code == 0
    assert "SHA-256 of SHA256SUMS, to be kept elsewhere" in made.stdout
    (entry,) = map(json.loads, (case / "results.jsonl").read_text().splitlines())
    assert entry["faces"][0]["variants"]  # stability is on for a case

    def verify() -> Result:
        return CliRunner().invoke(app, ["case", "verify", str(case)], prog_name="facewitness")

    assert verify().exit_code == 0
    assert verify().stdout.split()[-1] == made.stdout.split()[-1]
    (case / "report.html").write_text("changed")
    assert (verify().exit_code, verify().stdout) == (1, "changed: report.html\n")
    plain = run(detector, photo, "--case", tmp_path / "quick", "--no-stability", "--json")
    assert parsed(plain)[0]["faces"][0]["variants"] == {}
    assert "case.pdf" in plain.stderr


def test_completion_is_there() -> None:
    result = CliRunner().invoke(app, ["--help"], prog_name="facewitness")
    assert "--install-completion" in result.stdout


def test_notes_explain_a_verdict_on_the_terminal(detector: Path, photo: Path, tmp_path: Path) -> None:
    from facewitness.media import image

    stamped = tmp_path / "s.jpg"
    stamped.write_bytes(image.encode(fakes.astronaut(), synthetic="Synthetic: forged by a test"))
    out = run(detector, stamped, "--out", tmp_path / "out").stdout
    assert "the file itself says that it was forged or generated" in out
    assert 'Stamp of Facewitness: Stamped as a forgery: "Synthetic: forged by a test". Proves:' in out
    assert "Between 0.200, which 5 % of real faces reach, and 0.800" in out
    assert io.StringIO(out).readline().split()[-1] == "inconclusive"
