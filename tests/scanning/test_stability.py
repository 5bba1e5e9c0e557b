"""Verdicts that hold, verdicts that do not, and what each face is judged by again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facewitness.media import faces
from facewitness.scanning import image, variants
from facewitness.scanning.pipeline import scan_paths
from facewitness.scanning.stability import checked
from facewitness.scanning.variants import TREATMENTS, face_window, shown
from facewitness.types import CropProfile, Detection, Image, Report, Verdict
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, crowd, save

PROFILE = CropProfile(size_px=96, further=(CropProfile(alignment="tiles", size_px=48, tiles=4),))


class Sharpness(FakeDetector):
    """Scores a crop by how much of it a blur would take away: every treatment but the margins lowers it."""

    def __call__(self, crops: Image) -> Detection:
        answer = super().__call__(crops)
        edges = np.abs(np.diff(crops.astype(np.float32), axis=2)).mean((1, 2, 3))
        return replace(answer, score=np.clip(edges / 16, 0, 1).astype(np.float32))


def judged(path: Path, detector: FakeDetector) -> Report:
    prepared = image.prepare(path, detector.card.crop, stable=True)
    assert prepared.crops is not None
    report = image.judge(prepared, image.run(detector, prepared.crops), detector.card, detector.identity)
    return checked(report, prepared, detector)


def calibrated(fake_above: float, real_below: float) -> FakeDetector:
    assert FAKE_CARD.calibration is not None
    calibration = replace(FAKE_CARD.calibration, fake_above=fake_above, real_below=real_below)
    return Sharpness(replace(FAKE_CARD, calibration=calibration))


def test_the_window_of_a_face_gives_the_crops_of_the_photograph() -> None:
    rgb = np.tile(astronaut(), (2, 2, 1))
    face = faces.find(rgb)[-1]
    window, points = face_window(rgb, face.landmarks)
    assert window.size < rgb.size / 2
    pairs = zip(faces.views(window, points, PROFILE), faces.views(rgb, face.landmarks, PROFILE), strict=True)
    crops = faces.crop(window, points, PROFILE)[0], faces.crop(rgb, face.landmarks, PROFILE)[0]
    for one, other in (crops, *pairs):
        np.testing.assert_allclose(one.astype(int), other, atol=1)  # coordinates are rounded elsewhere


def test_every_treatment_changes_the_crop_and_keeps_the_face_in_its_place() -> None:
    rgb = astronaut()
    face = faces.find(rgb)[0]
    plain = faces.crop(rgb, face.landmarks, PROFILE)[0].astype(np.float32)
    made = shown(rgb, face.landmarks, PROFILE)
    assert list(made) == list(TREATMENTS)
    for name, (crop, (tiles,)) in made.items():
        change = np.abs(crop.astype(np.float32) - plain).mean()
        assert 0.2 < change < (8 if "margin" not in name else 40), name
        assert tiles.shape[1:] == (48, 48, 3)
    smaller, larger = (made[f"{name} margin"][0].astype(np.float32) for name in ("smaller", "larger"))
    zoomed = PillowImage.fromarray(made["larger margin"][0]).resize((103, 103))  # (1 + 2 * .3) / (1 + 2 * .25)
    inner = np.asarray(zoomed, np.float32)[3:99, 3:99]
    assert np.abs(inner - plain).mean() < np.abs(larger - plain).mean() / 2
    assert np.abs(smaller - larger).mean() > 5


def test_a_verdict_that_holds_stays(tmp_path: Path) -> None:
    report = judged(save(astronaut(), tmp_path / "a.png"), calibrated(0.05, 0.01))
    assert report.verdict is report.findings[0].verdict is Verdict.FAKE
    assert set(report.findings[0].variants) == set(TREATMENTS)
    assert report.notes == ()


def test_a_verdict_that_flips_is_inconclusive_and_says_under_what(tmp_path: Path) -> None:
    path = save(astronaut(), tmp_path / "a.png")
    score = judged(path, calibrated(0.99, 0.0)).score
    assert score is not None
    report = judged(path, calibrated(score - 0.001, 0.0))
    assert report.verdict is report.findings[0].verdict is Verdict.INCONCLUSIVE
    assert report.score == score
    (note,) = report.notes
    assert note.startswith("face 1: the verdict fake does not hold (")
    assert "inconclusive under slight blur" in note
    assert "does not hold under mild changes" in report.statement


def test_the_file_has_the_worst_verdict_that_holds(tmp_path: Path) -> None:
    report = judged(save(crowd(), tmp_path / "two.png"), calibrated(0.99, 0.0))
    low, high = sorted(finding.score or 0.0 for finding in report.findings)
    between = judged(tmp_path / "two.png", calibrated(0.999, (low + high) / 2))
    assert {finding.verdict for finding in between.findings} >= {Verdict.INCONCLUSIVE}
    assert between.verdict is Verdict.INCONCLUSIVE


def test_faces_beyond_the_limit_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "FACES", 1)
    report = judged(save(crowd(), tmp_path / "two.png"), calibrated(0.05, 0.01))
    assert report.findings[0].variants
    assert not report.findings[1].variants
    assert report.notes == ("stability was checked for the first 1 of 2 faces",)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_scan_keeps_the_scores_and_knows_whether_it_has_them(tmp_path: Path, workers: int) -> None:
    photo = save(astronaut(), tmp_path / "a.png")

    def scan(stable: bool) -> tuple[int, dict[str, float]]:
        summary = scan_paths([photo], tmp_path / "out", FakeDetector(), workers=workers, stable=stable)
        line = json.loads((tmp_path / "out" / "results.jsonl").read_text())
        return summary.scanned, line["faces"][0]["variants"]

    assert scan(False) == (1, {})
    count, scores = scan(True)
    assert count == 1
    assert set(scores) == set(TREATMENTS)
    assert "under mild changes" in (tmp_path / "out" / "report.html").read_text()
    assert scan(True) == (0, scores)
