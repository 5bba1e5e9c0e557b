"""A contact sheet of a data set: for each method some pictures, and where they were forged."""

from collections.abc import Sequence

import cv2
import numpy as np

from facewitness.media import image, visualize
from facewitness.types import Image, ManifestError, MediaError, Plane, Sample

_TILE_PX = 160


def contact_sheet(samples: Sequence[Sample], each: int = 6, seed: int = 0) -> Image:
    """``each`` pictures of every method, drawn by the seed; of fakes the region, or the map, beside them.

    Raises:
        ManifestError: none of the drawn pictures can be read.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for method in dict.fromkeys(s.method for s in samples):
        own = [s for s in samples if s.method == method]
        tiles: list[Image | Plane | None] = []
        for place in sorted(rng.permutation(len(own))[:each].tolist()):
            tiles += _tiles(own[place])
        if tiles:
            rows.append((f"{method} ({len(own)})", tiles))
    if not rows:
        raise ManifestError("none of the pictures can be read")
    return visualize.tile_sheet(rows, tile_px=_TILE_PX)


def _tiles(sample: Sample) -> list[Image | Plane | None]:
    try:
        rgb = image.read(sample.path)
    except MediaError:
        return []
    plane = _where(sample)
    if plane is None:
        return [rgb]
    if plane.shape != rgb.shape[:2]:
        plane = np.asarray(cv2.resize(plane, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    return [rgb, visualize.heat(rgb, plane)]


def _where(sample: Sample) -> Plane | None:
    try:
        if sample.region is not None:
            return image.read(sample.region)[..., 0].astype(np.float32) / np.float32(255)
        return None if sample.mask is None else image.read_plane(sample.mask)
    except MediaError:
        return None
