"""The demo is the first thing anybody runs: it must end well with the shipped weights, and fail when they fail."""

import sys
from pathlib import Path

import numpy as np
import pytest

from examples import demo
from facewitness.types import Sample

FACE = np.array([[40.0, 40.0], [60.0, 60.0]], np.float32)
SAMPLES = [Sample(Path("a.jpg"), 0, landmarks=FACE), Sample(Path("b.jpg"), 1, "selfblend", landmarks=FACE)]


def test_ends_well_with_the_shipped_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SHARED", tmp_path / "absent")
    monkeypatch.setattr(sys, "argv", ["demo", "--out", str(tmp_path / "out")])
    code = demo.main()
    printed = capfd.readouterr()
    assert code == 0, printed.err
    assert printed.out.count("face 1:") == 6  # the original and five forgeries
    assert "found; scores" in printed.out
    assert (tmp_path / "out" / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    ("original", "forged", "failed"), [(0.2, 0.3, False), (0.3, 0.3, True), (0.3, 0.2, True), (0.3, None, True)]
)
def test_fails_unless_the_forgery_scores_above(original: float, forged: float | None, failed: bool) -> None:
    results = [{"faces": [{"box": [30, 30, 70, 70], "score": score}]} for score in (original, forged)]
    assert demo.report_failures(SAMPLES, results) is failed


def test_fails_if_the_score_is_that_of_something_else() -> None:
    there, elsewhere = [30, 30, 70, 70], [100, 100, 140, 140]
    results = [{"faces": [{"box": box, "score": score}]} for box, score in ((there, 0.1), (elsewhere, 0.9))]
    assert demo.report_failures(SAMPLES, results) is True
