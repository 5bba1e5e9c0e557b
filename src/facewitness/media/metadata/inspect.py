"""Everything that a picture file says of its own origin, the strongest evidence first."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from facewitness.media.metadata import camera, compression, content_credentials, declared, thumbnail
from facewitness.media.metadata.source import Source, open_source
from facewitness.types import Evidence, EvidenceKind

_READERS: tuple[tuple[str, Callable[[Source], Iterator[Evidence]]], ...] = (
    ("declared origin", declared.stamp),
    ("declared origin", declared.source_type),
    ("traces of generators", declared.generator),
    ("edit history", declared.history),
    ("thumbnail", thumbnail.compare),
    ("EXIF", camera.camera),
    ("JPEG compression", compression.recompression),
    ("JPEG tables", compression.tables),
)
_SAYS_NOTHING = frozenset((EvidenceKind.JPEG, EvidenceKind.RECOMPRESSION))  # every JPEG file has these
_ORDER = list(EvidenceKind)


def inspect(path: Path) -> tuple[Evidence, ...]:
    """Return what a file says of its own origin, the strongest first; nothing is raised, damage is reported.

    Args:
        path: a picture that ``media.image.read`` reads. Of any other file, a signed manifest is still found. It is
            read into memory as a whole.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return (_unreadable(f"the file ({error.strerror or error})"),)
    found = list(_attempt("C2PA manifest", lambda: content_credentials.read(data)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; it is reported here
        try:
            source = open_source(data)
        except Exception:  # no picture that Pillow opens; its status says so
            return tuple(found)
        for what, reader in _READERS:
            found += _attempt(what, lambda reader=reader: reader(source))  # type: ignore[misc]
    found += [_unreadable(problem) for problem in source.problems]
    if all(one.kind in _SAYS_NOTHING for one in found):
        found.append(
            Evidence(
                EvidenceKind.NONE,
                "No signed manifest, no declared source, no camera data and no edit history.",
                "Nothing: most sites and messengers remove all of it from every picture.",
                "That the picture is a photograph, or that it is not.",
            )
        )
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.kind)))


def _attempt(what: str, read: Callable[[], Iterator[Evidence]]) -> list[Evidence]:
    try:
        return list(read())
    except Exception as error:  # hostile bytes make decoders raise almost anything; a scan must outlive all of it
        return [_unreadable(f"{what} ({type(error).__name__})")]


def _unreadable(what: str) -> Evidence:
    return Evidence(
        EvidenceKind.UNREADABLE,
        f"Cannot be read: {what}.",
        "That this part of the file is damaged, or was written by a program that does not follow the standard.",
        "Manipulation, or its absence.",
    )
