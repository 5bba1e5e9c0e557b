"""Labelled videos against a scan of them: frames and videos apart, spans along time, thresholds."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facewitness.detectors import cards
from facewitness.evaluation.video import evaluate_clips, judge_clips, read_clips, span_iou
from facewitness.evaluation.video_calibration import calibrate_video, calibrated
from facewitness.media.video_writer import VideoWriter
from facewitness.types import FacewitnessError, Finding, ManifestError, Report, Sample, Span, Status, Track, Verdict
from tests.fakes import FAKE_CARD

BOX = (10.0, 10.0, 40.0, 40.0)


def mask(path: Path, forged: range, count: int = 40) -> Path:
    with VideoWriter(path, (64, 64), 10) as writer:
        for number in range(count):
            plane = np.zeros((64, 64), np.uint8)
            if number in forged:
                plane[12:38, 12:38] = 255
            writer.add(plane)
    return path


def report(path: Path, scores: Sequence[float], verdict: Verdict, spans: Sequence[tuple[float, float]] = ()) -> Report:
    findings = tuple(
        Finding(BOX, Status.OK, score, time_s=n / 5, frame=2 * n, track=0) for n, score in enumerate(scores)
    )
    mean = float(np.mean(scores))
    found = tuple(Span(a, b, 0.9) for a, b in spans)
    track = Track(0, 0.0, 4.0, len(scores), mean, verdict, "", found, {"peak_score": max(scores)})
    return Report(path, Status.OK, None, {}, findings, mean, verdict, duration_s=4.0, tracks=(track,))


@pytest.fixture
def scene(tmp_path: Path) -> tuple[list[Sample], Path]:
    """Three real clips and three forged ones, of each half a second to two seconds forged."""
    samples, reports = [], []
    for number in range(3):
        real = tmp_path / f"real{number}.mp4"
        samples.append(Sample(real, 0, video=f"{number}", identities=(f"p{number}",), dataset="own"))
        reports.append(report(real, [0.1 + number / 10] * 20, Verdict.REAL))
        fake = tmp_path / f"fake{number}.mp4"
        region = mask(tmp_path / f"{number}.mkv", range(10, 30))
        told: dict[str, object] = {"method": "faceswap", "region": region, "attributes": ("crf-23",)}
        samples.append(Sample(fake, 1, video=f"{number}", identities=(f"p{number}",), dataset="own", **told))
        scores = [0.25] * 5 + [0.9] * 10 + [0.25] * 5
        reports.append(report(fake, scores, Verdict.FAKE if number else Verdict.REAL, [(1.0, 2.0)]))
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(one.to_json()) + "\n" for one in reports), encoding="utf-8")
    return samples, results


def test_frames_and_videos_are_told_apart(scene: tuple[list[Sample], Path], tmp_path: Path) -> None:
    table = evaluate_clips(*scene, tmp_path / "out", "default")
    with table.open(newline="", encoding="utf-8") as file:
        rows = {(row["set"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}
    assert rows["all", "video_auc"] == 1.0
    # Real faces: 20 each at .1, .2 and .3, and 30 at .25 in forged clips; all the forged ones are at .9.
    assert rows["all", "frame_auc"] == 1.0
    assert rows["all", "span_iou"] == pytest.approx(0.5)
    assert rows["all", "video_recall@threshold"] == pytest.approx(2 / 3)
    assert rows["all", "video_false_positive_rate@threshold"] == 0
    assert ("crf-23", "span_iou") in rows


def test_a_face_is_labelled_by_its_own_frame(scene: tuple[list[Sample], Path]) -> None:
    forged = [clip for clip in judge_clips(*scene) if clip.sample.label]
    for clip in forged:
        assert [label for _, label in clip.frames] == [0] * 5 + [1] * 10 + [0] * 5
        assert clip.span_iou == pytest.approx(0.5)


def test_videos_that_were_not_scanned_are_an_error(scene: tuple[list[Sample], Path], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="a scan of other files"):
        judge_clips([Sample(tmp_path / "other.mp4", 0)], scene[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="no video there"):
        read_clips(tmp_path / "empty")


@pytest.mark.parametrize(
    ("true", "found", "want"),
    [
        ([(0, 2)], [(1, 3)], 1 / 3),
        ([(0, 2)], [(0, 1), (0.5, 2)], 1.0),  # two tracks of one time
        ([(0, 1), (2, 3)], [(0, 3)], 2 / 3),
        ([(0, 1)], [], 0.0),
        ([], [], 0.0),
    ],
)
def test_intersection_over_union_along_time(
    true: list[tuple[float, float]], found: list[tuple[float, float]], want: float
) -> None:
    assert span_iou(true, found) == pytest.approx(want)


def clips(tmp_path: Path, scores: Sequence[float], source: str = "own") -> tuple[list[Sample], Path]:
    samples = [Sample(tmp_path / f"{source}{n}.mp4", 0, dataset=source) for n in range(len(scores))]
    reports = [report(s.path, [score] * 10, Verdict.REAL) for s, score in zip(samples, scores, strict=True)]
    results = tmp_path / f"{source}.jsonl"
    results.write_text("".join(json.dumps(one.to_json()) + "\n" for one in reports), encoding="utf-8")
    return samples, results


def test_thresholds_keep_their_rate_by_its_upper_bound(tmp_path: Path) -> None:
    scores = [n / 1000 for n in range(300)]
    cards.write(FAKE_CARD, tmp_path)
    learnt = calibrate_video(tmp_path, *clips(tmp_path, scores))
    assert cards.read(tmp_path).video == learnt
    assert sum(score >= learnt.fake_above for score in scores) == 0  # of 300, one is too many to promise 1 %
    assert 4 <= sum(score >= learnt.real_below for score in scores) <= 10
    assert learnt.counts == {"own": 300}
    assert learnt.bounds["own"] == pytest.approx(0.01, abs=5e-4)


def test_too_few_clips_promise_nothing(tmp_path: Path) -> None:
    with pytest.raises(FacewitnessError, match="299 are needed"):
        calibrated(judge_clips(*clips(tmp_path, [0.1] * 298)))
    samples, results = clips(tmp_path, [0.1] * 9)
    judged = [replace(clip, report=replace(clip.report, tracks=())) for clip in judge_clips(samples, results)]
    with pytest.raises(FacewitnessError, match="in none of 9 clips"):
        calibrated(judged)
