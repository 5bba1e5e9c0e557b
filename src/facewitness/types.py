"""The vocabulary of the package: six types, their parts, and the exception tree.

NumPy only. Everything here is a value; nothing here reads a file or runs a network. The sixth type, ``NetOutput``,
holds torch tensors and therefore stands in ``facewitness.detectors.output``, where a light install never imports it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from facewitness.timeline import Shot as Shot
from facewitness.timeline import Span as Span
from facewitness.timeline import Thresholds as Thresholds
from facewitness.timeline import Track as Track
from facewitness.timeline import Verdict as Verdict
from facewitness.timeline import VideoCalibration as VideoCalibration

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Plane = NDArray[np.float32]  # (H, W), values in 0..1
Points = NDArray[np.float32]  # (K, 2) x, y in pixels
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels; right and bottom exclusive
Views = tuple[Image, ...]  # what each further member of a detector sees of one face, (n, S, S, 3)
Split = Literal["train", "val", "test"]

REAL_METHOD = "real"
"""The ``method`` of a real sample."""


REPORT_FORMAT = 1
"""Of reports as JSON. Raise it when a program that reads them would misread a new one; new fields do not."""


class Status(StrEnum):
    """What became of a file or of a face. Only ``OK`` ever carries a score."""

    OK = "ok"
    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    DOUBTFUL_FACE = "doubtful_face"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    NO_PERMISSION = "no_permission"


class EvidenceKind(StrEnum):
    """What a file says of its own origin, the strongest first; reports list it in this order."""

    C2PA = "c2pa"
    STAMP = "stamp"
    SOURCE_TYPE = "digital_source_type"
    GENERATOR = "generator"
    THUMBNAIL = "thumbnail"
    RECOMPRESSION = "double_compression"
    HISTORY = "edit_history"
    CAMERA = "camera"
    JPEG = "jpeg"
    UNREADABLE = "unreadable_metadata"
    NONE = "no_metadata"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that a file says of its own origin, in sentences. It never changes a score."""

    kind: EvidenceKind
    seen: str
    proves: str
    limits: str  # what it does not prove
    synthetic: bool = False  # whether it says that the picture was forged or generated


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a manifest: one photograph or frame and what is known about it.

    Before ``facewitness data prepare`` has cut it into frames, ``path`` (and ``mask``) may also be a video.
    """

    path: Path
    label: int  # 0 real, 1 fake
    method: str = REAL_METHOD
    video: str | None = None
    identities: tuple[str, ...] = ()
    dataset: str = ""  # where the photograph came from; false positives are reported per data set
    split: Split = "train"
    mask: Path | None = None  # gray-scale fakeness map, Gray(|X - X'|) / 255; None = unknown
    region: Path | None = None  # binary forged region; None = unknown
    landmarks: Points | None = None  # (68, 2) px
    original: Path | None = None  # what a fake was made from, comparable pixel by pixel; None = unknown
    attributes: tuple[str, ...] = ()  # what else is known of the person or the picture, as "smiling"

    @property
    def person(self) -> str:
        """Who is shown: the first identity, whose photograph it is; else the video; else the photograph itself.

        A swap also shows its donor. Counting both as one person would join nearly everybody, so the donor is left out.
        """
        if self.identities:
            return f"identity {self.identities[0]}"
        return f"video {self.dataset} {self.video}" if self.video is not None else f"path {self.path}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names by which a fake may be asked for: its method, and ``method/attribute`` for each attribute."""
        return (self.method, *(f"{self.method}/{attribute}" for attribute in self.attributes))


@dataclass(frozen=True, slots=True)
class CropProfile:
    """How a face becomes the square a net sees. Part of a Card: preprocessing belongs to the weights."""

    finder: str = "dlib-hog"
    alignment: str = "similarity-5of68"  # or "tiles": squares of size_px at the photograph's own scale, not turned
    margin: float = 0.25  # share of the face's side added on each side
    size_px: int = 160
    min_face_px: int = 40  # a face whose side is shorter is FACE_TOO_SMALL
    tiles: int = 9  # "tiles": at most so many of a face
    face_px: int = 0  # "tiles": a face whose side is longer is first reduced to this; 0 = never
    further: tuple["CropProfile", ...] = ()  # of the further members of a detector; by the same finder


@dataclass(frozen=True, slots=True)
class Calibration(Thresholds):
    """Learnt on the validation split: a temperature, thresholds on the calibrated score, the scale of maps."""

    temperature: float
    fake_above: float  # at the false-positive rate ``fake_rate``
    real_below: float  # at ``real_rate``; between the two a verdict is inconclusive
    counts: Mapping[str, int] = field(default_factory=dict)  # photographs it was learnt from, by label or source
    map_scale: float = 1.0  # fakeness at which the colours of a drawn map end: that of a strongly marked forgery
    bounds: Mapping[str, float] = field(default_factory=dict)  # source -> no more of its reals are called fake (95 %)
    fake_rate: float | None = 0.01  # None = not known, for a threshold that was given by hand
    real_rate: float = 0.05
    profile: str = ""  # of ``facewitness calibrate``, whose thresholds these are; empty = the detector's own

    @property
    def reals(self) -> int:
        """How many real photographs the thresholds were learnt from; 0 where that is not told."""
        return self.counts.get("real", sum(self.counts.values()))


@dataclass(frozen=True, slots=True)
class Card:
    """What a detector is, as data. ``name`` is ``<architecture>.<recipe>``; ``build`` is ``module:Class``."""

    name: str
    build: str
    args: Mapping[str, Any] = field(default_factory=dict)
    crop: CropProfile = field(default_factory=CropProfile)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    has_map: bool = False
    cam_layer: str = ""  # dotted name of the layer Grad-CAM looks at
    calibration: Calibration | None = None
    video: VideoCalibration | None = None  # of the tracks of videos; None: their verdicts are left open
    weights: str | None = None  # SHA-256 of the weights file; None = untrained
    paper: str = ""
    licence: str = ""
    trained_on: str = ""
    about: str = ""  # what it looks at, in a sentence
    parameters: int | None = None  # learnt, at this crop size
    macs: int | None = None  # multiply-accumulates of one crop
    members: tuple[str, ...] = ()  # detectors that judge together, each in a folder of that name; see detectors.fused
    fusion: tuple[float, ...] = ()  # a bias, then a weight for the logit of each member
    plain_layout: bool = False  # most layers are narrow: onnxruntime is faster without its blocked channel layout

    @property
    def map_scale(self) -> float:
        """The fakeness at which the colours of a drawn map end."""
        return self.calibration.map_scale if self.calibration else 1.0


@dataclass(frozen=True, slots=True)
class Detection:
    """What a detector says of N crops."""

    score: NDArray[np.float32]  # (N,) calibrated P(fake)
    features: NDArray[np.float32]  # (N, D)
    map: NDArray[np.float32] | None  # (N, h, w), 0..1; None if the detector has no map
    members: NDArray[np.float32] | None = None  # (N, M) score of each member; None of a detector without members


@dataclass(frozen=True, slots=True)
class Finding:
    """One face at one moment. ``score`` and ``verdict`` are None unless ``status`` is OK."""

    box: Box
    status: Status
    score: float | None = None
    verdict: Verdict | None = None
    map: Plane | None = None  # on the source grid, covering ``window`` only
    window: tuple[int, int, int, int] | None = None  # left, top, right, bottom px of ``map`` in the source
    time_s: float | None = None
    turn_deg: float = 0.0  # by which the photograph has to be turned, counter-clockwise, to stand the face upright
    frame: int = 0  # of an animation or a file of several pages, from 0
    members: Mapping[str, float] = field(default_factory=dict)  # the score that each member of the detector gave
    track: int | None = None  # of a video: index into the report's tracks
    variants: Mapping[str, float] = field(default_factory=dict)  # the score after each treatment of --stability

    def to_json(self, map_file: str | None = None) -> dict[str, Any]:
        """Return it as plain values; ``map_file`` is the path of its drawn map beside the results."""
        return {
            "box": [round(edge, 1) for edge in self.box],
            "status": self.status.value,
            "score": None if self.score is None else round(self.score, 6),
            "verdict": None if self.verdict is None else self.verdict.value,
            "map": map_file,
            "time_s": self.time_s,
            "turn_deg": self.turn_deg,
            "frame": self.frame,
            "members": {name: round(score, 6) for name, score in self.members.items()},
            "track": self.track,
            "variants": {name: round(score, 6) for name, score in self.variants.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the finding of plain values, without its map."""
        verdict = None if data["verdict"] is None else Verdict(data["verdict"])
        names = ("time_s", "turn_deg", "frame", "members", "track", "variants")
        place = {name: data[name] for name in names if name in data}
        return cls(tuple(data["box"]), Status(data["status"]), data["score"], verdict, **place)


@dataclass(frozen=True, slots=True)
class Report:
    """One file. ``score`` is the highest score of its faces, of a video that of its tracks; None without a score."""

    source: Path
    status: Status
    sha256: str | None
    detector: Mapping[str, Any]  # name, weights hash, crop profile, thresholds
    findings: tuple[Finding, ...] = ()
    score: float | None = None
    verdict: Verdict | None = None
    statement: str = ""  # the verdict in a sentence, with the rate of its threshold
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    duration_s: float | None = None  # of a video, as are shots and tracks; None of a photograph
    shots: tuple[Shot, ...] = ()
    tracks: tuple[Track, ...] = ()
    provenance: tuple[Evidence, ...] = ()  # the strongest first

    def to_json(self, map_files: Sequence[str | None] = ()) -> dict[str, Any]:
        """Return it as the plain values of results.jsonl (docs/schema/report.json).

        Args:
            map_files: for each face, the path of its drawn map beside the results, or None; none at all if left out.
        """
        names = list(map_files) or [None] * len(self.findings)
        return {
            "format": REPORT_FORMAT,
            "kind": "image" if self.duration_s is None else "video",
            "path": os.fsencode(self.source).decode("utf-8", "backslashreplace"),  # text for any reader of JSON
            "sha256": self.sha256,
            "status": self.status.value,
            "score": None if self.score is None else round(self.score, 6),
            "verdict": None if self.verdict is None else self.verdict.value,
            "statement": self.statement,
            "faces": [finding.to_json(name) for finding, name in zip(self.findings, names, strict=True)],
            "detector": dict(self.detector),
            "notes": list(self.notes),
            "versions": dict(self.versions),
            "duration_s": self.duration_s,
            "shots": [asdict(shot) for shot in self.shots],
            "tracks": [track.to_json() for track in self.tracks],
            "provenance": [asdict(evidence) for evidence in self.provenance],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the report of plain values; maps, which are pictures beside it, are not read back.

        Raises:
            ValueError: it is no report of this format.
        """
        if data.get("format") != REPORT_FORMAT:
            raise ValueError(f"format {data.get('format')!r} is not {REPORT_FORMAT}, which this version reads")
        try:
            return cls(
                source=Path(data["path"]),
                status=Status(data["status"]),
                sha256=data["sha256"],
                detector=dict(data["detector"]),
                findings=tuple(Finding.from_json(face) for face in data["faces"]),
                score=data["score"],
                verdict=None if data["verdict"] is None else Verdict(data["verdict"]),
                statement=data.get("statement", ""),
                notes=tuple(data["notes"]),
                versions=dict(data["versions"]),
                duration_s=data.get("duration_s"),  # absent, as the next two, from reports written before 0.3
                shots=tuple(Shot(**shot) for shot in data.get("shots", ())),
                tracks=tuple(Track.from_json(track) for track in data.get("tracks", ())),
                provenance=tuple(
                    Evidence(**{**one, "kind": EvidenceKind(one["kind"])}) for one in data.get("provenance", ())
                ),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no report: {error}") from error


class FacewitnessError(Exception):
    """Root of everything this package raises on purpose. The message says what, where, and what to do."""


class RecipeError(FacewitnessError):
    """A recipe that cannot be read or does not fit its model."""


class ManifestError(FacewitnessError):
    """A manifest or a data folder that cannot be used."""


class CardError(FacewitnessError):
    """A detector that cannot be loaded: unknown name, incomplete card, weights of another model."""


class ForgeError(FacewitnessError):
    """A manipulation that cannot or may not be made."""


class ScanError(FacewitnessError):
    """A scan that cannot go on: its output folder cannot be used. What is done stays done."""


class DeviceError(FacewitnessError):
    """A device that is not there, or that the installed runtime cannot use."""


class MissingExtraError(FacewitnessError):
    """A part of the package that needs an extra which is not installed."""


class MediaError(FacewitnessError):
    """A file that gives no picture. ``status`` says why, in the vocabulary of reports."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
