"""The vocabulary: verdicts at their thresholds, values that cannot change, one root for all errors."""

import dataclasses
import inspect
from pathlib import Path

import pytest

import facewitness
from facewitness import types
from facewitness.types import Calibration, FacewitnessError, MediaError, Sample, Status, Verdict


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (0.0, Verdict.REAL),
        (0.2999, Verdict.REAL),
        (0.3, Verdict.INCONCLUSIVE),  # at the lower threshold nobody is cleared
        (0.6999, Verdict.INCONCLUSIVE),
        (0.7, Verdict.FAKE),  # at the upper one it counts
        (1.0, Verdict.FAKE),
    ],
)
def test_verdict_at_the_thresholds(score: float, verdict: Verdict) -> None:
    assert Calibration(temperature=1.0, fake_above=0.7, real_below=0.3).verdict(score) is verdict


def test_no_room_between_the_thresholds_leaves_two_verdicts() -> None:
    calibration = Calibration(temperature=1.0, fake_above=0.5, real_below=0.5)
    assert {calibration.verdict(score) for score in (0.0, 0.49, 0.5, 1.0)} == {Verdict.REAL, Verdict.FAKE}


def test_values_cannot_be_changed() -> None:
    sample = Sample(Path("a.jpg"), 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.label = 1  # type: ignore[misc]


def test_every_error_has_one_root() -> None:
    errors = [value for value in vars(types).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert len(errors) >= 7
    assert all(issubclass(error, FacewitnessError) for error in errors)


def test_a_media_error_says_its_status() -> None:
    error = MediaError(Status.TOO_LARGE, "photo.jpg: too large")
    assert error.status is Status.TOO_LARGE
    assert str(error) == "photo.jpg: too large"


def test_public_names_exist() -> None:
    assert [name for name in facewitness.__all__ if not hasattr(facewitness, name)] == []
