"""The pictures of a result: the photograph with its faces and heat, each face beside its heat, and the maps.

Heat is drawn for eyes; the numbers are in the map files: 8-bit gray PNGs on the upright photograph's own grid, 255 for
a fakeness of 1. Nothing here decides anything.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from facewitness.media import faces, image
from facewitness.media.visualize import heat, ramp
from facewitness.scanning.image import Prepared
from facewitness.types import Detection, Finding, Image, Plane, Report, Status, Verdict

PREVIEW_PX = 768
"""Longer side of the picture of a photograph."""

FACES_SHOWN = 24
"""Faces of one photograph that get a close-up; every one of them gets its map."""

FACE_PX = 192
_ENCODING = "jpeg:82"

# Told apart by people with any colour vision (after Okabe and Ito); the words stand beside them in the report.
COLOURS: Mapping[Verdict | None, tuple[int, int, int]] = {
    Verdict.FAKE: (213, 60, 0),
    Verdict.INCONCLUSIVE: (230, 159, 0),
    Verdict.REAL: (0, 114, 178),
    None: (110, 110, 110),
}


def write(
    prepared: Prepared, detection: Detection | None, report: Report, folder: Path, top: float = 1.0
) -> dict[str, Any]:
    """Write the pictures of one photograph into ``folder`` and give their names.

    Args:
        prepared: the photograph, its faces and their crops.
        detection: what the detector said of the crops.
        report: what that amounts to.
        folder: there already.
        top: fakeness that is drawn in the last colour, as is all above it; map files are not scaled.

    Returns:
        ``maps``: for each face the name of its map or None; ``overlay``: the photograph's picture or None; ``faces``:
        for each face its close-up or None; ``shape``: height and width of the upright photograph.

    Raises:
        OSError: the folder cannot be written.
    """
    stem = name(prepared.path)
    maps: list[str | None] = [None] * len(report.findings)
    close_ups: list[str | None] = [None] * len(report.findings)
    scored = 0
    for index, finding in enumerate(report.findings):
        if finding.status is not Status.OK or prepared.crops is None:
            continue
        crop, plane = (
            prepared.crops[scored],
            None if detection is None or detection.map is None else detection.map[scored],
        )
        scored += 1
        if finding.map is not None and finding.window is not None:
            maps[index] = f"{stem}.{index + 1}.map.png"
            _save_map(folder / f"{stem}.{index + 1}.map.png", finding.map, finding.window, prepared.shape)
        if scored <= FACES_SHOWN:
            close_ups[index] = f"{stem}.{index + 1}.face.jpg"
            (folder / f"{stem}.{index + 1}.face.jpg").write_bytes(image.encode(close_up(crop, plane, top), _ENCODING))
    overlay = None
    if prepared.previews:
        overlay = f"{stem}.jpg"
        worst = max(report.findings, key=lambda finding: -1.0 if finding.score is None else finding.score)
        drawn = draw_frame(worst.frame, prepared, detection, report.findings, top)
        (folder / overlay).write_bytes(image.encode(drawn, _ENCODING))
    return {"maps": maps, "overlay": overlay, "faces": close_ups, "shape": list(prepared.shape)}


def name(path: Path) -> str:
    """A file name for a path's pictures: readable, safe, and the same in every run."""
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', path.stem)[:48] or 'file'}-{digest}"


def colour_bar() -> list[str]:
    """CSS colours of fakeness 0 to 1 in eleven steps, as they look on middle gray."""
    return ["#{:02x}{:02x}{:02x}".format(*step) for step in ramp(11)[0]]


def draw_frame(
    frame: int,
    prepared: Prepared,
    detection: Detection | None,
    findings: tuple[Finding, ...],
    top: float,
    label: str | None = None,
) -> Image:
    """One frame with its heat and boxes; ``label`` stands in each box in place of the number of the face."""
    picture = prepared.previews[frame]
    height, width = picture.shape[:2]
    ratio = np.array([prepared.shape[1] / width, prepared.shape[0] / height])
    drawn, scored = picture, 0
    for face in prepared.faces:
        if face.status is not Status.OK or face.matrix is None or detection is None:
            continue
        if face.frame == frame and detection.map is not None and prepared.crops is not None:
            from_picture = face.matrix.copy()  # preview -> source -> crop -> map
            from_picture[:, 2] += face.matrix[:, :2] @ (ratio / 2 - 0.5)
            from_picture[:, :2] *= ratio
            plane = detection.map[scored]
            matrix = faces.rescale(from_picture, plane.shape[0] / prepared.crops.shape[1])
            pasted, (left, above, right, below) = faces.paste(plane, matrix, (height, width))
            if pasted.size:
                drawn = drawn.copy()
                drawn[above:below, left:right] = heat(drawn[above:below, left:right], pasted, top)
        scored += 1
    drawn = np.ascontiguousarray(drawn).copy()
    for index, finding in enumerate(findings):
        if finding.frame == frame:
            _mark(drawn, finding, str(index + 1) if label is None else label, ratio)
    return drawn


def _mark(picture: Image, finding: Finding, label: str, ratio: np.ndarray) -> None:
    left, top, right, bottom = (round(edge / ratio[i % 2]) for i, edge in enumerate(finding.box))
    colour = COLOURS[finding.verdict]
    cv2.rectangle(picture, (left, top), (right, bottom), (255, 255, 255), 4, cv2.LINE_AA)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 2, cv2.LINE_AA)
    if not label:
        return
    (text_width, text_height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 2)
    cv2.rectangle(picture, (left - 1, top - 1), (left + text_width + 8, top + text_height + 9), colour, cv2.FILLED)
    at = (left + 4, top + text_height + 4)
    cv2.putText(picture, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 2, cv2.LINE_AA)


def close_up(crop: Image, plane: Plane | None, top: float, side_px: int = FACE_PX) -> Image:
    """A crop at another size and, if there is a map, the same under its heat on the right."""
    plain = np.asarray(cv2.resize(crop, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    if plane is None:
        return plain
    fine = np.asarray(cv2.resize(plane, (side_px, side_px), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.hstack([plain, heat(plain, fine, top)])


def _save_map(path: Path, plane: Plane, window: tuple[int, int, int, int], shape: tuple[int, int]) -> None:
    left, top, right, bottom = window
    levels = np.zeros(shape, np.uint8)
    levels[top:bottom, left:right] = np.rint(plane * 255)
    PIL.Image.fromarray(levels).save(path, "PNG", compress_level=1)
