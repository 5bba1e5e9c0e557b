"""The small picture that cameras store in EXIF, compared with the picture itself.

A program that changes the pixels and leaves EXIF alone leaves the thumbnail of the original behind.
"""

import io
from collections.abc import Iterator

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ExifTags

from facewitness.media.metadata.source import Source
from facewitness.types import Evidence, EvidenceKind

LEVELS = 24.0
"""Mean difference, in gray levels, of a tile of the thumbnail that is called another picture."""

_TILES = 8  # in each direction


def compare(source: Source) -> Iterator[Evidence]:
    """Whether the EXIF thumbnail shows the picture; nothing where there is none."""
    small = _thumbnail(source)
    if small is None:
        return
    with PIL.Image.open(io.BytesIO(source.data)) as opened:
        opened.draft("L", (small.shape[1] * 2, small.shape[0] * 2))  # a JPEG is decoded at a fraction of its size
        picture = np.asarray(opened.convert("L"), np.float32)
    small = _without_bars(small, picture.shape[1] / picture.shape[0])
    size = f"{small.shape[1]} x {small.shape[0]} px"
    ratio = (small.shape[1] / small.shape[0]) / (picture.shape[1] / picture.shape[0])
    if not 0.95 < ratio < 1.05:
        yield _differs(f"The EXIF thumbnail ({size}) has other proportions than the picture.")
        return
    reduced = cv2.resize(picture, small.shape[::-1], interpolation=cv2.INTER_AREA)
    worst = _worst_tile(small, np.asarray(reduced, np.float32))
    if worst > LEVELS:
        yield _differs(f"The EXIF thumbnail ({size}) shows something else: a tile differs by {worst:.0f} gray levels.")
        return
    yield Evidence(
        EvidenceKind.THUMBNAIL,
        f"The EXIF thumbnail ({size}) shows the same picture; no tile differs by more than {worst:.0f} gray levels.",
        "That no large part was replaced after the thumbnail was written.",
        "That nothing was changed before, or that nothing small was: many programs write the thumbnail anew.",
    )


def _differs(seen: str) -> Evidence:
    return Evidence(
        EvidenceKind.THUMBNAIL,
        seen,
        "That the picture was cropped or changed by a program after its thumbnail was written.",
        "That the change was a forgery: cropping, rotating and developing have the same effect.",
    )


def _thumbnail(source: Source) -> NDArray[np.float32] | None:
    first = source.exif.get_ifd(ExifTags.IFD.IFD1)
    start, length = first.get(ExifTags.Base.JpegIFOffset), first.get(ExifTags.Base.JpegIFByteCount)
    raw = source.picture.info.get("exif", b"").removeprefix(b"Exif\x00\x00")
    if not isinstance(start, int) or not isinstance(length, int) or not raw:
        return None
    with PIL.Image.open(io.BytesIO(raw[start : start + length]), formats=("JPEG",)) as picture:
        if picture.width * picture.height > 1_000_000:
            raise ValueError("larger than a thumbnail")
        return np.asarray(picture.convert("L"), np.float32)


def _without_bars(small: NDArray[np.float32], proportion: float) -> NDArray[np.float32]:
    """The part of the thumbnail that shows the picture: cameras fill 160 x 120 px with black bars."""
    height, width = small.shape
    inner_height, inner_width = min(height, round(width / proportion)), min(width, round(height * proportion))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    inner = small[top : top + inner_height, left : left + inner_width]
    outside = small.sum() - inner.sum()
    return inner if inner.size < small.size and outside <= 12 * (small.size - inner.size) else small


def _worst_tile(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The largest mean difference of a tile, once brightness and contrast of the whole are the same."""
    second = (second - second.mean()) * (first.std() / max(1.0, float(second.std()))) + first.mean()
    difference = np.abs(cv2.GaussianBlur(first, (0, 0), 1.0) - cv2.GaussianBlur(second, (0, 0), 1.0))
    tiles = cv2.resize(difference, (_TILES, _TILES), interpolation=cv2.INTER_AREA)
    return float(np.max(tiles))
