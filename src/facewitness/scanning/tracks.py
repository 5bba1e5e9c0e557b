"""From the records of a video's segments to its report: shots, tracks, their verdicts, and the file's.

Pure: the same records give the same report. No picture, no detector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.media import faces as finding
from facewitness.media.shots import change
from facewitness.media.tracking import Tracker
from facewitness.scanning.evidence import evidence
from facewitness.scanning.image import UNCALIBRATED, versions
from facewitness.scanning.records import FaceRecord, LookRecord, SegmentRecord
from facewitness.scanning.video import APPEARANCE_PX, FRAMES, VideoInfo
from facewitness.scanning.words import video_statement
from facewitness.types import Card, Finding, Report, Shot, Span, Status, Track, Verdict, VideoCalibration

_EDGE = 1e-6  # of scores: nothing closer to 0 or 1 is told apart
_CUT = 14.0  # change of thumbnails from the end of a segment to the beginning of the next, in levels of 255
_SMOOTH_S = 0.3  # to either side: scores are averaged over it before spans are looked for
_FEW = 3  # scores that a smoothed one is over at least, and frames that a span has at least
_NO_APPEARANCE = np.zeros((APPEARANCE_PX, APPEARANCE_PX, 3), np.uint8)


@dataclass(slots=True)
class Followed:
    """The frames of one face through a shot."""

    shot: int
    times: list[float] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)  # frame number and index of the face in it
    faces: list[FaceRecord] = field(default_factory=list)

    @property
    def scored(self) -> list[int]:
        """Which of the frames have a score."""
        return [number for number, face in enumerate(self.faces) if face.score is not None]


def assemble(
    path: Path,
    info: VideoInfo,
    segments: Iterable[SegmentRecord],
    card: Card,
    identity: Mapping[str, object],
    notes: Sequence[str] = (),
) -> tuple[Report, list[Followed]]:
    """Make the report of a video and, for pictures, the faces of each of its tracks.

    Args:
        path: of the video.
        info: what is known of it.
        segments: what was seen of it, in order of time; those that a damaged file lacks are left out.
        card: of the detector that gave the scores.
        identity: of the detector.
        notes: further ones.
    """
    shots, looks, damaged = _shots(segments, info.duration_s)
    followed = follow(looks, shots)
    tracks = tuple(judge(one, card.video) for one in followed)
    findings = _findings(followed, looks)
    score, verdict, reason = _whole(tracks, card.video)
    counts = Counter(face.status for look in looks for face in look.faces)
    status = next((s for s in (Status.OK, Status.FACE_TOO_SMALL, Status.DOUBTFUL_FACE) if counts[s]), Status.NO_FACE)
    told = [*info.notes, f"looked at {len(looks)} of {info.frames} frames; tracks: {len(tracks)}, shots: {len(shots)}"]
    if damaged:
        told.append(f"{damaged} stretches could not be decoded and were passed over")
    if status is Status.NO_FACE:
        told.append(finding.nothing_found((*info.shape, 3), card.crop.finder))
    if score is not None and card.video is None:
        told.append(UNCALIBRATED if card.calibration is None else "the detector has no thresholds for videos")
    report = Report(
        source=path,
        status=status,
        sha256=info.sha256,
        detector=dict(identity),
        findings=findings,
        score=score,
        verdict=verdict,
        statement=video_statement(status, score, verdict, card.video),
        notes=(*told, *notes, *([reason] if reason else [])),
        versions=versions(),
        duration_s=round(info.duration_s, 3),
        shots=tuple(shots),
        tracks=tracks,
    )
    return report, followed


def _shots(segments: Iterable[SegmentRecord], duration_s: float) -> tuple[list[Shot], list[LookRecord], int]:
    """The shots, all frames that were looked at, and how many could not be decoded."""
    starts, looks, damaged = [0.0], list[LookRecord](), 0
    last = None
    for segment in segments:
        end = segment.end
        if last is not None and end.first is not None and change(last, end.first) > _CUT:
            starts.append(end.start_s)
        starts.extend(end.cuts)
        last = end.last if end.last is not None else last
        looks.extend(segment.looks)
        damaged += end.damaged
    stops = [*starts[1:], max(duration_s, starts[-1])]
    return [Shot(round(a, 3), round(b, 3)) for a, b in zip(starts, stops, strict=True)], looks, damaged


def follow(looks: Sequence[LookRecord], shots: Sequence[Shot]) -> list[Followed]:
    """The tracks of the faces that may be judged, in the order in which they begin."""
    begins = np.array([shot.start_s for shot in shots])
    followed: list[Followed] = []
    tracker, shot, numbers = Tracker(), -1, dict[int, int]()
    for look in looks:
        own = int(np.searchsorted(begins, look.time_s + 1e-3, "right") - 1)
        if own != shot:
            tracker, shot, numbers = Tracker(), own, {}
        places = [place for place, face in enumerate(look.faces) if face.status is Status.OK]
        ok = [look.faces[place] for place in places]
        seen = [_NO_APPEARANCE if face.appearance is None else face.appearance for face in ok]
        for place, number in zip(places, tracker.update(look.time_s, [face.box for face in ok], seen), strict=True):
            if number not in numbers:
                numbers[number] = len(followed)
                followed.append(Followed(shot))
            one = followed[numbers[number]]
            one.times.append(look.time_s)
            one.places.append((look.number, place))
            one.faces.append(look.faces[place])
    return followed


def judge(one: Followed, calibration: VideoCalibration | None) -> Track:
    """The verdict for a track, by the mean logit of the sharpest faces of equal intervals of its time."""
    scored = one.scored
    if not scored:
        return Track(one.shot, round(one.times[0], 3), round(one.times[-1], 3), 0)
    times = np.array([one.times[i] for i in scored])
    logits = logit(np.array([one.faces[i].score for i in scored], np.float64))
    sharpness = np.array([one.faces[i].sharpness for i in scored])
    taken = sharpest(times, sharpness, calibration.frames if calibration else FRAMES)
    score = float(1 / (1 + np.exp(-logits[taken].mean())))
    signals = evidence(times.tolist(), [one.faces[i] for i in scored], logits)
    peak = float(1 / (1 + np.exp(-smoothed(times, logits).max())))
    signals = {"peak_score": round(peak, 6), **signals}
    start_s, end_s = round(one.times[0], 3), round(one.times[-1], 3)
    verdict, reason = None, ""
    spans = list[Span]()
    if calibration is not None:
        spans = forged_spans(times, logits, calibration.span_above)
        verdict = calibration.verdict(score)
        if len(scored) < calibration.min_frames:
            verdict = Verdict.INCONCLUSIVE
            reason = f"only {len(scored)} frames of the face: a verdict needs {calibration.min_frames}"
        elif spans and verdict is Verdict.REAL:
            verdict, reason = Verdict.INCONCLUSIVE, "for a part of its time its scores are those of a forgery"
    return Track(one.shot, start_s, end_s, len(scored), score, verdict, reason, tuple(spans), signals)


def sharpest(times: NDArray[np.float64], sharpness: NDArray[np.float64], count: int | None) -> NDArray[np.intp]:
    """Which of K frames to take: the sharpest in each of ``count`` equal intervals of their time; all if None."""
    if count is None or len(times) <= count:
        return np.arange(len(times))
    span = max(float(times[-1] - times[0]), 1e-9)
    interval = np.minimum(((times - times[0]) / span * count).astype(int), count - 1)
    order = np.lexsort((-sharpness, interval))
    first = np.r_[True, np.diff(interval[order]) > 0]
    return np.sort(order[first])


def forged_spans(times: NDArray[np.float64], logits: NDArray[np.float64], above: float) -> list[Span]:
    """Where the smoothed scores of a track reach a threshold, and around it stay above half their height.

    Half the height lies between the highest and the lowest tenth of the track's smoothed scores, or at the threshold
    where that is lower. A span goes to halfway to the frames around it.
    """
    if len(times) < _FEW:
        return []
    smooth, threshold = smoothed(times, logits), float(logit(np.array(above)))
    high = smooth >= min(threshold, (smooth.max() + np.quantile(smooth, 0.1)) / 2)
    edges = np.r_[times[0], (times[1:] + times[:-1]) / 2, times[-1]]
    bounds = np.flatnonzero(np.diff(np.r_[False, high, False].astype(int)))
    spans = []
    for first, stop in zip(bounds[::2], bounds[1::2], strict=True):
        if stop - first >= _FEW and smooth[first:stop].max() >= threshold:
            score = 1 / (1 + np.exp(-logits[first:stop].mean()))
            spans.append(Span(round(float(edges[first]), 3), round(float(edges[stop]), 3), round(float(score), 6)))
    return spans


def smoothed(times: NDArray[np.float64], logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the logits around each frame: within ``_SMOOTH_S``, and of three frames at least."""
    sums = np.r_[0.0, np.cumsum(logits)]
    place = np.arange(len(times))
    low = np.minimum(np.searchsorted(times, times - _SMOOTH_S), np.maximum(place - 1, 0))
    high = np.maximum(np.searchsorted(times, times + _SMOOTH_S, "right"), np.minimum(place + 2, len(times)))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def logit(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logit of scores, kept off the ends."""
    inside = np.clip(score, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside / (1 - inside)))


def _whole(tracks: Sequence[Track], calibration: VideoCalibration | None) -> tuple[float | None, Verdict | None, str]:
    """Score and verdict of the file: the highest of the tracks with enough frames; and why, if not by the score."""
    scored = [track for track in tracks if track.score is not None]
    if not scored:
        return None, None, ""
    enough = [track for track in scored if calibration is None or track.frames >= calibration.min_frames]
    score = max(track.score for track in enough or scored if track.score is not None)
    if calibration is None:
        return score, None, ""
    if not enough:
        return score, Verdict.INCONCLUSIVE, f"no face was seen in the {calibration.min_frames} frames a verdict needs"
    ranked = (Verdict.FAKE, Verdict.INCONCLUSIVE, Verdict.REAL)
    return score, next(verdict for verdict in ranked if any(track.verdict is verdict for track in enough)), ""


def _findings(followed: Sequence[Followed], looks: Sequence[LookRecord]) -> tuple[Finding, ...]:
    """Every face of every frame that was looked at, in order of time."""
    track_of = {place: number for number, one in enumerate(followed) for place in one.places}
    return tuple(
        Finding(
            face.box,
            face.status,
            face.score,
            time_s=round(look.time_s, 3),
            turn_deg=face.turn_deg,
            frame=look.number,
            members=face.members,
            track=track_of.get((look.number, place)),
        )
        for look in looks
        for place, face in enumerate(look.faces)
    )
