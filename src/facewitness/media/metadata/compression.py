"""What JPEG compression left in a file: its quantisation tables, and whether it was compressed before.

Double compression is found as by Lukas and Fridrich (2003, "Estimation of primary quantization matrix in double
compressed JPEG images", Digital Forensic Research Workshop), by matching histograms: the picture shifted by four pixels
has lost the block grid and gives each coefficient's distribution before this file was written. Quantising it by an
earlier table and then by the file's own predicts the histogram that a first compression would have left. Ours are the
likelihood ratio over nine coefficients together, and earlier tables from one family, that of libjpeg.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from facewitness.media.metadata.source import Source
from facewitness.types import Evidence, EvidenceKind

GAIN = 0.01
"""Mean gain in log-likelihood from which double compression is reported (docs/provenance.md)."""

_SIDE_PX = 1024  # the part of the picture that is looked at, in the middle
_EARLIEST = 30  # libjpeg quality of the earlier compressions that are tried, up to 99
_COEFFICIENTS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (0, 3), (3, 0))
_LEVELS = 12  # quantised magnitudes that are counted
_LUMINANCE = np.array(  # ITU-T T.81, table K.1
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
Table = NDArray[np.int64]  # (8, 8), rows by vertical frequency
Plane = NDArray[np.float32]


def table(quality: int) -> Table:
    """The luminance table of libjpeg for a quality in 1..100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((_LUMINANCE * scale + 50) // 100, 1, 255))


def tables(source: Source) -> Iterator[Evidence]:
    """The quality that the quantisation tables stand for, and whether they are those of libjpeg."""
    own = _luminance_table(source.picture)
    if own is None:
        return
    distances = [float(np.abs(np.log(table(quality) / own)).mean()) for quality in range(1, 101)]
    quality = int(np.argmin(distances)) + 1
    standard = (table(quality) == own).all()
    kind = "the tables of libjpeg" if standard else "tables of its own, as cameras and Photoshop have"
    subsampling = _subsampling(source.picture)
    yield Evidence(
        EvidenceKind.JPEG,
        f"JPEG of quality {'' if standard else 'about '}{quality} by {kind}{subsampling}.",
        "That a program with libjpeg wrote the file last: most programs and sites have it, few cameras."
        if standard
        else "That the file was last written by a camera or program with its own tables.",
        "Origin or manipulation.",
    )


def recompression(source: Source) -> Iterator[Evidence]:
    """Whether the picture was a JPEG of another quality before."""
    own = _luminance_table(source.picture)
    if own is None or source.picture.info.get("adobe_transform") == 0 or min(source.picture.size) < 128:
        return
    gain, quality = double_compression(_luminance(source.data), own)
    if gain < GAIN:
        return
    yield Evidence(
        EvidenceKind.RECOMPRESSION,
        f"Its coefficients fit an earlier JPEG compression, of quality about {quality} (gain {gain:.2f} nat per "
        f"coefficient, reported from {GAIN:g} on).",
        "That the file is not a camera's first recording: a program or a site opened and saved it.",
        "Manipulation: every upload to a site does the same.",
    )


def double_compression(luminance: Plane, own: Table) -> tuple[float, int]:
    """The mean gain in log-likelihood of a coefficient by the best earlier compression, and the quality of that one.

    Args:
        luminance: (H, W) as the file stores it, on its block grid, at least 128 px a side.
        own: the file's table for luminance.
    """
    here, before = _coefficients(luminance), _coefficients(luminance[4:, 4:])
    # Pixels were rounded between the two compressions; in three channels, as measured, by this standard deviation.
    noise = np.random.default_rng(0).normal(0, 0.4, len(before)).astype(np.float32)
    qualities = range(_EARLIEST, 100)
    earlier = np.stack([table(quality) for quality in qualities])
    gains, counted = np.zeros(len(qualities)), 0.0
    for row, column in _COEFFICIENTS:
        step = float(own[row, column])
        observed = _histogram(here[:, row, column] / step)
        single = _shares(_histogram(before[:, row, column] / step))
        counted += observed.sum()
        steps, place = np.unique(earlier[:, row, column], return_inverse=True)
        gains += np.array([_gain(observed, single, before[:, row, column], noise, one, step) for one in steps])[place]
    best = int(np.argmax(gains))
    return float(gains[best] / max(1.0, counted)), qualities[best]


def _gain(
    observed: NDArray[np.float64], single: NDArray[np.float64], before: Plane, noise: Plane, first: int, second: float
) -> float:
    double = _shares(_histogram((np.round(before / first) * first + noise) / second))
    return float((observed * (np.log(0.9 * double + 0.1 * single) - np.log(single))).sum())


def _luminance_table(picture: PIL.Image.Image) -> Table | None:
    """The table of the first component of a JPEG in YCbCr or gray; None of anything else."""
    quantization = getattr(picture, "quantization", None)
    if picture.format not in ("JPEG", "MPO") or not quantization or picture.mode not in ("RGB", "L"):
        return None
    return np.array(quantization[min(quantization)], np.int64).reshape(8, 8)


def _subsampling(picture: PIL.Image.Image) -> str:
    names = {0: ", chroma 4:4:4", 1: ", chroma 4:2:2", 2: ", chroma 4:2:0"}
    return names.get(get_sampling(picture), "") if isinstance(picture, JpegImageFile) else ""


def _luminance(data: bytes) -> Plane:
    """The middle of a JPEG's stored luminance, on the block grid."""
    with PIL.Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as picture:
        picture.draft("L", picture.size)  # the stored plane itself, not one computed from RGB
        left, top = (max(0, (side - _SIDE_PX) // 2) // 8 * 8 for side in picture.size)
        return np.asarray(picture.crop((left, top, left + _SIDE_PX, top + _SIDE_PX)).convert("L"), np.float32)[
            : picture.height - top, : picture.width - left
        ]


def _coefficients(plane: Plane) -> Plane:
    """The DCT of whole blocks, (N, 8, 8)."""
    height, width = (side // 8 * 8 for side in plane.shape)
    blocks = plane[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    return np.asarray(_DCT @ (blocks - 128) @ _DCT.T, np.float32)


def _basis() -> Plane:
    place = np.arange(8)
    rows = np.sqrt(2 / 8) * np.cos(np.pi * (2 * place[None] + 1) * place[:, None] / 16)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, np.float32)


_DCT = _basis()


def _histogram(quantised: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    magnitude = np.abs(np.round(quantised)).astype(np.int64)
    return np.bincount(magnitude[magnitude <= _LEVELS], minlength=_LEVELS + 1).astype(np.float64)


def _shares(histogram: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((histogram + 0.5) / (histogram + 0.5).sum())
