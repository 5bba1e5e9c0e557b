"""The raw metadata of a picture file, gathered in one opening and read by everything else in this package."""

from dataclasses import dataclass, field
from io import BytesIO

import PIL.Image
from PIL import ExifTags

from facewitness.media.image import formats
from facewitness.media.metadata.xmp import Xmp, parse

_XMP_TAG = 700  # of a TIFF file
_LATE_CHUNKS = (b"tEXt", b"iTXt", b"zTXt", b"eXIf")
_TEXT_LIMIT = 1_000_000  # characters of a text chunk that are looked at


@dataclass(frozen=True, slots=True)
class Source:
    """A file's bytes, its opened picture (no pixel decoded) and the texts in it."""

    data: bytes
    picture: PIL.Image.Image
    exif: PIL.Image.Exif
    xmp: Xmp = field(default_factory=Xmp)
    texts: dict[str, str] = field(default_factory=dict)  # text chunks of PNG, the comment of JPEG and GIF
    problems: tuple[str, ...] = ()  # metadata that is there and cannot be read

    def tag(self, tag: ExifTags.Base) -> str:
        """A value of EXIF as one line of text, empty where there is none."""
        value = self.exif.get(tag, self.exif.get_ifd(ExifTags.IFD.Exif).get(tag, ""))
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return one_line(text)


def open_source(data: bytes) -> Source:
    """Open a picture and gather its metadata; damaged parts are named in ``problems``.

    Raises:
        Exception: whatever Pillow raises for bytes that are no picture.
    """
    picture = PIL.Image.open(BytesIO(data), formats=formats())
    problems = []
    if picture.format == "PNG" and any(kind in data[data.rfind(b"IDAT") :] for kind in _LATE_CHUNKS):
        picture.load()  # Pillow sees what follows the pixels only behind them
    try:
        exif = picture.getexif()
        exif.get_ifd(ExifTags.IFD.Exif)
    except Exception as error:  # hostile bytes make Pillow raise almost anything
        exif = PIL.Image.Exif()
        problems.append(f"EXIF ({type(error).__name__})")
    texts = {
        str(key): value[:_TEXT_LIMIT]
        for key, value in picture.info.items()
        if isinstance(value, str) and key != "XML:com.adobe.xmp"
    }
    comment = picture.info.get("comment")
    if isinstance(comment, bytes):
        texts["comment"] = comment[:_TEXT_LIMIT].decode("utf-8", "replace")
    try:
        xmp = parse(_packet(picture, exif))
    except ValueError as error:
        xmp = Xmp()
        problems.append(f"XMP ({error})")
    return Source(data, picture, exif, xmp, texts, tuple(problems))


def one_line(text: str, most: int = 120) -> str:
    """A text from a file for a report: printable, on one line, and short."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * most])
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def _packet(picture: PIL.Image.Image, exif: PIL.Image.Exif) -> bytes:
    packet = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or exif.get(_XMP_TAG) or b""
    return packet.encode() if isinstance(packet, str) else bytes(packet)
