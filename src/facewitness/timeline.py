"""What is known of a video along time: shots, tracks, forged spans, and the thresholds by which tracks are judged.

Values only, as in ``facewitness.types``, which re-exports them. Times are seconds from the first frame on.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class Verdict(StrEnum):
    """What a calibrated score means at the detector's two thresholds."""

    REAL = "real"
    INCONCLUSIVE = "inconclusive"
    FAKE = "fake"


class Thresholds:
    """What turns a score into a verdict."""

    __slots__ = ()
    fake_above: float
    real_below: float

    def verdict(self, score: float) -> Verdict:
        """The verdict for a score: fake from ``fake_above``, real below ``real_below``, inconclusive between."""
        if score >= self.fake_above:
            return Verdict.FAKE
        return Verdict.REAL if score < self.real_below else Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class VideoCalibration(Thresholds):
    """Thresholds for the mean score of a track, learnt on real clips: the rates are per clip, not per face."""

    fake_above: float  # at most `fake_rate` of the clips reach it (upper bound of 95 %)
    real_below: float  # likewise `real_rate`; between the two a verdict is inconclusive
    span_above: float  # a smoothed score that at most `real_rate` of the clips reach anywhere
    frames: int = 32  # of a track, at most, that its mean is over
    min_frames: int = 8  # a track with fewer is inconclusive
    fake_rate: float = 0.01
    real_rate: float = 0.05
    counts: Mapping[str, int] = field(default_factory=dict)  # clips it was learnt from, by source
    bounds: Mapping[str, float] = field(default_factory=dict)  # source -> no more of its clips are called fake (95 %)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a track whose scores are those of a forgery."""

    start_s: float
    end_s: float
    score: float  # mean of it


@dataclass(frozen=True, slots=True)
class Shot:
    """What lies between two cuts."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Track:
    """One face followed through a shot. ``score`` and ``verdict`` are None where no frame of it was scored."""

    shot: int  # index into the report's shots
    start_s: float
    end_s: float
    frames: int  # scored, of which at most as many as the calibration says were taken for the score
    score: float | None = None  # the mean logit of the frames taken, as a probability
    verdict: Verdict | None = None
    reason: str = ""  # why the verdict is not by the score alone
    spans: tuple[Span, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)  # ``peak_score``, of spans; see ``scanning.evidence``

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        values = asdict(self)
        return {**values, "verdict": None if self.verdict is None else self.verdict.value, "spans": [*values["spans"]]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the track of plain values."""
        verdict = None if data["verdict"] is None else Verdict(data["verdict"])
        return cls(**{**data, "verdict": verdict, "spans": tuple(Span(**span) for span in data["spans"])})
