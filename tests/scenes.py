"""Photographs with known faces: heads pasted upon backgrounds without one, of any number, size and turn.

Heads are cut from portraits along a soft ellipse. A scene may be turned, dark, covered or compressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image as PillowImage

from facewitness.media import faces, image
from facewitness.media.finders.face import TEMPLATE, similarity
from facewitness.types import Image, Points
from tests.fakes import astronaut

_CENTRE, _RADII = np.array([0.0, -0.15]), np.array([0.72, 0.95])  # of a head, in units of the face's side
_BACKGROUNDS = ("brick", "grass", "gravel", "coffee", "chelsea", "rocket", "moon", "hubble_deep_field", "page", "coins")


@dataclass(frozen=True)
class Portrait:
    """A photograph of one face and its landmarks (68, 2)."""

    rgb: Image
    landmarks: Points


@dataclass(frozen=True)
class Scene:
    """A photograph and its faces: centres (N, 2) px and sides (N,) px of their landmarks' bounding boxes."""

    rgb: Image
    centres: Points
    sides: Points

    def found(self, centres: Points, sides: Points) -> tuple[int, int]:
        """Return how many of the faces are among those found, and how many found are none of them."""
        left = set(range(len(centres)))
        hits = 0
        for centre, side in zip(self.centres, self.sides, strict=True):
            near = [i for i in left if np.linalg.norm(centres[i] - centre) < side / 2 and 0.5 < sides[i] / side < 2]
            if near:
                left.remove(min(near, key=lambda i: float(np.linalg.norm(centres[i] - centre))))
                hits += 1
        return hits, len(left)


@lru_cache(maxsize=1)
def astronauts() -> tuple[Portrait, ...]:
    """The astronaut and her mirror image."""
    both = [astronaut(), np.ascontiguousarray(astronaut()[:, ::-1])]
    return tuple(Portrait(rgb, faces.find(rgb)[0].landmarks) for rgb in both)


def background(rng: np.random.Generator, width: int, height: int) -> Image:
    """A part of a photograph without a face, or noise, (height, width, 3)."""
    from skimage import data

    kind = rng.integers(len(_BACKGROUNDS) + 2)
    if kind < len(_BACKGROUNDS):
        picture = np.asarray(getattr(data, _BACKGROUNDS[kind])(), np.uint8)
        picture = np.repeat(picture[..., None], 3, 2) if picture.ndim == 2 else picture[..., :3]
        picture = picture[:, :: rng.choice([-1, 1])]
    else:
        coarse = int(rng.integers(4, 200))
        picture = rng.integers(0, 256, (coarse, coarse, 3), np.uint8)
    share = rng.uniform(0.4, 1.0)
    tall, wide = (max(2, int(side * share)) for side in picture.shape[:2])
    top, left = (
        int(rng.integers(0, whole - part + 1)) for whole, part in zip(picture.shape, (tall, wide), strict=False)
    )
    part = np.ascontiguousarray(picture[top : top + tall, left : left + wide])
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def scene(
    rng: np.random.Generator,
    portraits: Sequence[Portrait],
    size: tuple[int, int],
    count: int,
    sides: tuple[float, float],
    *,
    turn: float = 0.0,
    lean: float = 20.0,
    covered: bool = False,
    brightness: float = 1.0,
    quality: int = 90,
) -> Scene:
    """Make a photograph of ``size`` (width, height) with ``count`` faces in a grid, or as many as fit.

    Args:
        rng: decides everything else.
        portraits: whose heads are pasted.
        size: width and height, px.
        count: faces.
        sides: the shortest and longest side of a face, px.
        turn: degrees by which all faces are turned clockwise.
        lean: degrees by which each face leans at most to either side.
        covered: whether glasses, a hand or a hat are drawn over each.
        brightness: what all values are multiplied by.
        quality: of the JPEG that the photograph goes through.
    """
    rgb = background(rng, *size)
    cell = 2.2 * sides[1]
    columns, rows = (max(1, int(side / cell)) for side in size)
    places = rng.permutation(columns * rows)[:count]
    centres, lengths = [], []
    for place in places:
        row, column = divmod(int(place), columns)
        side = float(np.exp(rng.uniform(*np.log(sides))))
        spare = (np.array(size) / (columns, rows) - 2.0 * side) / 2
        centre = (np.array([column, row]) + 0.5) * np.array(size) / (columns, rows) + rng.uniform(-1, 1, 2) * spare
        angle = np.deg2rad(turn + rng.uniform(-lean, lean))
        _paste(rgb, portraits[int(rng.integers(len(portraits)))], centre, side, angle, covered, rng)
        centres.append(centre)
        lengths.append(side)
    dimmed = np.asarray(rgb * brightness, np.uint8)
    coded = cv2.imdecode(np.frombuffer(image.encode(dimmed, f"jpeg:{quality}"), np.uint8), cv2.IMREAD_COLOR_RGB)
    return Scene(
        np.asarray(coded, np.uint8), np.array(centres, np.float32).reshape(-1, 2), np.array(lengths, np.float32)
    )


def _paste(
    rgb: Image,
    portrait: Portrait,
    centre: np.ndarray,
    side: float,
    angle: float,
    covered: bool,
    rng: np.random.Generator,
) -> None:
    """Draw a head whose face has its centre and side there, in place."""
    reach = int(np.ceil(1.5 * side))
    size = 2 * reach + 1
    start = np.floor(centre).astype(int) - reach
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = side * np.array([[cosine, -sine], [sine, cosine]])
    target = (TEMPLATE @ turn.T + centre - start).astype(np.float32)
    matrix = similarity(faces.five_points(portrait.landmarks), target)
    head = faces.cut(portrait.rgb, matrix, size)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) - (centre - start)
    local = grid @ np.linalg.inv(turn).T  # in units of the face, upright
    if covered:
        _cover(head, local, rng)
    distance = np.linalg.norm((local - _CENTRE) / _RADII, axis=-1)
    weight = np.clip((1.05 - distance) / 0.1, 0, 1)[..., None]
    inside = tuple(slice(max(0, s), min(whole, s + size)) for s, whole in zip(start[::-1], rgb.shape, strict=False))
    part = tuple(slice(i.start - s, i.stop - s) for i, s in zip(inside, start[::-1], strict=True))
    rgb[inside] = np.rint(rgb[inside] * (1 - weight[part]) + head[part] * weight[part]).astype(np.uint8)


def _cover(head: Image, local: np.ndarray, rng: np.random.Generator) -> None:
    """Draw dark glasses, a hand over the mouth, or a hat, in place."""
    x, y = local[..., 0], local[..., 1]
    eyes = np.minimum(np.hypot(x - 0.22, y + 0.3), np.hypot(x + 0.22, y + 0.3))
    covers = [eyes < 0.16, (np.abs(x) < 0.3) & (y > 0.05) & (y < 0.4), y < -0.5]
    colours = [(20, 20, 25), (190, 140, 115), (60, 70, 110)]
    kind = rng.integers(3)
    head[covers[kind]] = colours[kind]


def turned_by(scene: Scene, quarters: int) -> Scene:
    """The same photograph turned counter-clockwise by quarters of a turn."""
    rgb, centres = scene.rgb, scene.centres
    for _ in range(quarters):
        centres = np.stack([centres[:, 1], rgb.shape[1] - 1 - centres[:, 0]], 1)
        rgb = np.ascontiguousarray(np.rot90(rgb))
    return Scene(rgb, centres, scene.sides)


def save(scene: Scene, path: str) -> None:
    """Write a scene with its faces marked, to look at."""
    marked = scene.rgb.copy()
    for centre, side in zip(scene.centres, scene.sides, strict=True):
        cv2.circle(marked, tuple(int(v) for v in centre), int(side / 2), (255, 0, 0), 2)
    PillowImage.fromarray(marked).save(path)
