"""Find every face in a photograph, crop the square a detector sees, and paste a crop's map back on the source grid.

Who finds the faces is part of a crop profile. Pixel centres lie on whole numbers throughout, as in OpenCV.
"""

from types import ModuleType

import cv2
import numpy as np

from facewitness.media.finders import hog, mtcnn
from facewitness.media.finders.face import TEMPLATE, Face, cut, five_points, moved, similarity
from facewitness.types import CardError, CropProfile, Image, Plane, Points, Status, Views

__all__ = ["FINDERS", "Face", "alignment", "crop", "cut", "find", "five_points", "moved", "paste", "rescale"]

FINDERS: dict[str, ModuleType] = {"dlib-hog": hog, "mtcnn": mtcnn}
"""By name, a module with ``find``, which takes (H, W, 3) uint8 RGB, with ``limits``, and with ``load``."""

FINDER = "dlib-hog"
ALIGNMENT, TILES = "similarity-5of68", "tiles"
ALIGNMENTS = (ALIGNMENT, TILES)


def find(rgb: Image, finder: str = FINDER, thorough: bool = False) -> list[Face]:
    """All faces, the largest first, and after them the doubtful ones, the largest first.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        finder: one of ``FINDERS``.
        thorough: look for smaller faces as well where a finder does not always do so: see ``hog.find``.
    """
    return sorted(FINDERS[finder].find(rgb, thorough), key=lambda face: (face.doubtful, -face.side_px))


def status(face: Face, profile: CropProfile) -> Status:
    """OK, or why a detector with this crop profile does not judge the face."""
    if face.doubtful:
        return Status.DOUBTFUL_FACE
    return Status.FACE_TOO_SMALL if face.side_px < profile.min_face_px else Status.OK


def nothing_found(shape: tuple[int, ...], finder: str) -> str:
    """What to say of a photograph (H, W) in which a finder finds nothing: what it looked for."""
    return f"no face found: looked for {FINDERS[finder].limits(shape)}"


def crop(rgb: Image, landmarks: Points, profile: CropProfile) -> tuple[Image, np.ndarray]:
    """The aligned square of ``profile.size_px`` and the (2, 3) matrix that takes source to crop coordinates."""
    matrix = alignment(landmarks, profile)
    return cut(rgb, matrix, profile.size_px), matrix


def views(rgb: Image, landmarks: Points, profile: CropProfile) -> Views:
    """What the further members of a detector see of a face."""
    return tuple(
        tiles(rgb, landmarks, one)[0] if one.alignment == TILES else crop(rgb, landmarks, one)[0][None]
        for one in profile.further
    )


def tiles(rgb: Image, landmarks: Points, profile: CropProfile) -> tuple[Image, list[np.ndarray]]:
    """Tiles of the face and its margin as the photograph has them, not turned; not scaled unless the face is large.

    A grid of at most ``profile.tiles`` is laid evenly over the square that ``profile.margin`` gives; it moves inward
    where it would leave the photograph, which is mirrored only where it is smaller than a tile.

    Returns:
        the tiles (N, S, S, 3), and for each the matrix (2, 3) that takes source to tile coordinates.
    """
    side, scale = profile.size_px, tile_scale(landmarks, profile)
    rgb = padded(reduced(rgb, scale), side)
    low, high = landmarks.min(0) * scale, landmarks.max(0) * scale
    reach = float((high - low).max()) * (0.5 + profile.margin)
    each = min(int(np.sqrt(profile.tiles)), int(np.ceil(2 * reach / side)))
    spread = max(0.0, reach - side / 2) * np.linspace(-1, 1, each) if each > 1 else np.zeros(1)
    grid = np.stack(np.meshgrid(spread, spread), -1).reshape(-1, 2)  # row by row
    starts = np.rint((low + high) / 2 + grid - side / 2).astype(np.int64)
    starts = np.unique(np.clip(starts, 0, np.array(rgb.shape[1::-1]) - side), axis=0)
    cut_out = np.stack([rgb[top : top + side, left : left + side] for left, top in starts])
    return cut_out, [_tile_matrix(scale, left, top) for left, top in starts]


def _tile_matrix(scale: float, left: float, top: float) -> np.ndarray:
    offset = scale / 2 - 0.5  # pixel centres lie on whole numbers
    return np.array([[scale, 0, offset - left], [0, scale, offset - top]])


def reduced(picture: Image, scale: float) -> Image:
    """A picture or region at ``scale``, the same where that is 1."""
    if scale == 1:
        return picture
    size = tuple(max(1, round(length * scale)) for length in picture.shape[1::-1])
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def padded(picture: Image, side_px: int) -> Image:
    """A picture or region, mirrored below and on the right where it is shorter than a side."""
    below, right = (max(0, side_px - length) for length in picture.shape[:2])
    if not (below or right):
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT), np.uint8)


def tile_scale(landmarks: Points, profile: CropProfile) -> float:
    """How much a photograph is reduced before tiles are cut, 1 for not at all."""
    return min(1.0, profile.face_px / float(np.ptp(landmarks, axis=0).max())) if profile.face_px else 1.0


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


def load(finder: str = FINDER) -> None:
    """Load the models of a finder now instead of with the first photograph.

    Raises:
        MissingExtraError: a package that it needs is not installed.
    """
    FINDERS[finder].load()


def check(profile: CropProfile) -> None:
    """Refuse a crop profile that this version cannot follow, before any photograph is read.

    Raises:
        CardError: the profile names an alignment or a finder this version does not have.
    """
    for one in profile.further:
        check(one)
    if profile.alignment not in ALIGNMENTS or profile.finder not in FINDERS:
        raise CardError(
            f"crop profile asks for {profile.finder}/{profile.alignment}; this version has {' or '.join(FINDERS)}/"
            f"{' or '.join(ALIGNMENTS)}: use the version of facewitness the detector was exported with"
        )


def alignment(landmarks: Points, profile: CropProfile) -> np.ndarray:
    """The similarity (2, 3) that puts a face's five points upon the template of ``profile``.

    Of a profile of tiles it leads to the tile in the middle of the face.

    Raises:
        CardError: the profile names an alignment or a finder this version does not have.
    """
    check(profile)
    if profile.alignment == TILES:
        scale = tile_scale(landmarks, profile)
        centre = (landmarks.min(0) + landmarks.max(0)) / 2 * scale
        left, top = np.rint(centre - profile.size_px / 2)
        return _tile_matrix(scale, left, top)
    side = profile.size_px / (1 + 2 * profile.margin)
    target = TEMPLATE * side + (profile.size_px - 1) / 2
    return similarity(five_points(landmarks), target)
