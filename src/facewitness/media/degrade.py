"""What the world does to pictures: operators with levels, from untouched (0) to hardly a picture any more.

Every operator keeps the picture's size, so that a map and its truth stay on one grid. The same level with the same
seed does the same to the two pictures of a pair. Compression, blur, noise and low resolution are FakeLocator's.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import av
import cv2
import numpy as np

from facewitness.types import Image


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of degradation. ``levels[0]`` is level 1; level 0 leaves every picture as it is."""

    summary: str
    unit: str  # what the levels count
    levels: tuple[float, ...]
    apply: Callable[[Image, float, np.random.Generator], Image]


def degrade(rgb: Image, operator: str, level: int, seed: int = 0) -> Image:
    """A picture (H, W, 3) through an operator of ``OPERATORS``; the very same array at level 0.

    Raises:
        ValueError: no such operator, or no such level.
    """
    if operator not in OPERATORS:
        raise ValueError(f"no degradation {operator!r}; there are {', '.join(OPERATORS)}")
    chosen = OPERATORS[operator]
    if not 0 <= level <= len(chosen.levels):
        raise ValueError(f"{operator} has levels 0 to {len(chosen.levels)}, not {level}")
    if level == 0:
        return rgb
    made = chosen.apply(rgb, chosen.levels[level - 1], np.random.default_rng((seed, level)))
    return np.ascontiguousarray(made, np.uint8)


def shuffled(planes: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """FakeLocator's disorganisation: pictures (H, W, ...) of one size cut into four and put together in another order.

    All of them in the same order, never the one they came in. An odd row or column stays where it is.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(4)
    while (order == np.arange(4)).all():
        order = rng.permutation(4)
    made = []
    for plane in planes:
        high, wide = plane.shape[0] // 2, plane.shape[1] // 2
        corners = [(row, column) for row in (0, high) for column in (0, wide)]
        whole = plane.copy()
        for (row, column), source in zip(corners, order, strict=True):
            from_row, from_column = corners[source]
            piece = plane[from_row : from_row + high, from_column : from_column + wide]
            whole[row : row + high, column : column + wide] = piece
        made.append(whole)
    return made


def _coded(suffix: str, flag: int) -> Callable[[Image, float, np.random.Generator], Image]:
    def apply(rgb: Image, quality: float, _: np.random.Generator) -> Image:
        data = cv2.imencode(suffix, rgb[..., ::-1], [flag, round(quality)])[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]

    return apply


_jpeg = _coded(".jpg", cv2.IMWRITE_JPEG_QUALITY)


def _h264(rgb: Image, factor: float, _: np.random.Generator) -> Image:
    height, width = rgb.shape[:2]
    bordered = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    even = np.asarray(bordered, np.uint8)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(round(factor)), "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = even.shape[1], even.shape[0], "yuv420p"
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")), *stream.encode()]:
            container.mux(packet)
    file.seek(0)
    with av.open(file, "r") as written:
        frame = next(written.decode(video=0))
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)[:height, :width]


def _blur(rgb: Image, size: float, _: np.random.Generator) -> Image:
    return np.asarray(cv2.GaussianBlur(rgb, (round(size), round(size)), 0), np.uint8)


def _noise(rgb: Image, variance: float, rng: np.random.Generator) -> Image:
    noisy = rgb + rng.normal(0, np.sqrt(variance), rgb.shape)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def _small(rgb: Image, ratio: float, _: np.random.Generator | None = None) -> Image:
    height, width = rgb.shape[:2]
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _gamma(rgb: Image, gamma: float, _: np.random.Generator) -> Image:
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return table[rgb]


def _crop(rgb: Image, share: float, _: np.random.Generator) -> Image:
    """The border is gone; what a crop that reaches past it shows is mirrored, as ``media.faces.cut`` does."""
    rows, columns = (min(round(side * share), (side - 1) // 2) for side in rgb.shape[:2])
    if not rows and not columns:
        return rgb
    kept = rgb[rows : rgb.shape[0] - rows, columns : rgb.shape[1] - columns]
    return np.asarray(cv2.copyMakeBorder(kept, rows, rows, columns, columns, cv2.BORDER_REFLECT), np.uint8)


def _social(rgb: Image, strength: float, rng: np.random.Generator) -> Image:
    """Reduced, sharpened and compressed, twice over, as a picture that was posted, saved and posted again."""
    for _ in range(2):
        small = _small(rgb, 1 - 0.12 * strength)
        soft = cv2.GaussianBlur(small, (0, 0), 1.0)
        sharp = cv2.addWeighted(small, 1.3, soft, -0.3, 0)
        rgb = np.asarray(_jpeg(np.asarray(sharp, np.uint8), 90 - 9 * strength, rng), np.uint8)
    return rgb


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "jpeg": Operator("JPEG compression", "quality", (90, 70, 50, 30, 10), _jpeg),
        "blur": Operator("Gaussian blur", "filter size, px", (3, 5, 7, 9, 11), _blur),
        "noise": Operator("Gaussian noise", "variance, levels squared", (4, 16, 64, 144, 256), _noise),
        "low-resolution": Operator("reduced and enlarged again", "ratio", (0.8, 0.6, 0.4, 0.3, 0.2), _small),
        "webp": Operator(
            "WebP compression", "quality", (90, 70, 50, 30, 10), _coded(".webp", cv2.IMWRITE_WEBP_QUALITY)
        ),
        "h264": Operator("one frame of H.264 video", "CRF", (18, 23, 28, 33, 40), _h264),
        "gamma": Operator("darkened", "exponent", (1.2, 1.4, 1.7, 2.0, 2.5), _gamma),
        "crop": Operator("the border cut off", "share of each side", (0.05, 0.1, 0.15, 0.2, 0.25), _crop),
        "social": Operator("posted twice: reduced, sharpened, compressed", "strength", (1, 2, 3, 4, 5), _social),
    }
)
