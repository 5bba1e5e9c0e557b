"""Thresholds learnt on photographs that the user vouches for: what rate of false alarms they keep there.

A photograph counts once, by its highest face. What is promised are upper bounds of 95 % (Clopper and Pearson, 1934),
for photographs like these: drawn from the same sources, each independent of the others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facewitness import storage
from facewitness.compute.progress import Progress
from facewitness.detectors.recalibrated import Recalibrated
from facewitness.metrics.calibration import promised_threshold
from facewitness.metrics.detection import upper_bound
from facewitness.scanning.files import RESULTS_NAME
from facewitness.scanning.pipeline import FailureCallback, load_detector, scan_paths
from facewitness.types import CardError, ScanError

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector

    Adjust = Callable[[Detector], Detector]

FILE = "profile.json"
FORMAT = 1
REAL_RATE = 0.05
"""Of the threshold below which there is no sign of forgery, unless the rate asked for is higher."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Thresholds for one detector and the photographs they were learnt from."""

    name: str
    detector: Mapping[str, Any]  # its identity, with its own thresholds
    fake_above: float
    real_below: float
    fake_rate: float
    real_rate: float
    scores: Mapping[str, Sequence[float]]  # of the photographs, by sub-folder
    alarms: Sequence[Mapping[str, Any]]  # photographs at or above ``fake_above``: path and score, the highest first
    command: str = ""
    date: str = ""

    @property
    def bounds(self) -> dict[str, float]:
        """By sub-folder, the share of its photographs that are called fake at most."""
        return {name: round(upper_bound(self.called(name), len(found)), 4) for name, found in self.scores.items()}

    def called(self, name: str, threshold: float | None = None) -> int:
        """How many photographs of a sub-folder are at or above a threshold, that for fakes if none is given."""
        limit = self.fake_above if threshold is None else threshold
        return sum(score >= limit for score in self.scores[name])

    def at(self, rate: float) -> Profile:
        """The same profile with the threshold of another rate of false alarms.

        Raises:
            ScanError: the photographs are too few to promise it.
        """
        fake_above, real_below, real_rate = _thresholds(self.scores, rate)
        return replace(self, fake_above=fake_above, real_below=real_below, fake_rate=rate, real_rate=real_rate)

    def applied(self, detector: Detector) -> Recalibrated:
        """The detector with these thresholds.

        Raises:
            CardError: the profile was learnt with another detector, or the detector has no calibration.
        """
        card = detector.card
        if card.weights != self.detector["weights_sha256"] or card.calibration is None:
            raise CardError(
                f"profile {self.name} was learnt with the detector {self.detector['name']} (weights "
                f"{str(self.detector['weights_sha256'])[:12]}), not with {card.name} ({str(card.weights)[:12]}): "
                "calibrate this one, or name that one"
            )
        calibration = replace(
            card.calibration,
            fake_above=self.fake_above,
            real_below=self.real_below,
            counts={name: len(scores) for name, scores in self.scores.items()},
            bounds=self.bounds,
            fake_rate=self.fake_rate,
            real_rate=self.real_rate,
            profile=self.name,
        )
        return Recalibrated(detector, calibration)


def calibrate(
    reals: Path,
    out: Path,
    detector: str | Path | Detector = "default",
    *,
    rate: float = 0.01,
    workers: int | None = None,
    progress: Progress = None,
    on_failure: FailureCallback | None = None,
    command: Sequence[str] = (),
    device: str = "auto",
) -> Profile:
    """Scan photographs that are known to be genuine, and write the thresholds that keep a rate of false alarms on them.

    Args:
        reals: a folder; each folder in it counts as a source of its own.
        out: what a scan writes, and ``profile.json``. A run that was stopped goes on.
        detector: as of ``scan_paths``.
        rate: of false alarms that the threshold for fakes promises, in 0..1.
        workers: as of ``scan_paths``, like all that follow.
        progress: receives events.
        on_failure: receives files that gave no picture.
        command: what the user typed.
        device: where the network runs.

    Raises:
        ScanError: no face was judged, or too few to promise the rate.
    """
    ready = load_detector(detector, device=device)
    if ready.card.calibration is None:
        raise CardError(f"detector {ready.card.name} is not calibrated: train it to the end, or fuse it")
    passed: dict[str, Any] = {"workers": workers, "progress": progress, "on_failure": on_failure, "command": command}
    scan_paths([reals], out, ready, **passed)
    scores: dict[str, list[float]] = {}
    found: list[tuple[float, str]] = []
    with (out / RESULTS_NAME).open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["score"] is not None:
                scores.setdefault(_source(entry["path"], reals), []).append(entry["score"])
                found.append((entry["score"], entry["path"]))
    if not found:
        raise ScanError(f"{reals}: no face was judged in any photograph")
    fake_above, real_below, real_rate = _thresholds(scores, rate)
    alarms = [{"path": path, "score": score} for score, path in sorted(found, reverse=True) if score >= fake_above]
    profile = Profile(
        out.resolve().name,
        ready.identity,
        fake_above,
        real_below,
        rate,
        real_rate,
        {name: sorted(values) for name, values in sorted(scores.items())},
        alarms,
        " ".join(command),
        datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    text = json.dumps({"format": FORMAT, **asdict(profile), "bounds": profile.bounds}, indent=1, ensure_ascii=False)
    storage.write_text(out / FILE, text + "\n")
    return profile


def thresholds(profile: Path | None, rate: float | None, threshold: float | None) -> Adjust | None:
    """What replaces a detector's own thresholds: a profile, its threshold at another rate, or one given by hand.

    Raises:
        ScanError: the profile cannot be read, or cannot promise the rate.
    """
    learnt = None if profile is None else read(profile)
    if learnt is not None and rate is not None:
        learnt = learnt.at(rate)

    def adjust(detector: Detector) -> Detector:
        adjusted = detector if learnt is None else learnt.applied(detector)
        calibration = adjusted.card.calibration
        if calibration is None:
            raise CardError(f"detector {detector.card.name} is not calibrated: a threshold of its scores means nothing")
        if rate is not None and calibration.fake_rate != rate:
            raise CardError(
                f"detector {detector.card.name} promises {100 * (calibration.fake_rate or 0):g} % of false alarms; "
                "learn another rate on your photographs: facewitness calibrate REALS --out mine, then --profile mine"
            )
        if threshold is None:
            return adjusted
        real_below = min(calibration.real_below, threshold)
        given = replace(calibration, fake_above=threshold, real_below=real_below, fake_rate=None, bounds={})
        return Recalibrated(adjusted, given)

    return None if profile is None and rate is None and threshold is None else adjust


def read(path: Path) -> Profile:
    """Read the profile in a folder that ``calibrate`` wrote, or the file itself.

    Raises:
        ScanError: there is none, or it is not one of this version.
    """
    file = path / FILE if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise ValueError("another format")
        del data["bounds"]  # they follow from the scores
        profile = Profile(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        mend = f"make it again: facewitness calibrate REALS --out {path}"
        raise ScanError(f"{file}: not a profile of this version ({error}); {mend}") from error
    return profile


def _thresholds(scores: Mapping[str, Sequence[float]], rate: float) -> tuple[float, float, float]:
    """Thresholds for fakes and reals, and the rate of the second."""
    real_rate = max(REAL_RATE, rate)
    fake_above, real_below = (promised_threshold(scores, one) for one in (rate, real_rate))
    if fake_above is None or real_below is None:
        count = sum(map(len, scores.values()))
        least = upper_bound(0, count)
        raise ScanError(
            f"{count} photographs with a face are too few to promise {100 * rate:g} % of false alarms; they can "
            f"promise {100 * least:.2g} %: add photographs or give a higher --rate"
        )
    # Results keep six digits: what was rounded down must stay below all the same.
    fake_above, real_below = (round(one + 5e-7, 7) for one in (fake_above, real_below))
    return fake_above, min(fake_above, real_below), real_rate


def _source(path: str, reals: Path) -> str:
    """The folder directly below ``reals`` that a file lies in, or ``.``."""
    parts = Path(path).relative_to(os.path.abspath(reals)).parts
    return parts[0] if len(parts) > 1 else "."
