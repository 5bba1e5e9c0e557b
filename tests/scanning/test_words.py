"""The sentence that goes with a verdict, and words for everything that a report may hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facewitness.scanning.words import (
    EVIDENCE_WORDS,
    STATUS_WORDS,
    VERDICT_WORDS,
    rate_words,
    statement,
    video_statement,
)
from facewitness.types import Calibration, EvidenceKind, Status, Verdict, VideoCalibration

CALIBRATION = Calibration(1.0, 0.9, 0.3, {"london": 300, "canada": 100}, fake_rate=0.01)


def test_there_is_a_word_for_everything() -> None:
    assert set(VERDICT_WORDS) == {None, *(one.value for one in Verdict)}
    assert set(STATUS_WORDS) == {one.value for one in Status}
    assert list(EVIDENCE_WORDS) == [one.value for one in EvidenceKind]


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (0.95, "At or above 0.900, which 1 % of real faces reach by mistake. Learnt from 400 real photographs."),
        (0.5, "Between 0.300, which 5 % of real faces reach, and 0.900, which 1 % of real faces reach: no verdict."),
        (0.1, "Below 0.300, which 5 % of real faces reach: like 95 % of them. No proof that it is real."),
    ],
)
def test_a_verdict_comes_with_the_rate_of_its_threshold(score: float, said: str) -> None:
    assert statement(Status.OK, score, CALIBRATION.verdict(score), CALIBRATION).startswith(said)


def test_a_verdict_that_does_not_hold_says_so() -> None:
    said = statement(Status.OK, 0.95, Verdict.INCONCLUSIVE, CALIBRATION)
    assert "At or above 0.900" in said
    assert "does not hold under mild changes of the picture: no verdict" in said


def test_thresholds_of_a_profile_name_it_and_unknown_rates_are_not_invented() -> None:
    mine = replace(CALIBRATION, profile="archive", fake_rate=0.02)
    assert "which 2 % of photographs like those of the profile archive reach" in statement(
        Status.OK, 0.95, Verdict.FAKE, mine
    )
    given = replace(CALIBRATION, fake_rate=None)
    assert "whose rate of false alarms is not known." in statement(Status.OK, 0.95, Verdict.FAKE, given)


def test_what_was_not_judged_has_no_verdict() -> None:
    assert statement(Status.NO_FACE, None, None, CALIBRATION) == "No face found: no verdict."
    assert "not calibrated" in statement(Status.OK, 0.5, None, None)
    assert rate_words(0.005) == "0.5 %"


def test_a_video_has_a_sentence_of_its_own() -> None:
    clips = VideoCalibration(0.9, 0.4, 0.95, counts={"a": 300, "b": 20})
    said = [video_statement(Status.OK, score, clips.verdict(score), clips) for score in (0.95, 0.6, 0.1)]
    assert said[0] == "At or above 0.900, which 1 % of real clips reach by mistake. Learnt from 320 real clips."
    assert said[1].startswith("Between 0.400, which 5 % of real clips reach, and 0.900")
    assert said[2].startswith("Below 0.400")
    assert "too few frames" in video_statement(Status.OK, 0.95, Verdict.INCONCLUSIVE, clips)
    assert "no thresholds for videos" in video_statement(Status.OK, 0.95, None, None)
    assert video_statement(Status.NO_FACE, None, None, clips) == "No face found: no verdict."
