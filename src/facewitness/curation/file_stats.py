"""Statistics of a file apart from what its picture shows; none should separate forgeries from reals."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from PIL import JpegImagePlugin

from facewitness.curation.duplicates import perceptual_hash
from facewitness.media import image
from facewitness.types import MediaError, Status

NUMBERS = ("width", "height", "bytes", "bytes_per_pixel", "jpeg_quality", "metadata_bytes")
CATEGORIES = ("format", "size", "mode", "jpeg_table", "subsampling", "suffix", "has_metadata", "has_profile")

_SUBSAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """Trivial features of one file. Of a file that cannot be read only ``status`` counts."""

    status: Status
    format: str = ""
    suffix: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    mode: str = ""  # colour mode, which shortcuts the bit depth: RGB, L, I;16
    jpeg_quality: float = float("nan")  # estimated from the luminance table; NaN for other formats
    jpeg_table: str = ""  # fingerprint of the quantisation tables
    subsampling: str = ""
    metadata_bytes: int = 0  # EXIF, XMP, text and comments
    has_profile: bool = False
    hash: int = 0  # perceptual, 64 bits

    @property
    def bytes_per_pixel(self) -> float:
        """Size of the file by the number of its pixels."""
        return self.bytes / max(1, self.width * self.height)

    @property
    def size(self) -> str:
        """Width and height as one category."""
        return f"{self.width}x{self.height}"

    @property
    def has_metadata(self) -> bool:
        """Whether there is any."""
        return self.metadata_bytes > 0


def file_statistics(path: Path) -> FileStatistics:
    """Return the statistics of a file; one that cannot be read has its status and nothing else."""
    try:
        rgb = image.read(path)
        with PIL.Image.open(path) as picture:
            return _traits(path, picture, rgb)
    except MediaError as error:
        return FileStatistics(error.status)
    except OSError:
        return FileStatistics(Status.UNREADABLE)


def quality(tables: dict[int, list[int]]) -> float:
    """The IJG quality, 1 to 100, whose luminance table has nearly the sum of this one."""
    total = sum(tables.get(0, ()))
    if not total:
        return float("nan")
    qualities, sums = _sums()
    return float(qualities[int(np.abs(sums - total).argmin())])


def _traits(path: Path, picture: PIL.Image.Image, rgb: np.ndarray) -> FileStatistics:
    tables = getattr(picture, "quantization", None) or {}
    told = ("exif", "xmp", "XML:com.adobe.xmp", "comment", "photoshop", "Description", "Software")
    found = [picture.info[name] for name in told if name in picture.info]
    jpeg = isinstance(picture, JpegImagePlugin.JpegImageFile)
    return FileStatistics(
        Status.OK,
        format=picture.format or "",
        suffix=path.suffix.lower(),
        width=picture.width,
        height=picture.height,
        bytes=path.stat().st_size,
        mode=picture.mode,
        jpeg_quality=quality(tables),
        jpeg_table=hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:8] if tables else "",
        subsampling=_SUBSAMPLING.get(JpegImagePlugin.get_sampling(picture), "other") if jpeg else "",
        metadata_bytes=sum(len(value) for value in found if isinstance(value, str | bytes)),
        has_profile="icc_profile" in picture.info,
        hash=perceptual_hash(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)),
    )


@lru_cache(maxsize=1)
def _sums() -> tuple[np.ndarray, np.ndarray]:
    """For each quality, the sum of the luminance table as encoders write it."""
    picture = PIL.Image.new("L", (8, 8))
    sums = []
    for number in range(1, 101):
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=number)
        with PIL.Image.open(buffer) as again:
            assert isinstance(again, JpegImagePlugin.JpegImageFile)
            sums.append(sum(again.quantization[0]))
    return np.arange(1, 101), np.array(sums)
