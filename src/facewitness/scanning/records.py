"""What is kept of a video's segment once the detector has judged it: plain values, some hundred bytes a face.

Shots, tracks and verdicts are made of these records, so that they are the same whether a scan was interrupted or not.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.media.shots import THUMBNAIL, Thumbnail
from facewitness.scanning.video import APPEARANCE_PX, Look, SegmentEnd
from facewitness.types import Box, Card, Detection, Plane, Points, Status

MAP_PX = 8
_UNITS = 16  # of a pixel, in which landmarks are kept, from the box's corner


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """A face of a frame. All but the place is absent where it was not judged."""

    box: Box
    status: Status
    turn_deg: float = 0.0
    score: float | None = None
    members: Mapping[str, float] = field(default_factory=dict)
    sharpness: float = 0.0
    landmarks: Points | None = None  # (68, 2) px
    appearance: NDArray[np.uint8] | None = None  # (8, 8, 3)
    map: NDArray[np.uint8] | None = None  # (8, 8), 255 for a fakeness of 1

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        points = None if self.landmarks is None else np.rint((self.landmarks - self.box[:2]) * _UNITS).astype("<i4")
        return {
            "box": [round(edge, 1) for edge in self.box],
            "status": self.status.value,
            "turn_deg": self.turn_deg,
            "score": self.score,
            "members": dict(self.members),
            "sharpness": round(self.sharpness, 2),
            "landmarks": _text(points),
            "appearance": _text(self.appearance),
            "map": _text(self.map),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the record of plain values."""
        box = tuple(data["box"])
        points = _array(data["landmarks"], "<i4", (68, 2))
        landmarks = None if points is None else np.asarray(points / _UNITS + np.array(box[:2]), np.float32)
        return cls(
            box,
            Status(data["status"]),
            data["turn_deg"],
            data["score"],
            data["members"],
            data["sharpness"],
            landmarks,
            _array(data["appearance"], "u1", (APPEARANCE_PX, APPEARANCE_PX, 3)),
            _array(data["map"], "u1", (MAP_PX, MAP_PX)),
        )


@dataclass(frozen=True, slots=True)
class LookRecord:
    """A frame that was looked at."""

    number: int
    time_s: float
    faces: tuple[FaceRecord, ...]


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A segment that is through."""

    looks: tuple[LookRecord, ...]
    end: SegmentEnd

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        looks = [[look.number, look.time_s, [face.to_json() for face in look.faces]] for look in self.looks]
        end = {"cuts": list(self.end.cuts), "damaged": self.end.damaged, "start_s": self.end.start_s}
        return {"looks": looks, **end, "first": _text(self.end.first), "last": _text(self.end.last)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the record of plain values."""
        looks = tuple(
            LookRecord(number, time_s, tuple(FaceRecord.from_json(face) for face in faces))
            for number, time_s, faces in data["looks"]
        )
        first, last = (_thumbnail(data[name]) for name in ("first", "last"))
        return cls(looks, SegmentEnd(tuple(data["cuts"]), data["damaged"], data["start_s"], first, last))


def judged(look: Look, detection: Detection | None, start: int, card: Card) -> LookRecord:
    """The record of a frame; the detector's answers for its faces begin at ``start``."""
    records, place = [], start
    for face in look.faces:
        if face.status is not Status.OK or detection is None:
            records.append(FaceRecord(face.box, face.status, face.turn_deg))
            continue
        given = () if detection.members is None else detection.members[place].tolist()
        members = {n: round(score, 6) for n, score in zip(card.members, given, strict=bool(given))}
        plane = None if detection.map is None else small_map(detection.map[place])
        score, points = float(detection.score[place]), face.landmarks
        judged_as = (score, members, face.sharpness, points, face.appearance, plane)
        records.append(FaceRecord(face.box, face.status, face.turn_deg, *judged_as))
        place += 1
    return LookRecord(look.number, look.time_s, tuple(records))


def small_map(plane: Plane) -> NDArray[np.uint8]:
    """A map (h, w) reduced to (8, 8) steps of 1 / 255."""
    small = cv2.resize(np.asarray(plane, np.float32), (MAP_PX, MAP_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(np.clip(small, 0, 1) * 255), np.uint8)


def _text(values: NDArray[Any] | None) -> str | None:
    return None if values is None else base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _array(text: str | None, kind: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    return None if text is None else np.frombuffer(base64.b64decode(text), kind).reshape(shape)


def _thumbnail(text: str | None) -> Thumbnail | None:
    return _array(text, "u1", THUMBNAIL[::-1])
