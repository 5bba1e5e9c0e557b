"""Pictures for eyes: the heat of a map, and contact sheets of labelled tiles."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from facewitness.types import Image, Plane

_OPACITY = 0.75  # of heat at a fakeness of 1; at 0 the photograph is untouched
_GAP_PX = 4
_TEXT_PX = 14


def heat(rgb: Image, plane: Plane, top: float = 1.0) -> Image:
    """A picture (H, W, 3) under the heat of a map (H, W) of values in 0..1; from ``top`` on, in the last colour."""
    if top < 1:
        plane = np.minimum(plane / np.float32(top), np.float32(1))
    levels = cv2.convertScaleAbs(plane, alpha=255)
    alpha = np.asarray(plane * np.float32(_OPACITY), np.float32)
    return np.asarray(cv2.blendLinear(rgb, cv2.applyColorMap(levels, _colour_map()), 1 - alpha, alpha), np.uint8)


def ramp(width: int, height: int = 1) -> Image:
    """The colours of ``heat`` from 0 to 1, left to right, as they look on middle gray: (height, width, 3)."""
    gray = np.full((height, width, 3), 150, np.uint8)
    return heat(gray, np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1)))


def tile_sheet(
    rows: Sequence[tuple[str, Sequence[Image | Plane | None]]],
    headings: Sequence[str] = (),
    *,
    tile_px: int = 144,
    scale: tuple[str, str] | None = None,
) -> Image:
    """Rows of square tiles, each row under its label, each column under its heading.

    A tile is a picture (H, W, 3), a plane (H, W) in 0..1, which is drawn in gray, or None, which is left blank. Tiles
    of another shape are fitted in. Where there are more tiles than headings, the headings begin again. ``scale`` asks
    for the bar of ``heat``'s colours and names its ends.
    """
    columns = max((len(tiles) for _, tiles in rows), default=0)
    font = ImageFont.load_default(_TEXT_PX)
    line = _TEXT_PX + 2 * _GAP_PX
    width = columns * (tile_px + _GAP_PX) + _GAP_PX
    width = max(width, *(round(font.getlength(label)) + 2 * _GAP_PX for label, _ in rows)) if rows else width
    top = line if headings else 0
    below = line if scale else 0
    canvas = Pillow.new("RGB", (width, top + len(rows) * (line + tile_px) + below), "white")
    draw = ImageDraw.Draw(canvas)
    for column in range(columns if headings else 0):
        at = (_GAP_PX + column * (tile_px + _GAP_PX) + tile_px / 2, line / 2)
        draw.text(at, headings[column % len(headings)], "black", font, anchor="mm")
    for number, (label, tiles) in enumerate(rows):
        above = top + number * (line + tile_px)
        draw.text((_GAP_PX, above + line / 2), label, "black", font, anchor="lm")
        for column, tile in enumerate(tiles):
            if tile is not None:
                canvas.paste(_tile(tile, tile_px), (_GAP_PX + column * (tile_px + _GAP_PX), above + line))
    if scale:
        low, high = (round(font.getlength(text)) + _GAP_PX for text in scale)
        middle = canvas.height - line / 2
        draw.text((_GAP_PX, middle), scale[0], "black", font, anchor="lm")
        draw.text((width - _GAP_PX, middle), scale[1], "black", font, anchor="rm")
        bar = Pillow.fromarray(ramp(max(1, width - low - high - 4 * _GAP_PX), _TEXT_PX))
        canvas.paste(bar, (low + 2 * _GAP_PX, round(middle - _TEXT_PX / 2)))
    return np.asarray(canvas, np.uint8)


def noted(picture: Image, text: str) -> Image:
    """A picture with a few small words in its lower left corner."""
    canvas = Pillow.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    at = (_GAP_PX, canvas.height - _GAP_PX)
    draw.text(at, text, "white", ImageFont.load_default(_TEXT_PX), anchor="ls", stroke_width=2, stroke_fill="black")
    return np.asarray(canvas, np.uint8)


def _tile(tile: Image | Plane, side_px: int) -> Pillow.Image:
    levels = tile if tile.dtype == np.uint8 else np.rint(np.clip(tile, 0, 1) * 255).astype(np.uint8)
    picture = Pillow.fromarray(levels).convert("RGB")
    picture.thumbnail((side_px, side_px), Pillow.Resampling.LANCZOS)
    fitted = Pillow.new("RGB", (side_px, side_px), (235, 235, 235))
    fitted.paste(picture, ((side_px - picture.width) // 2, (side_px - picture.height) // 2))
    return fitted


@lru_cache(maxsize=1)
def _colour_map() -> np.ndarray:
    """(256, 1, 3) RGB from dark to bright."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.ascontiguousarray(cv2.applyColorMap(ramp, cv2.COLORMAP_PLASMA)[:, :, ::-1])
