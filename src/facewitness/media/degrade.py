"""What the world does to pictures: operators with levels, from untouched (0) to hardly a picture any more.

Every operator keeps the picture's size, so that a map and its truth stay on one grid. The same level with the same
seed does the same to the two pictures of a pair. Compression, blur, noise and low resolution are FakeLocator's.
``TREATMENTS`` are what people and programs do to genuine photographs every day; each has one level.
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
    if operator not in KNOWN:
        raise ValueError(f"no degradation {operator!r}; there are {', '.join(KNOWN)}")
    chosen = KNOWN[operator]
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


def _beauty(rgb: Image, strength: float, _: np.random.Generator) -> Image:
    return np.asarray(cv2.bilateralFilter(rgb, 9, 40 * strength, 40 * strength), np.uint8)


def _median(rgb: Image, size: float, _: np.random.Generator) -> Image:
    return np.asarray(cv2.medianBlur(rgb, round(size)), np.uint8)


def _denoised(rgb: Image, strength: float, _: np.random.Generator) -> Image:
    return np.asarray(cv2.fastNlMeansDenoisingColored(rgb, None, strength, strength, 5, 15), np.uint8)


def _jpeg_twice(rgb: Image, quality: float, rng: np.random.Generator) -> Image:
    """Compressed, moved by some pixels and compressed again, so that the two grids of blocks do not meet."""
    moved = cv2.copyMakeBorder(_jpeg(rgb, quality - 15, rng), 3, 0, 5, 0, cv2.BORDER_REPLICATE)
    return _jpeg(np.asarray(moved, np.uint8), quality, rng)[3:, 5:]


def _screenshot(rgb: Image, ratio: float, rng: np.random.Generator) -> Image:
    """Shown at another size on a screen with a slightly steeper curve, and kept as a JPEG."""
    shown = _gamma(_small(rgb, ratio), 1.1, rng)
    return np.asarray(_jpeg(shown, 85, rng), np.uint8)


def _printed(rgb: Image, strength: float, rng: np.random.Generator) -> Image:
    """Printed and scanned: softer, grainy, yellowish, with less contrast."""
    soft = cv2.GaussianBlur(rgb, (0, 0), 0.8 * strength).astype(np.float32)
    paper = np.array([1.0, 0.98, 0.92], np.float32) * (20 + 0.86 * soft)
    return _jpeg(_noise(np.asarray(np.clip(paper, 0, 255), np.uint8), 20 * strength, rng), 85, rng)


def _gray(rgb: Image, _: float, __: np.random.Generator) -> Image:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def _contrast(rgb: Image, share: float, _: np.random.Generator) -> Image:
    """The darkest and the brightest ``share`` of the pixels are clipped."""
    low, high = np.quantile(rgb, (share, 1 - share))
    return np.asarray(np.clip((rgb - low) * 255.0 / max(high - low, 1.0), 0, 255), np.uint8)


def _damaged(rgb: Image, count: float, rng: np.random.Generator) -> Image:
    """A JPEG some bytes of whose picture data were altered; what cannot be read any more is altered elsewhere."""
    data = np.asarray(cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]).ravel()
    for _ in range(20):
        altered = data.copy()
        altered[rng.integers(len(data) // 3, len(data) - 2, size=round(count))] = rng.integers(0, 255, round(count))
        read = cv2.imdecode(altered, cv2.IMREAD_COLOR)
        if read is not None and read.shape == rgb.shape:
            return np.asarray(read, np.uint8)[..., ::-1]
    return rgb


TREATMENTS: Mapping[str, Operator] = MappingProxyType(
    {
        "beauty": Operator("beauty filter (bilateral)", "strength", (1,), _beauty),
        "median": Operator("median filter", "size, px", (5,), _median),
        "denoised": Operator("denoising (non-local means)", "strength", (5,), _denoised),
        "jpeg-50": Operator("JPEG 50", "quality", (50,), _jpeg),
        "half": Operator("half the size", "ratio", (0.5,), _small),
        "jpeg-twice": Operator("JPEG 60, shifted, JPEG 75", "second quality", (75,), _jpeg_twice),
        "messenger": Operator("sent twice by messenger", "strength of social", (3,), _social),
        "screenshot": Operator("screenshot", "ratio", (0.8,), _screenshot),
        "printed": Operator("printed and scanned", "strength", (1,), _printed),
        "gray": Operator("black and white", "", (1,), _gray),
        "contrast": Operator("extreme contrast", "share clipped at either end", (0.1,), _contrast),
        "damaged": Operator("three bytes of the file altered", "bytes", (3,), _damaged),
    }
)
KNOWN: Mapping[str, Operator] = MappingProxyType({**OPERATORS, **TREATMENTS})
