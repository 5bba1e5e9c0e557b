"""One photograph: read it, find every face, ask the detector, and say what was found. Nothing is written here.

``prepare`` needs no detector and may run in another process; ``judge`` needs no photograph. A scan of one file is the
one after the other, a scan of a folder is many of the first beside batches of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness import provenance
from facewitness.detectors.base import detect
from facewitness.media import faces, image, metadata
from facewitness.scanning import variants
from facewitness.scanning.variants import Shown, Variant
from facewitness.scanning.words import statement
from facewitness.types import (
    Box,
    Card,
    CardError,
    CropProfile,
    Detection,
    Evidence,
    Finding,
    Image,
    MediaError,
    Plane,
    Report,
    Status,
    Views,
)

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector

FRAMES = 24
"""Frames of an animation, or pages, that are looked at, evenly spread."""

DECLARED = "the file itself says that it was forged or generated: see its provenance; the score is of pixels alone"
UNCALIBRATED = "the detector is not calibrated: its scores carry no verdict"
_PACKAGES = ("facewitness", "numpy", "pillow", "opencv-python-headless", "dlib-bin", "onnxruntime")


@dataclass(frozen=True, slots=True)
class PreparedFace:
    """A face and where its crop came from; ``matrix`` (2, 3) takes source to crop pixels, None without a crop."""

    box: Box
    status: Status
    matrix: NDArray[np.float64] | None
    turn_deg: float = 0.0
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that was read and searched. ``crops`` (K, S, S, 3) holds the faces whose status is OK, in order."""

    path: Path
    sha256: str | None
    status: Status
    notes: tuple[str, ...] = ()
    shape: tuple[int, int] = (0, 0)  # height and width of the upright photograph
    faces: tuple[PreparedFace, ...] = ()
    crops: Image | None = None
    views: tuple[Views, ...] = ()  # what further members of the detector see of the same faces
    previews: Mapping[int, Image] = field(default_factory=dict, repr=False)  # frames with faces, reduced for pictures
    provenance: tuple[Evidence, ...] = ()
    variants: Mapping[str, Variant] = field(default_factory=dict, repr=False)  # for ``stability.checked``
    last: bool = True  # whether no further part of this file follows


def prepare(path: Path, profile: CropProfile, preview_px: int = 0, stable: bool = False) -> Prepared:
    """Hash and read a file, find its faces and crop them.

    With ``preview_px``, also a copy of that side; with ``stable``, also what ``stability.checked`` judges again.
    """
    digest = None
    try:
        digest = image.sha256(path)
        frames = image.read_frames(path, FRAMES)
        provenance = metadata.inspect(path)
    except MediaError as error:
        return Prepared(path, digest, error.status, (_without_path(str(error), path),))
    found = search(path, frames, profile, preview_px, stable)
    notes = (DECLARED,) if any(one.synthetic for one in provenance) else ()
    return replace(found, sha256=digest, provenance=provenance, notes=(*found.notes, *notes))


def search(
    path: Path, frames: image.Frames, profile: CropProfile, preview_px: int = 0, stable: bool = False
) -> Prepared:
    """Find and crop the faces of pictures that are read already; ``path`` only names them."""
    prepared, crops, views = [], [], []
    treated: list[dict[str, Shown]] = []
    for number, rgb in zip(frames.numbers, frames.images, strict=True):
        for face in faces.find(rgb, profile.finder, thorough=True):
            status, matrix = faces.status(face, profile), None
            if status is Status.OK:
                crop, matrix = faces.crop(rgb, face.landmarks, profile)
                crops.append(crop)
                views.append(faces.views(rgb, face.landmarks, profile))
                if stable and len(treated) < variants.FACES:
                    treated.append(variants.shown(rgb, face.landmarks, profile))
            prepared.append(PreparedFace(within(face.box, rgb), status, matrix, face.turn_deg, number))
    shape, seen = frames.images[0].shape, len(frames.images)
    searched = (f"looked at {seen} of {frames.total} frames",) if frames.total > 1 else ()
    shown = {face.frame for face in prepared} if preview_px else set()
    return Prepared(
        path,
        None,
        _file_status(prepared),
        (*searched, *_notes(prepared, profile, shape)),
        (shape[0], shape[1]),
        tuple(prepared),
        np.stack(crops) if crops else None,
        tuple(views) if profile.further else (),
        {n: preview(rgb, preview_px) for n, rgb in zip(frames.numbers, frames.images, strict=True) if n in shown},
        variants=variants.stacked(treated),
    )


def run(detector: Detector, crops: Image, views: Sequence[Views] = ()) -> Detection:
    """Return the detector's answer for any number of crops (N, S, S, 3), and of views where its members want them.

    Raises:
        CardError: the detector answers with other than one finite score for each crop.
    """
    detection = detect(detector, crops, views)
    if detection.score.shape != (len(crops),) or not np.isfinite(detection.score).all():
        raise CardError(
            f"detector {detector.card.name} gave {detection.score.shape} scores, some not numbers, for {len(crops)} "
            "crops: its weights are damaged; export it again"
        )
    return detection


def judge(prepared: Prepared, detection: Detection | None, card: Card, identity: Mapping[str, object]) -> Report:
    """What a prepared file and the detector's answer for its crops amount to."""
    findings: list[Finding] = []
    scored = 0
    for face in prepared.faces:
        if face.status is not Status.OK or face.matrix is None or detection is None:
            findings.append(Finding(face.box, face.status, turn_deg=face.turn_deg, frame=face.frame))
            continue
        score = float(detection.score[scored])
        plane, window = None, None
        if detection.map is not None:
            plane, window = place(detection.map[scored], face.matrix, prepared.shape, card.crop.size_px)
        verdict = None if card.calibration is None else card.calibration.verdict(score)
        given = () if detection.members is None else detection.members[scored].tolist()
        where: dict[str, Any] = {"turn_deg": face.turn_deg, "frame": face.frame}
        members = dict(zip(card.members, given, strict=bool(given)))
        findings.append(Finding(face.box, face.status, score, verdict, plane, window, members=members, **where))
        scored += 1
    scores = [finding.score for finding in findings if finding.score is not None]
    highest = max(scores) if scores else None
    calibrated = card.calibration if highest is not None else None
    verdict = None if calibrated is None or highest is None else calibrated.verdict(highest)
    return Report(
        source=prepared.path,
        status=prepared.status,
        sha256=prepared.sha256,
        detector=dict(identity),
        findings=tuple(findings),
        score=highest,
        verdict=verdict,
        statement=statement(prepared.status, highest, verdict, card.calibration),
        notes=prepared.notes + ((UNCALIBRATED,) if highest is not None and calibrated is None else ()),
        versions=versions(),
        provenance=prepared.provenance,
    )


def place(
    plane: Plane, matrix: NDArray[np.float64], shape: tuple[int, int], size_px: int
) -> tuple[Plane, tuple[int, int, int, int]]:
    """A crop's map (h, w), coarser than the crop or not, on the source grid: the covered part and its window."""
    if plane.shape[0] != plane.shape[1]:
        raise CardError(f"the detector's map is {plane.shape}, not square: export it with a square map")
    pasted, window = faces.paste(plane, faces.rescale(matrix, plane.shape[0] / size_px), shape)
    return np.clip(pasted, 0, 1), window


def preview(rgb: Image, side_px: int) -> Image:
    """A copy whose longer side is at most ``side_px``."""
    scale = side_px / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def failed(path: Path, status: Status, note: str) -> Prepared:
    """A file that never came back from its worker process."""
    return Prepared(path, None, status, (note,))


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """The versions a result depends on."""
    return provenance.versions(_PACKAGES)


def _file_status(found: Sequence[PreparedFace]) -> Status:
    found_as = {face.status for face in found}
    ranked = (Status.OK, Status.FACE_TOO_SMALL, Status.DOUBTFUL_FACE)
    return next((status for status in ranked if status in found_as), Status.NO_FACE)


def _notes(found: Sequence[PreparedFace], profile: CropProfile, shape: tuple[int, ...]) -> tuple[str, ...]:
    if not found:
        return (faces.nothing_found(shape, profile.finder),)
    told = {
        Status.FACE_TOO_SMALL: f"smaller than the {profile.min_face_px} px this detector needs",
        Status.DOUBTFUL_FACE: "doubtful, as of a doll, a drawing or a pattern, and not judged",
    }
    counts = {status: sum(face.status is status for face in found) for status in told}
    return tuple(
        f"{n} faces are {told[status]}".replace("1 faces are", "1 face is", n == 1) for status, n in counts.items() if n
    )


def within(box: Box, rgb: Image) -> Box:
    """The part of a box that lies in a photograph."""
    height, width = rgb.shape[:2]
    left, right = (float(np.clip(x, 0, width)) for x in (box[0], box[2]))
    top, bottom = (float(np.clip(y, 0, height)) for y in (box[1], box[3]))
    return (left, top, right, bottom)


def _without_path(message: str, path: Path) -> str:
    """The message of an error for a place where the path stands already."""
    return message.removeprefix(f"{path}: ")
