"""``facewitness calibrate-video``: thresholds for tracks of videos, learnt on real clips, kept in a detector's card.

The stated rate is one per clip: a clip counts by the highest of its tracks, as a scan counts it. A threshold keeps its
rate by its upper bound of 95 % (Clopper and Pearson) on all clips together; what that promises for each source of them
stands beside it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import cards
from facewitness.detectors.base import Detector, detect
from facewitness.evaluation.video import JudgedClip, judge_clips
from facewitness.metrics.detection import bounded_threshold, upper_bound
from facewitness.types import Detection, FacewitnessError, Sample, VideoCalibration, Views

FAKE_RATE, REAL_RATE = 0.01, 0.05


def calibrate_video(folder: Path, samples: Sequence[Sample], results: Path) -> VideoCalibration:
    """Learn the thresholds from a scan of real clips and write them into ``card.json`` of a detector's folder.

    Args:
        folder: of the detector, with its card.
        samples: the clips; those that are labelled fake are left out. ``dataset`` names their source.
        results: ``results.jsonl`` of a scan of them with that detector.

    Raises:
        CardError: the folder has no card.
        FacewitnessError: there are too few clips for a threshold.
    """
    card = cards.read(folder)
    clips = judge_clips([sample for sample in samples if sample.label == 0], results)
    learnt = calibrated(clips)
    cards.write(replace(card, video=learnt), folder)
    return learnt


def calibrated(clips: Sequence[JudgedClip]) -> VideoCalibration:
    """The thresholds for some real clips.

    Raises:
        FacewitnessError: there are too few of them.
    """
    blank = VideoCalibration(1.0, 1.0, 1.0, fake_rate=FAKE_RATE, real_rate=REAL_RATE)
    found = []
    for clip in clips:
        tracks = [track for track in clip.report.tracks if track.frames >= blank.min_frames and track.score is not None]
        if tracks:
            scores = max(track.score or 0.0 for track in tracks), max(t.evidence["peak_score"] for t in tracks)
            found.append((clip.sample.dataset, *scores))
    if not found:
        raise FacewitnessError(f"in none of {len(clips)} clips was a face seen in {blank.min_frames} frames")
    source = np.array([name for name, _, _ in found])
    score, peak = np.array([[score, peak] for _, score, peak in found]).T
    fake_above = _threshold(score, FAKE_RATE)
    groups = {str(name): score[source == name] for name in np.unique(source)}
    return replace(
        blank,
        fake_above=fake_above,
        real_below=min(fake_above, _threshold(score, REAL_RATE)),
        span_above=_threshold(peak, REAL_RATE),
        counts={name: len(group) for name, group in groups.items()},
        bounds={
            name: round(upper_bound(int((group >= fake_above).sum()), len(group)), 4) for name, group in groups.items()
        },
    )


def _threshold(values: NDArray[np.float64], rate: float) -> float:
    found = bounded_threshold(values, rate)
    if found is None:
        needed = int(np.ceil(np.log(0.05) / np.log1p(-rate)))
        raise FacewitnessError(f"{len(values)} real clips are too few to promise {rate:.0%}: {needed} are needed")
    return float(found)


class WithoutThresholds:
    """A detector without its thresholds for videos: a scan with it stays valid when they are learnt anew."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.card = replace(detector.card, video=None)
        self.identity = cards.identity(self.card)

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """As the detector."""
        return self._detector(crops)

    def detect(self, crops: NDArray[np.uint8], views: Sequence[Views]) -> Detection:
        """As the detector, whether it has members or not."""
        return detect(self._detector, crops, views)
