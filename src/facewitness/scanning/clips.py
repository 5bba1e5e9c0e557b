"""Videos in a scan, on the detector's side: what workers see of them becomes records, and at the end a report.

A segment is kept when it is through. Of each face in a segment some small pictures are kept, and of the most suspicious
moment the whole frame; what of them is shown is known only when the tracks are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facewitness.compute.progress import Progress, ProgressEvent
from facewitness.detectors.base import Detector
from facewitness.media import image
from facewitness.media.tracking import Tracker
from facewitness.scanning import overlay
from facewitness.scanning.files import File
from facewitness.scanning.image import Prepared, PreparedFace, run
from facewitness.scanning.parts import Parts
from facewitness.scanning.records import LookRecord, SegmentRecord, judged
from facewitness.scanning.tracks import Followed, assemble
from facewitness.scanning.video import ANIMATIONS, FRAMES, Look, VideoChunk, VideoInfo, VideoTask
from facewitness.scanning.worker import chunks
from facewitness.storage import atomic_write
from facewitness.types import Card, Detection, Finding, Image, Report, Status

STRIP = 8
"""Faces of a track in the report, beside their maps."""

_KEPT = 12  # faces of a track within a segment whose pictures are kept
_ENCODING = "jpeg:80"
_FACE_PX = 112


@dataclass(slots=True)
class _Open:
    """A segment that is not through."""

    looks: list[LookRecord] = field(default_factory=list)
    tracker: Tracker = field(default_factory=Tracker)
    highest: dict[int, tuple[float, tuple[str, int, int]]] = field(default_factory=dict)  # by track
    strips: dict[int, list[tuple[str, int, int]]] = field(default_factory=dict)
    pictures: dict[tuple[str, int, int], bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Clip:
    """A video that is not through."""

    file: File
    waiting: int  # shares of it that workers have not finished
    info: VideoInfo | None = None
    failure: Prepared | None = None
    open: dict[int, _Open] = field(default_factory=dict)


class Clips:
    """The videos of a scan.

    Args:
        parts: where segments are kept.
        detector: that judges the crops.
        overlays: folder of the pictures.
        progress: receives an event for each segment.
    """

    def __init__(self, parts: Parts, detector: Detector, overlays: Path, progress: Progress = None) -> None:
        self._parts, self._card, self._identity = parts, detector.card, detector.identity
        self._overlays, self._progress = overlays, progress
        self._clips: dict[Path, _Clip] = {}

    def expect(self, file: File, shares: int) -> None:
        """Say how many answers end a video."""
        self._clips[file.path] = _Clip(file, shares)

    def is_photograph(self, path: Path) -> bool:
        """Whether a file is no video, or an animation of which nothing was seen as one."""
        return path not in self._clips or (path.suffix.lower() in ANIMATIONS and self._clips[path].info is None)

    def add(self, chunk: VideoChunk | Prepared, detection: Detection | None) -> None:
        """Take in some frames and the detector's answer for their crops, or that a share of a video came to nothing."""
        clip = self._clips[chunk.path]
        if isinstance(chunk, Prepared):
            clip.failure = chunk
            clip.waiting -= 1
            return
        clip.info = chunk.info
        if chunk.last:
            clip.waiting -= 1
        if chunk.segment < 0:
            return
        part = clip.open.setdefault(chunk.segment, _Open())
        start = 0
        for look in chunk.looks:
            record = judged(look, detection, start, self._card)
            part.looks.append(record)
            if chunk.crops is not None and detection is not None:
                _picture(part, look, record, chunk.crops, detection, start, self._card)
            start += sum(face.status is Status.OK for face in look.faces)
        if chunk.end is not None:
            del clip.open[chunk.segment]
            self._parts.add(clip.file, chunk.segment, SegmentRecord(tuple(part.looks), chunk.end), part.pictures)
            if self._progress is not None:
                done = len(self._parts.done(clip.file))
                self._progress(ProgressEvent(chunk.path.name, done, chunk.info.segments))

    def through(self, path: Path) -> bool:
        """Whether nothing more is to come of a video."""
        return self._clips[path].waiting <= 0

    def finish(self, path: Path) -> tuple[Report, dict[str, Any]]:
        """The report of a video that is through, and what its pictures are called.

        Raises:
            OSError: the overlays cannot be written.
        """
        clip = self._clips.pop(path)
        failure = clip.failure
        seen = bool(self._parts.done(clip.file))
        if clip.info is None or (failure is not None and not seen):
            assert failure is not None
            report = Report(path, failure.status, failure.sha256, dict(self._identity), notes=failure.notes)
            return report, {"maps": [], "overlay": None, "faces": []}
        notes = () if failure is None else (f"not seen to its end: {'; '.join(failure.notes)}",)
        records = self._parts.records(clip.file)
        report, followed = assemble(path, clip.info, records, self._card, self._identity, notes)
        return report, self._pictures(clip.file, report, followed)

    def _pictures(self, file: File, report: Report, followed: Sequence[Followed]) -> dict[str, Any]:
        """Write the pictures that the report shows: for each track its strip and its most suspicious frame."""
        there = self._parts.pictured(file)
        stem = overlay.name(file.path)
        tracks = []
        for number, one in enumerate(followed, 1):
            names = [("face", *place) for place in one.places]
            strip = _spread([i for i, name in enumerate(names) if name in there], STRIP)
            frames = [i for i, place in enumerate(one.places) if ("frame", *place) in there]
            key = max(frames, key=lambda i: one.faces[i].score or 0.0, default=None)
            shown: dict[str, Any] = {"strip": [], "key": None}
            for i in strip:
                shown["strip"].append([self._write(file, names[i], f"{stem}.t{number}.{i}.jpg"), one.times[i]])
            if key is not None:
                wanted = ("frame", *one.places[key])
                shown["key"] = [self._write(file, wanted, f"{stem}.t{number}.key.jpg"), one.times[key]]
            tracks.append(shown)
        return {"maps": [None] * len(report.findings), "overlay": None, "faces": [], "tracks": tracks}

    def _write(self, file: File, name: tuple[str, int, int], called: str) -> str:
        with atomic_write(self._overlays / called) as part:
            part.write_bytes(self._parts.picture(file, name))
        return called


def scan(path: Path, detector: Detector, frames: int | None = FRAMES) -> Report:
    """Read a video, follow its faces, judge each track. A file that gives no score gives a status; nothing is raised.

    Args:
        path: of the video.
        detector: ready to run.
        frames: see ``scanning.video``.
    """
    profile, identity = detector.card.crop, detector.identity
    records, looks, info = list[SegmentRecord](), list[LookRecord](), None
    for chunk in chunks(VideoTask(path, frames), profile, 0):
        if isinstance(chunk, Prepared):
            return Report(path, chunk.status, chunk.sha256, dict(identity), notes=chunk.notes)
        assert isinstance(chunk, VideoChunk)
        info, start = chunk.info, 0
        detection = None if chunk.crops is None else run(detector, chunk.crops, chunk.views)
        for look in chunk.looks:
            looks.append(judged(look, detection, start, detector.card))
            start += sum(face.status is Status.OK for face in look.faces)
        if chunk.end is not None:
            records.append(SegmentRecord(tuple(looks), chunk.end))
            looks = []
    assert info is not None
    return assemble(path, info, records, detector.card, identity)[0]


def _picture(
    part: _Open, look: Look, record: LookRecord, crops: Image, detection: Detection, start: int, card: Card
) -> None:
    """Keep pictures of a frame's faces: some of each track, and the frame where its score is the highest so far."""
    places = [place for place, face in enumerate(look.faces) if face.status is Status.OK]
    boxes = [look.faces[place].box for place in places]
    appearances = [a for place in places if (a := look.faces[place].appearance) is not None]
    for order, track in enumerate(part.tracker.update(look.time_s, boxes, appearances)):
        place = places[order]
        name = ("face", look.number, place)
        plane = None if detection.map is None else detection.map[start + order]
        close_up = overlay.close_up(crops[start + order], plane, card.map_scale, _FACE_PX)
        part.pictures[name] = image.encode(close_up, _ENCODING)
        strip = part.strips.setdefault(track, [])
        strip.append(name)
        if len(strip) > 2 * _KEPT:  # every second one goes
            for gone in strip[1::2]:
                del part.pictures[gone]
            del strip[1::2]
        score = record.faces[place].score or 0.0
        if look.preview is None or score <= part.highest.get(track, (-1.0,))[0]:
            continue
        if track in part.highest:
            part.pictures.pop(part.highest[track][1], None)
        frame = ("frame", look.number, place)
        part.highest[track] = score, frame
        part.pictures[frame] = _frame(look, record, place, crops, detection, start, card)


def _frame(
    look: Look, record: LookRecord, place: int, crops: Image, detection: Detection, start: int, card: Card
) -> bytes:
    """A whole frame, its heat, and the box of one face."""
    assert look.preview is not None
    box = look.faces[place].box
    stop = start + sum(face.status is Status.OK for face in look.faces)
    prepared = Prepared(
        Path(),
        None,
        Status.OK,
        shape=look.shape,
        faces=tuple(PreparedFace(f.box, f.status, f.matrix, f.turn_deg, look.number) for f in look.faces),
        crops=crops[start:stop],
        previews={look.number: look.preview},
    )
    maps = None if detection.map is None else detection.map[start:stop]
    part = Detection(detection.score[start:stop], detection.features[start:stop], maps)
    marked = (Finding(box, Status.OK, record.faces[place].score, frame=look.number),)
    return image.encode(overlay.draw_frame(look.number, prepared, part, marked, card.map_scale, ""), _ENCODING)


def _spread(items: list[int], count: int) -> list[int]:
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
