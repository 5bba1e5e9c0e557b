"""From records to shots, tracks, verdicts and spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facewitness.scanning.records import FaceRecord, LookRecord, SegmentRecord
from facewitness.scanning.tracks import assemble, forged_spans, logit, sharpest, smoothed
from facewitness.scanning.video import SegmentEnd, VideoInfo
from facewitness.types import Report, Status, Verdict, VideoCalibration
from tests.fakes import FAKE_CARD

LIMITS = VideoCalibration(fake_above=0.8, real_below=0.3, span_above=0.85, frames=32, min_frames=8)
CARD = replace(FAKE_CARD, video=LIMITS)
INFO = VideoInfo("ab" * 32, (200, 400), 20.0, 500, 2, ("a note",))
LEFT, RIGHT = (10.0, 10.0, 60.0, 70.0), (200.0, 10.0, 250.0, 70.0)
STRIPES = (np.indices((18, 32)).sum(0) % 8 * 32).astype(np.uint8)


def face(box: tuple[float, float, float, float], score: float | None, seed: int = 0) -> FaceRecord:
    if score is None:
        return FaceRecord(box, Status.FACE_TOO_SMALL)
    rng = np.random.default_rng(seed)
    landmarks = (rng.random((68, 2)) * 40 + box[:2]).astype(np.float32)
    return FaceRecord(box, Status.OK, 0.0, score, {}, 1.0, landmarks, rng.integers(0, 256, (8, 8, 3), np.uint8))


def segment(
    looks: Sequence[LookRecord], start_s: float = 0.0, cuts: tuple[float, ...] = (), dark: bool = False
) -> SegmentRecord:
    picture = np.zeros_like(STRIPES) if dark else STRIPES
    return SegmentRecord(tuple(looks), SegmentEnd(cuts, 0, start_s, picture, picture))


def report(*segments: SegmentRecord, card: object = CARD) -> Report:
    return assemble(Path("/x/a.mp4"), INFO, segments, card, {"name": "fake"})[0]


def looks(scores: Sequence[float | None], start_s: float = 0.0, box: tuple[float, ...] = LEFT) -> list[LookRecord]:
    return [LookRecord(n, start_s + n / 4, (face(box, score),)) for n, score in enumerate(scores)]


def test_two_people_are_two_tracks_and_the_worst_decides() -> None:
    both = [LookRecord(n, n / 4, (face(LEFT, 0.1, 1), face(RIGHT, 0.95, 2))) for n in range(20)]
    made = report(segment(both))
    assert [track.verdict for track in made.tracks] == [Verdict.REAL, Verdict.FAKE]
    assert (made.verdict, made.status) == (Verdict.FAKE, Status.OK)
    assert made.score == pytest.approx(0.95)
    assert [finding.track for finding in made.findings] == [0, 1] * 20
    assert made.tracks[1].spans[0].start_s == 0
    assert made.tracks[1].spans[0].end_s == pytest.approx(4.75)
    assert made.tracks[0].spans == ()


def test_the_score_of_a_track_is_the_mean_of_its_logits() -> None:
    scores = [0.2, 0.5, 0.9] * 4
    made = report(segment(looks(scores)))
    want = 1 / (1 + np.exp(-logit(np.array(scores)).mean()))
    assert made.tracks[0].score == pytest.approx(want)


def test_a_cut_ends_a_track_within_a_segment_and_between_two() -> None:
    made = report(segment(looks([0.1] * 20), cuts=(2.5,)), segment(looks([0.1] * 20, 5.0), 5.0, dark=True))
    assert [(shot.start_s, shot.end_s) for shot in made.shots] == [(0, 2.5), (2.5, 5), (5, 20)]
    assert [(track.shot, track.frames) for track in made.tracks] == [(0, 10), (1, 10), (2, 20)]


def test_segments_of_one_shot_go_on() -> None:
    made = report(segment(looks([0.1] * 20)), segment(looks([0.1] * 20, 5.0), 5.0))
    assert len(made.shots) == len(made.tracks) == 1
    assert made.tracks[0].frames == 40


def test_too_few_frames_leave_it_open_and_say_so() -> None:
    made = report(segment(looks([0.99] * 7)))
    assert made.verdict is made.tracks[0].verdict is Verdict.INCONCLUSIVE
    assert "only 7 frames" in made.tracks[0].reason
    assert "8 frames a verdict needs" in made.notes[-1]


def test_a_passer_by_does_not_decide() -> None:
    long, short = looks([0.1] * 20), looks([0.99] * 5, box=RIGHT)
    both = [replace(look, faces=look.faces + (short[n].faces if n < 5 else ())) for n, look in enumerate(long)]
    made = report(segment(both))
    assert made.verdict is Verdict.REAL
    assert made.score == pytest.approx(0.1)


def test_a_forged_stretch_forbids_the_verdict_real() -> None:
    made = report(segment(looks([0.02] * 30 + [0.97] * 8 + [0.02] * 30)))
    assert made.tracks[0].score < LIMITS.real_below
    assert made.verdict is Verdict.INCONCLUSIVE
    (span,) = made.tracks[0].spans
    assert span.start_s == pytest.approx(7.5, abs=0.6)
    assert span.end_s == pytest.approx(9.4, abs=0.6)


def test_without_thresholds_there_is_no_verdict() -> None:
    made = report(segment(looks([0.9] * 20)), card=FAKE_CARD)
    assert made.verdict is None
    assert made.tracks[0].spans == ()
    assert made.score == pytest.approx(0.9)
    assert "no thresholds for videos" in made.notes[-1]


@pytest.mark.parametrize(("found", "status"), [((), Status.NO_FACE), ((face(LEFT, None),), Status.FACE_TOO_SMALL)])
def test_nobody_to_judge_is_a_status(found: tuple[FaceRecord, ...], status: Status) -> None:
    made = report(segment([LookRecord(n, n / 4, found) for n in range(9)]))
    assert (made.status, made.score, made.verdict) == (status, None, None)


def test_the_sharpest_of_each_interval() -> None:
    times, sharp = np.arange(100) / 10, np.arange(100) % 10 == 7
    taken = sharpest(times, sharp.astype(float), 10)
    assert len(taken) == 10
    assert sharp[taken].all()
    assert len(sharpest(times, sharp.astype(float), None)) == 100


def test_a_single_high_frame_is_no_span() -> None:
    times = np.arange(40) / 4
    values = np.full(40, -4.0)
    values[20] = 6.0
    assert forged_spans(times, values, 0.9) == []
    assert smoothed(times, values)[20] == pytest.approx((6 - 4 * 2) / 3)


def test_records_are_kept_as_they_are() -> None:
    made = segment([LookRecord(3, 0.75, (face(LEFT, 0.4), face(RIGHT, None)))], 0.5, (1.5,))
    again = SegmentRecord.from_json(made.to_json())
    one, other = made.looks[0].faces[0], again.looks[0].faces[0]
    np.testing.assert_allclose(one.landmarks, other.landmarks, atol=1 / 30)
    np.testing.assert_array_equal(one.appearance, other.appearance)
    assert (other.box, other.score, again.end.cuts) == (one.box, one.score, made.end.cuts)
    np.testing.assert_array_equal(again.end.first, STRIPES)


def test_what_is_beside_the_score_follows_the_face() -> None:
    still = report(segment(looks([0.5] * 12))).tracks[0].evidence
    assert still["landmark_jitter"] == still["score_spread"] == still["head_motion_gap"] == 0
    moved = [LookRecord(n, n / 4, (face(LEFT, 0.2 + n % 2 / 2, n),)) for n in range(12)]
    one = replace(INFO, duration_s=3.0)
    same = [replace(look, faces=(replace(look.faces[0], appearance=moved[0].faces[0].appearance),)) for look in moved]
    jumpy = assemble(Path("a"), one, [segment(same)], CARD, {})[0].tracks[0].evidence
    assert jumpy["landmark_jitter"] > 0.1
    assert jumpy["head_motion_gap"] > 0.05
    assert jumpy["score_spread"] > 0.5
