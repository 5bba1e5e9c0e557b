"""dlib's HOG detector for upright faces from about 80 px up, as the generalizability study and the 0.1 weights use it.

A photograph in which nothing is found is searched again enlarged. A doubtful face is looked at again by itself and
left out if it does not stand that.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from facewitness.media.finders import landmarks
from facewitness.media.finders.face import Face, overlap
from facewitness.types import Image, MissingExtraError

_SEARCH_SIDE_PX = 800  # HOG looks at faces from about 80 px up: larger photographs are searched at this side
_UPSAMPLED_SIDE_PX = 1600  # and, when nothing was found, once more at this side for small faces
_MAX_UPSAMPLING = 2.0
_SMALLEST_PX = 80  # what HOG sees
_DOUBTFUL = 0.5  # a face the finder is less sure of gets a second look ...
_CONFIRMED = 0.35  # ... and must reach this there: badges and folds of cloth stay below 0.15, faces come out above 1
_TOGETHER = 0.3  # the surest face of a photograph: forged, half-covered ones reach this, a badge 0.2 at most
_SECOND_LOOKS_PX = (100.0, 130.0)  # the sides to which its box is scaled for that


def find(rgb: Image, thorough: bool = False) -> list[Face]:
    """All faces.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        thorough: search a photograph that had to be reduced a second time at a finer scale and add the smaller faces
            which the first search could not see, such as the people behind the one in front.
    """
    scale, larger = _scales(rgb.shape[:2])
    faces = _confirmed(rgb, find_at(rgb, scale))
    if not faces and larger > scale * 1.2:
        faces = _confirmed(rgb, find_at(rgb, larger))
    elif thorough and scale < 1 and min(1.0, larger) > scale * 1.2:
        further = _confirmed(rgb, find_at(rgb, min(1.0, larger)))
        faces += [face for face in further if not any(overlap(face, known) for known in faces)]
    return faces


def limits(shape: tuple[int, ...]) -> str:
    """What ``find`` looks for in a photograph of a shape (H, W)."""
    return f"upright faces of {_SMALLEST_PX / max(_scales(shape)):.0f} px and more"


def load() -> None:
    """Load the models.

    Raises:
        MissingExtraError: dlib or its landmark model is not installed.
    """
    _detector()
    landmarks.predictor()


def find_at(rgb: Image, scale: float) -> list[Face]:
    """The faces that HOG finds when the photograph is scaled by ``scale``."""
    height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = rgb if scale == 1 else np.asarray(cv2.resize(rgb, (width, height), interpolation=interpolation))
    small = np.ascontiguousarray(small, np.uint8)
    rectangles, confidences, _ = _detector().run(small, 0, 0.0)
    ratio = np.array([rgb.shape[1] / width, rgb.shape[0] / height])
    faces = []
    for rectangle, confidence in zip(rectangles, confidences, strict=True):
        points = (landmarks.predict(small, rectangle) + 0.5) * ratio - 0.5
        edges = (rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)
        left, top, right, bottom = (float(edge * ratio[number % 2]) for number, edge in enumerate(edges))
        faces.append(Face((left, top, right, bottom), points.astype(np.float32), float(confidence)))
    return faces


def _scales(shape: tuple[int, ...]) -> tuple[float, float]:
    """At which scale a photograph is searched, and at which if nothing is found there."""
    longest = max(shape[:2])
    return min(1.0, _SEARCH_SIDE_PX / longest), min(_MAX_UPSAMPLING, _UPSAMPLED_SIDE_PX / longest)


def _confirmed(rgb: Image, faces: list[Face]) -> list[Face]:
    """The faces that are sure or stand a second look, and the surest one if both looks together speak for it."""
    surest = max((face.confidence for face in faces), default=0.0)
    kept = []
    for face in faces:
        if face.confidence < _DOUBTFUL:
            second = _second_look(rgb, face)
            together = face.confidence + second if face.confidence == surest else 0.0
            if second < _CONFIRMED and together < _TOGETHER:
                continue
        kept.append(face)
    return kept


def _second_look(rgb: Image, face: Face) -> float:
    """The finder's highest confidence in a face when it sees little else, at sizes it knows best."""
    left, top, right, bottom = face.box
    side = right - left
    near = (max(0, int(left - 0.75 * side)), max(0, int(top - 0.75 * side)))
    window = rgb[near[1] : int(bottom + 0.75 * side), near[0] : int(right + 0.75 * side)]
    wanted = face._replace(box=(left - near[0], top - near[1], right - near[0], bottom - near[1]))
    again = (other for side_px in _SECOND_LOOKS_PX for other in find_at(window, side_px / side))
    return max((other.confidence for other in again if overlap(other, wanted)), default=0.0)


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingExtraError("the face finder needs dlib: pip install dlib-bin") from error
    return dlib.get_frontal_face_detector()
