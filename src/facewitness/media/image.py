"""Read a photograph as upright 8-bit RGB, write one, and keep maps as 16-bit planes.

Everything that enters the package as pixels enters through ``read``; everything real or forged that leaves it leaves
through ``encode``, so that no encoder can tell the two apart. Colour profiles are not applied: a detector sees the
stored values, as in training. This module knows nothing of faces, videos or folders.
"""

import errno
import hashlib
import io
import stat
import struct
import warnings
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
import PIL.Image
from PIL import ExifTags, PngImagePlugin, UnidentifiedImageError

from facewitness.provenance import install_command
from facewitness.types import Image, MediaError, Plane, Status

_JPEG, _OTHER = {".jpg", ".jpeg", ".jpe", ".jfif"}, {".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"}
SUFFIXES: frozenset[str] = frozenset(_JPEG | _OTHER | {".avif", ".heic", ".heif"})
"""Lower-case suffixes of the files a folder scan picks up; HEIC is read where ``pillow-heif`` is installed."""

MAX_PIXELS = 150_000_000
"""Pixels above which a photograph is refused before a single one is decoded (450 MB as RGB)."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "AVIF")  # JPEG includes MPO, as many telephones write
_HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypheim", b"ftypheis", b"ftypmif1", b"ftypmsf1")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"BM", b"GIF8")
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_SUFFIX_OF = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"


class Frames(NamedTuple):
    """Pictures of a file, the first of them frame 0."""

    images: list[Image]
    numbers: list[int]  # of all its frames or pages
    total: int


def read(path: Path, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode the first picture of a file: (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Transparency is laid on white. 16-bit values are divided by 257. Floating-point pixels are taken as 0..1, 0..255
    or 0..65535, the first of these ranges that holds them; 32-bit integers as 0..65535 or, above that, 0..maximum.

    Raises:
        MediaError: with the status UNREADABLE (missing, empty, corrupt, truncated), UNSUPPORTED (not a picture of a
            kind we read), TOO_LARGE (more than ``max_pixels``, known from the header) or NO_PERMISSION.
    """
    return read_frames(path, 1, max_pixels).images[0]


def read_frames(path: Path, most: int, max_pixels: int = MAX_PIXELS) -> Frames:
    """Decode at most ``most`` frames or pages of a file, as ``read`` does the first, evenly spread over all of them.

    Together they have at most ``max_pixels``; a later one that is damaged or of another size ends the list.

    Raises:
        MediaError: as ``read``, of the first.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device would be read for ever
            raise MediaError(Status.UNSUPPORTED, f"{path}: not a regular file; give a picture or a folder of pictures")
        with path.open("rb") as file:
            head = file.read(32)
            file.seek(0)
            _check_png_header(path, head, max_pixels)
            try:
                return _decode(path, file, most, max_pixels)
            except UnidentifiedImageError as error:
                raise _unidentified(path, head) from error
    except OSError as error:
        raise _os_error(path, error) from error


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, lower-case hexadecimal.

    Raises:
        MediaError: the file cannot be opened or read to its end.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MediaError(Status.UNSUPPORTED, f"{path}: not a regular file; give a picture or a folder of pictures")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _os_error(path, error) from error


def encode(rgb: Image, encoding: str = "jpeg:95", synthetic: str | None = None, *, genuine: str | None = None) -> bytes:
    """The one encoder for real and forged photographs; same pixels, same bytes.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        encoding: ``jpeg:Q`` (4:2:0), ``png`` or ``webp:Q`` with the quality Q in 1..100.
        synthetic: how the picture was made. It is stamped into the metadata (PNG text or EXIF, and the XMP field
            ``Iptc4xmpExt:DigitalSourceType``), so that a forgery says what it is. Pixels are not touched.
        genuine: where a photograph that is not forged comes from. It is stamped in as many bytes, so that beside
            forgeries neither the size of the file nor the presence of metadata tells them apart.

    Raises:
        ValueError: an encoding that is not one of these.
    """
    name, quality = _parse(encoding)
    buffer = io.BytesIO()
    picture = PIL.Image.fromarray(np.ascontiguousarray(rgb, np.uint8), "RGB")
    told = synthetic or genuine
    xmp = b"" if told is None else _xmp(told, synthetic is not None)
    if name == "png":
        picture.save(buffer, "PNG", compress_level=6, pnginfo=None if told is None else _png_text(told, xmp))
        return buffer.getvalue()
    stamp = {} if told is None else {"exif": _exif(told), "xmp": xmp}
    if name == "jpeg":
        picture.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", **stamp)
    else:
        picture.save(buffer, "WEBP", quality=quality, method=4, **stamp)
    return buffer.getvalue()


def suffix(encoding: str) -> str:
    """The file suffix of an encoding: ``.jpg``, ``.png`` or ``.webp``.

    Raises:
        ValueError: an encoding that ``encode`` does not know.
    """
    return _SUFFIX_OF[_parse(encoding)[0]]


def encode_plane16(plane: Plane) -> bytes:
    """A plane (H, W) of values in 0..1 as a 16-bit gray-scale PNG: round(value * 65535)."""
    buffer = io.BytesIO()
    levels = np.rint(np.clip(plane, 0, 1).astype(np.float64) * 65535).astype(np.uint16)
    PIL.Image.fromarray(levels).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def read_plane(path: Path) -> Plane:
    """A plane (H, W) of float32 in 0..1 from an 8-bit or 16-bit gray-scale picture.

    Raises:
        MediaError: as ``read``.
    """
    try:
        with PIL.Image.open(path, formats=_FORMATS) as picture:
            picture.load()
            if picture.mode in _SIXTEEN_BIT or picture.mode == "I":
                levels, white = np.asarray(picture, np.float32), 65535
            else:
                levels, white = np.asarray(picture.convert("L"), np.float32), 255
    except UnidentifiedImageError as error:
        raise MediaError(Status.UNREADABLE, f"{path}: not a readable map; expected a gray-scale PNG") from error
    except OSError as error:
        raise _os_error(path, error) from error
    return (levels / np.float32(white)).clip(0, 1)


@lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """The names that Pillow has for the formats that are read here."""
    try:
        import pillow_heif
    except ImportError:
        return _FORMATS
    pillow_heif.register_heif_opener()
    return (*_FORMATS, "HEIF")


def _decode(path: Path, file: io.BufferedReader, most: int, max_pixels: int) -> Frames:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd metadata; both are dealt with here
            with PIL.Image.open(file, formats=formats()) as picture:
                _check_size(path, picture.size, max_pixels)
                picture.load()
                orientation = _orientation(picture)
                first = np.ascontiguousarray(_upright(to_rgb(path, picture), orientation))
                frames = Frames([first], [0], 1)
                return frames if most == 1 else _further(path, picture, frames, orientation, most, max_pixels)
    except (MediaError, UnidentifiedImageError):
        raise
    except (PIL.Image.DecompressionBombError, MemoryError) as error:
        raise MediaError(Status.TOO_LARGE, f"{path}: too large to decode safely: {error or 'out of memory'}") from error
    except OSError as error:
        if error.errno is not None:
            raise  # the operating system's, not the decoder's
        raise MediaError(Status.UNREADABLE, f"{path}: corrupt or truncated picture: {error}") from error
    except Exception as error:  # hostile bytes make decoders raise almost anything; a scan must outlive all of it
        raise MediaError(Status.UNREADABLE, f"{path}: corrupt picture: {type(error).__name__}: {error}") from error


def _further(
    path: Path, picture: PIL.Image.Image, frames: Frames, orientation: int, most: int, max_pixels: int
) -> Frames:
    """The first frame of an opened picture and those after it."""
    try:
        # What a telephone keeps behind a photograph (MPO) are depths and previews of it.
        total = 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))
        frames, size = frames._replace(total=total), picture.size
        room = min(most, total, max(1, max_pixels // (size[0] * size[1])))
        for number in np.linspace(0, total - 1, room).round().astype(int).tolist()[1:]:
            picture.seek(number)
            picture.load()
            if picture.size != size:
                break
            frames.images.append(np.ascontiguousarray(_upright(to_rgb(path, picture), orientation)))
            frames.numbers.append(number)
    except Exception:  # the first is whole; what follows is damaged, in any of the ways that hostile bytes find
        return frames
    return frames


def opened(path: Path) -> PIL.Image.Image:
    """A picture of a kind we read, to be closed; nothing of it is decoded, and errors are Pillow's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PIL.Image.open(path, formats=formats())


def to_rgb(path: Path, picture: PIL.Image.Image) -> Image:
    """The pixels of a decoded picture as (H, W, 3) uint8 RGB, as stored."""
    mode = picture.mode
    if mode in _SIXTEEN_BIT:
        return _gray(np.rint(np.asarray(picture).astype(np.float32) / 257))
    if mode in ("I", "F"):
        return _gray(_to_levels(np.asarray(picture)))
    if mode in ("La", "RGBa"):  # premultiplied alpha
        picture = picture.convert({"La": "LA", "RGBa": "RGBA"}[mode])
    if picture.mode in ("LA", "RGBA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", rgba.size, "white"), rgba)
    try:
        return np.asarray(picture.convert("RGB"))
    except ValueError as error:
        raise MediaError(Status.UNSUPPORTED, f"{path}: colour mode {mode} is not read; convert it to RGB") from error


def _to_levels(values: np.ndarray) -> np.ndarray:
    """Pixels (H, W) of 32 bits as 0..255; which value is white, ``read`` says."""
    wide = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(wide.max(initial=0.0))
    if values.dtype.kind != "f":
        white = 65535.0 if highest <= 65535 else highest
    else:
        white = next((limit for limit in (1.0, 255.0, 65535.0) if highest <= limit), highest)
    return np.rint(wide.clip(0, white) * (255 / white))


def _gray(levels: np.ndarray) -> Image:
    return np.repeat(levels.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _orientation(picture: PIL.Image.Image) -> int:
    # Asked after load(): Pillow turns TIFF while loading and then takes the tag away.
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata is no reason to lose a photograph; viewers show it as stored
        return 1
    return value if isinstance(value, int) else 1


def _upright(rgb: Image, orientation: int) -> Image:
    """Undo an EXIF orientation, 1 to 8; other values mean nothing."""
    if orientation in (5, 6, 7, 8):
        rgb = rgb.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    return rgb


def _check_png_header(path: Path, head: bytes, max_pixels: int) -> None:
    # Pillow calls a PNG that ends after its header unidentified; its size still tells what is wrong with it.
    if head.startswith(_MAGIC[1]) and head[12:16] == b"IHDR" and len(head) >= 24:
        _check_size(path, struct.unpack(">II", head[16:24]), max_pixels)


def _check_size(path: Path, size: tuple[int, ...], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise MediaError(
            Status.TOO_LARGE,
            f"{path}: {width} x {height} pixels are more than the limit of {max_pixels / 1e6:.0f} million; "
            "scan a smaller copy",
        )


def _unidentified(path: Path, head: bytes) -> MediaError:
    if not head:
        return MediaError(Status.UNREADABLE, f"{path}: the file is empty")
    if head.startswith(_MAGIC) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return MediaError(Status.UNREADABLE, f"{path}: corrupt or truncated picture: its header cannot be read")
    if head[4:12] in _HEIC:
        return MediaError(Status.UNSUPPORTED, f"{path}: HEIC is read with pillow-heif: {install_command('heif')}")
    known = "JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF"
    return MediaError(Status.UNSUPPORTED, f"{path}: not a picture of a kind we read; convert it to {known}")


def _os_error(path: Path, error: OSError) -> MediaError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return MediaError(Status.NO_PERMISSION, f"{path}: no permission to read; change its rights or run as its owner")
    if error.errno == errno.ENOENT:
        return MediaError(Status.UNREADABLE, f"{path}: no such file")
    return MediaError(Status.UNREADABLE, f"{path}: cannot be read: {error.strerror or error}")


def _parse(encoding: str) -> tuple[str, int]:
    name, _, quality = encoding.partition(":")
    if encoding == "png":
        return name, 0
    if name in ("jpeg", "webp") and quality.isascii() and quality.isdigit() and 1 <= int(quality) <= 100:
        return name, int(quality)
    raise ValueError(f"unknown encoding {encoding!r}; use jpeg:Q, webp:Q (Q in 1..100) or png")


def _exif(told: str) -> bytes:
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.ImageDescription] = told.encode("ascii", "replace").decode()
    exif[ExifTags.Base.Software] = "facewitness"
    return exif.tobytes()


def _xmp(told: str, forged: bool) -> bytes:
    kind = f"<Iptc4xmpExt:DigitalSourceType>{_COMPOSITE}</Iptc4xmpExt:DigitalSourceType>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"{kind if forged else ' ' * len(kind)}"  # what a photograph is from, nobody has told us
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape(told)}</rdf:li></rdf:Alt></dc:description>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def _png_text(told: str, xmp: bytes) -> PngImagePlugin.PngInfo:
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", told)
    text.add_text("Software", "facewitness")
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return text
