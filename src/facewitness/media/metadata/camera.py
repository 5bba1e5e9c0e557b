"""What EXIF says of the camera, of the dates and of the place."""

from collections.abc import Iterator

from PIL import ExifTags

from facewitness.media.metadata.source import Source
from facewitness.types import Evidence, EvidenceKind


def camera(source: Source) -> Iterator[Evidence]:
    """Camera, lens, dates and whether a position is there, in one line."""
    make, model = source.tag(ExifTags.Base.Make), source.tag(ExifTags.Base.Model)
    taken, changed = source.tag(ExifTags.Base.DateTimeOriginal), source.tag(ExifTags.Base.DateTime)
    parts = []
    if make or model:
        parts.append(f"camera {model if model.startswith(make) else f'{make} {model}'.strip()}")
    if lens := source.tag(ExifTags.Base.LensModel):
        parts.append(f"lens {lens}")
    if taken:
        parts.append(f"taken {taken}")
    if changed and changed != taken:
        order = " (before it was taken)" if taken and changed < taken else ""
        parts.append(f"file changed {changed}{order}")
    if source.exif.get_ifd(ExifTags.IFD.GPSInfo):
        parts.append("a GPS position")
    if parts:
        yield Evidence(
            EvidenceKind.CAMERA,
            f"EXIF: {', '.join(parts)}.",
            "That the file carries what a camera writes; dates are those of the clock of the camera or the program.",
            "That the pixels are those of that camera: EXIF is not signed, survives editing and is easily copied.",
        )
