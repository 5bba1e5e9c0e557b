"""The demo is the first thing anybody runs: it must end well with the shipped weights, and fail when they fail."""

import sys
from pathlib import Path

import pytest

from examples import demo
from forgesight.types import Sample

SAMPLES = [Sample(Path("a.jpg"), 0), Sample(Path("b.jpg"), 1, "selfblend")]


def test_ends_well_with_the_shipped_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SHARED", tmp_path / "absent")
    monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path / "out")])
    code = demo.main()
    printed = capfd.readouterr()
    assert code == 0, printed.err
    assert printed.out.count("face 1:") == 3  # the original and two forgeries
    assert (tmp_path / "out" / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    ("original", "forged", "failed"), [(0.2, 0.3, False), (0.3, 0.3, True), (0.3, 0.2, True), (0.3, None, True)]
)
def test_fails_unless_the_forgery_scores_above(original: float, forged: float | None, failed: bool) -> None:
    assert demo.report_failures(SAMPLES, [{"score": original}, {"score": forged}]) is failed
