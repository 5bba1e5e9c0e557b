"""One photograph: statuses instead of scores, every face judged, maps where the faces are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from facewitness.media import faces
from facewitness.scanning import image, single
from facewitness.types import CardError, CropProfile, Detection, Image, Status, Verdict
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, crowd, save, texture


def test_a_face_is_scored_and_located(tmp_path: Path) -> None:
    path = save(astronaut(), tmp_path / "a.png")
    report = single.scan(path, FakeDetector())
    assert (report.source, report.status, report.notes) == (path, Status.OK, ())
    assert report.sha256 is not None
    assert len(report.sha256) == 64
    (finding,) = report.findings
    face = faces.find(astronaut())[0]
    crop, _ = faces.crop(astronaut(), face.landmarks, FAKE_CARD.crop)
    assert finding.score == pytest.approx(crop.astype(np.float32).mean() / 255, abs=1e-6)
    assert report.score == finding.score
    assert report.verdict is finding.verdict is Verdict.INCONCLUSIVE
    assert finding.box == face.box
    assert report.detector["name"] == "fake.brightness"
    assert {"python", "numpy", "onnxruntime"} <= set(report.versions)


def test_the_map_lies_on_the_photograph_it_came_from(tmp_path: Path) -> None:
    # the fake's map is the crop's gray values: put back, it must look like the photograph there
    (finding,) = single.scan(save(astronaut(), tmp_path / "a.png"), FakeDetector()).findings
    assert finding.map is not None
    assert finding.window is not None
    left, top, right, bottom = finding.window
    assert finding.map.shape == (bottom - top, right - left)
    gray = astronaut()[top:bottom, left:right].astype(np.float32).mean(-1) / 255
    inside = cv2.erode((finding.map > 0).astype(np.uint8), np.ones((9, 9))) > 0
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.5)  # the crop has fewer pixels than the photograph
    assert np.abs(smooth - finding.map)[inside].mean() < 0.03
    assert 0 <= finding.map.min() <= finding.map.max() <= 1


def test_the_photograph_scores_as_its_highest_face(tmp_path: Path) -> None:
    rgb = crowd()
    rgb[:, 512:] = rgb[:, 512:] // 2
    report = single.scan(save(rgb, tmp_path / "two.png"), FakeDetector())
    scores = [finding.score for finding in report.findings]
    assert len(scores) == 2
    assert scores[0] > scores[1]
    assert report.score == max(scores)


@pytest.mark.parametrize(("shade", "verdict"), [(0.1, Verdict.REAL), (1.0, Verdict.INCONCLUSIVE), (8.0, Verdict.FAKE)])
def test_verdicts_follow_the_thresholds(tmp_path: Path, shade: float, verdict: Verdict) -> None:
    class Shaded(FakeDetector):
        def __call__(self, crops: Image) -> Detection:
            answer = super().__call__(crops)
            return replace(answer, score=np.clip(answer.score * np.float32(shade), 0, 1))

    report = single.scan(save(astronaut(), tmp_path / "a.png"), Shaded())
    assert report.verdict is verdict


def test_a_face_too_small_has_a_status_and_no_score(tmp_path: Path) -> None:
    card = replace(FAKE_CARD, crop=replace(FAKE_CARD.crop, min_face_px=70))
    detector = FakeDetector(card)
    report = single.scan(save(crowd(), tmp_path / "two.png"), detector)
    assert [finding.status for finding in report.findings] == [Status.OK, Status.FACE_TOO_SMALL]
    assert report.findings[1].score is report.findings[1].verdict is report.findings[1].map is None
    assert report.status is Status.OK
    assert report.notes == ("1 face is smaller than the 70 px this detector needs",)
    assert detector.calls == [(1, 64, 64, 3)]


def test_only_small_faces_make_a_small_faced_file(tmp_path: Path) -> None:
    detector = FakeDetector(replace(FAKE_CARD, crop=replace(FAKE_CARD.crop, min_face_px=1000)))
    report = single.scan(save(crowd(), tmp_path / "two.png"), detector)
    assert report.status is Status.FACE_TOO_SMALL
    assert report.score is report.verdict is None
    assert detector.calls == []


def test_no_face_is_no_score(tmp_path: Path) -> None:
    detector = FakeDetector()
    report = single.scan(save(texture(), tmp_path / "x.png"), detector)
    assert (report.status, report.score, report.verdict, report.findings) == (Status.NO_FACE, None, None, ())
    assert detector.calls == []


def test_an_unreadable_file_is_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("text")
    report = single.scan(tmp_path / "x.jpg", FakeDetector())
    assert (report.status, report.score) == (Status.UNSUPPORTED, None)
    assert report.sha256 is not None
    assert "not a picture" in report.notes[0]
    missing = single.scan(tmp_path / "none.jpg", FakeDetector())
    assert (missing.status, missing.sha256) == (Status.UNREADABLE, None)


def test_without_calibration_there_is_a_score_and_no_verdict(tmp_path: Path) -> None:
    detector = FakeDetector(replace(FAKE_CARD, calibration=None))
    report = single.scan(save(astronaut(), tmp_path / "a.png"), detector)
    assert report.score is not None
    assert report.verdict is report.findings[0].verdict is None
    assert report.notes == (image.UNCALIBRATED,)


def test_a_detector_without_a_map(tmp_path: Path) -> None:
    detector = FakeDetector(replace(FAKE_CARD, has_map=False))
    (finding,) = single.scan(save(astronaut(), tmp_path / "a.png"), detector).findings
    assert finding.score is not None
    assert finding.map is finding.window is None


def test_another_crop_profile_refuses_before_reading(tmp_path: Path) -> None:
    detector = FakeDetector(replace(FAKE_CARD, crop=CropProfile(finder="yunet")))
    with pytest.raises(CardError, match="this version has"):
        single.scan(tmp_path / "does-not-exist.png", detector)


def test_a_score_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    class Broken(FakeDetector):
        def __call__(self, crops: Image) -> Detection:
            return replace(super().__call__(crops), score=np.full(len(crops), np.nan, np.float32))

    with pytest.raises(CardError, match="not numbers"):
        single.scan(save(astronaut(), tmp_path / "a.png"), Broken())


def test_every_crop_has_its_answer() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (35, 64, 64, 3), np.uint8)
    answer = image.run(FakeDetector(), crops)
    np.testing.assert_allclose(answer.score, crops.mean((1, 2, 3)) / 255, rtol=1e-5)
    assert answer.map is not None
    assert answer.map.shape == (len(crops), 64, 64)


def test_a_preview_keeps_proportions_and_never_enlarges() -> None:
    assert image.preview(texture(300, 600), 200).shape == (100, 200, 3)
    assert image.preview(texture(1, 6000), 200).shape == (1, 200, 3)
    small = texture(30, 20)
    assert image.preview(small, 200) is small


def test_every_frame_of_an_animation_is_looked_at(tmp_path: Path) -> None:
    nobody = PillowImage.fromarray(texture(512, 512))
    face = PillowImage.fromarray(astronaut())
    nobody.save(tmp_path / "x.webp", save_all=True, append_images=[face, nobody], lossless=True)
    report = single.scan(tmp_path / "x.webp", FakeDetector())
    assert report.status is Status.OK
    assert [finding.frame for finding in report.findings] == [1]
    assert (
        report.findings[0].score
        == report.score
        == single.scan(save(astronaut(), tmp_path / "a.png"), FakeDetector()).score
    )
    assert "looked at 3 of 3 frames" in report.notes


def test_nothing_found_says_what_was_looked_for(tmp_path: Path) -> None:
    (note,) = single.scan(save(texture(300, 400), tmp_path / "t.png"), FakeDetector()).notes
    assert note == "no face found: looked for upright faces of 40 px and more"


def test_a_turned_face_is_judged_upright_and_its_map_lies_turned(tmp_path: Path) -> None:
    detector = FakeDetector(replace(FAKE_CARD, crop=CropProfile(finder="mtcnn", size_px=64)))
    upright = single.scan(save(astronaut(), tmp_path / "up.png"), detector).findings[0]
    turned = single.scan(save(np.ascontiguousarray(np.rot90(astronaut())), tmp_path / "turned.png"), detector).findings[
        0
    ]
    assert (turned.turn_deg - upright.turn_deg) % 360 == pytest.approx(270, abs=3)
    assert upright.score == pytest.approx(turned.score, abs=0.01)
    assert upright.map is not None
    assert turned.map is not None
    back = np.rot90(turned.map, -1)
    height, width = (min(a, b) for a, b in zip(back.shape, upright.map.shape, strict=True))
    assert np.abs(back[:height, :width] - upright.map[:height, :width]).mean() < 0.06


def test_a_doubtful_face_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sure,) = faces.find(astronaut())
    monkeypatch.setattr(faces, "find", lambda *_, **__: [sure._replace(doubtful=True)])
    report = single.scan(save(astronaut(), tmp_path / "a.png"), FakeDetector())
    assert (report.status, report.score, report.verdict) == (Status.DOUBTFUL_FACE, None, None)
    assert "1 face is doubtful" in report.notes[0]
