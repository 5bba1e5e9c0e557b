"""Thresholds of the user's own photographs: what they promise, that they keep it, and for which detector."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facewitness.metrics.detection import upper_bound
from facewitness.scanning import profile as profiles
from facewitness.scanning.pipeline import Summary, scan_paths
from facewitness.scanning.profile import Profile, calibrate, read, thresholds
from facewitness.types import CardError, ScanError, Verdict
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, save


def scores(count: int, seed: int) -> list[float]:
    return [round(float(value), 6) for value in np.random.default_rng(seed).beta(1, 20, count)]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose scan is foretold: 400 photographs in ``press``, 100 in ``family``, one without a face."""
    reals = tmp_path / "archive"
    reals.mkdir()
    entries: list[tuple[str, float | None]] = [(f"press/{i}.jpg", score) for i, score in enumerate(scores(400, 1))]
    entries += [(f"family/deep/{i}.jpg", score) for i, score in enumerate(scores(100, 2))]
    entries.append(("none.jpg", None))

    def scanned(paths: list[Path], out: Path, detector: Any, **rest: Any) -> Summary:
        assert paths == [reals]
        out.mkdir(exist_ok=True)
        lines = [json.dumps({"path": str(reals / path), "score": score}) for path, score in entries]
        (out / "results.jsonl").write_text("\n".join(lines) + "\n")
        return Summary(out)

    monkeypatch.setattr(profiles, "scan_paths", scanned)
    return reals


def test_a_profile_promises_a_rate_by_sub_folder(archive: Path, tmp_path: Path) -> None:
    learnt = calibrate(archive, tmp_path / "mine", FakeDetector(), rate=0.02)
    every = [score for group in learnt.scores.values() for score in group]
    assert {name: len(group) for name, group in learnt.scores.items()} == {"family": 100, "press": 400}
    called = sum(score >= learnt.fake_above for score in every)
    assert upper_bound(called, 500) <= 0.02
    assert len(learnt.alarms) == called
    assert [alarm["score"] for alarm in learnt.alarms] == sorted((a["score"] for a in learnt.alarms), reverse=True)
    assert learnt.bounds["family"] == pytest.approx(upper_bound(learnt.called("family"), 100), abs=1e-4)
    assert learnt.bounds["press"] <= 0.02
    assert learnt.real_below < learnt.fake_above
    assert learnt.name == "mine"
    assert read(tmp_path / "mine") == read(tmp_path / "mine" / "profile.json") == learnt


def test_the_promise_is_kept_on_other_photographs(archive: Path, tmp_path: Path) -> None:
    learnt = calibrate(archive, tmp_path / "mine", FakeDetector(), rate=0.02)
    others = np.array(scores(20_000, 3))
    assert (others >= learnt.fake_above).mean() <= 0.02
    assert (others >= learnt.at(0.05).fake_above).mean() <= 0.05


def test_too_few_photographs_say_what_they_can_promise(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"500 photographs .* promise 0.1 % .* can promise 0.6 %"):
        calibrate(archive, tmp_path / "mine", FakeDetector(), rate=0.001)


def test_a_profile_belongs_to_its_detector(archive: Path, tmp_path: Path) -> None:
    learnt = calibrate(archive, tmp_path / "mine", FakeDetector(), rate=0.02)
    card = learnt.applied(FakeDetector()).card
    assert card.calibration is not None
    assert (card.calibration.profile, card.calibration.fake_rate, card.calibration.reals) == ("mine", 0.02, 500)
    with pytest.raises(CardError, match="learnt with the detector"):
        learnt.applied(FakeDetector(replace(FAKE_CARD, weights="1" * 64)))
    with pytest.raises(CardError, match="not calibrated"):
        calibrate(archive, tmp_path / "mine", FakeDetector(replace(FAKE_CARD, calibration=None)))


def test_what_is_no_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="not a profile of this version"):
        read(tmp_path)
    (tmp_path / "profile.json").write_text('{"format": 1, "bounds": {}, "name": "x"}')
    with pytest.raises(ScanError, match="make it again"):
        read(tmp_path)


def line(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "results.jsonl").read_text())
    return found


def test_a_scan_uses_and_names_the_profile(archive: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    learnt = calibrate(archive, mine, FakeDetector(), rate=0.02)
    photo = save(astronaut(), tmp_path / "a.png")
    scan_paths([photo], tmp_path / "out", FakeDetector(), workers=0)
    assert line(tmp_path / "out")["verdict"] == "inconclusive"
    scan_paths([photo], tmp_path / "out", FakeDetector(), workers=0, adjust=thresholds(mine, None, None))
    found = line(tmp_path / "out")
    assert found["verdict"] == "fake"
    assert found["detector"]["profile"] == "mine"
    assert found["detector"]["fake_above"] == learnt.fake_above
    assert "which 2 % of photographs like those of the profile mine reach by mistake" in found["statement"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "2 in 100" in page
    assert "profile mine" in page


def adjusted(*given: Any) -> Any:
    adjust = thresholds(*given)
    assert adjust is not None
    return adjust(FakeDetector()).card.calibration


def test_rates_and_thresholds_by_hand(archive: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    learnt = calibrate(archive, mine, FakeDetector(), rate=0.02)
    assert thresholds(None, None, None) is None
    assert adjusted(mine, 0.05, None).fake_above == learnt.at(0.05).fake_above < learnt.fake_above
    given = adjusted(None, None, 0.1)
    assert (given.fake_above, given.real_below, given.fake_rate) == (0.1, 0.1, None)
    assert given.verdict(0.1) is Verdict.FAKE
    assert adjusted(None, 0.01, None) == FAKE_CARD.calibration
    with pytest.raises(CardError, match="promises 1 % of false alarms; learn another rate"):
        adjusted(None, 0.02, None)


def test_a_profile_is_kept_as_numbers_not_as_a_promise(archive: Path, tmp_path: Path) -> None:
    calibrate(archive, tmp_path / "mine", FakeDetector(), rate=0.02)
    data = json.loads((tmp_path / "mine" / "profile.json").read_text())
    assert data["bounds"] == Profile(**{k: v for k, v in data.items() if k not in ("bounds", "format")}).bounds
