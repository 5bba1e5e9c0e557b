"""``SHA256SUMS`` over a folder: written once, checked later, in the format of ``sha256sum``."""

import re
from pathlib import Path
from typing import NamedTuple

from facewitness import storage
from facewitness.types import ScanError

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class Difference(NamedTuple):
    """A file that is not as it was: ``what`` is changed, missing or additional."""

    what: str
    path: str


def write(folder: Path) -> str:
    """Write the sums of every file below a folder, and return the SHA-256 of what was written.

    Raises:
        ScanError: there is something below that is no file of its own, such as a link.
    """
    sums = {}
    for path in _below(folder):
        if path.is_symlink() or not path.is_file() or "\n" in path.name or "\\" in path.name:
            raise ScanError(f"{path}: a case holds files alone, with plain names; take this out and run it again")
        sums[path.relative_to(folder).as_posix()] = storage.sha256(path)
    storage.write_text(folder / NAME, _text(sums))
    return storage.sha256(folder / NAME)


def verify(folder: Path) -> list[Difference]:
    """What is not as it was when the sums were written; nothing where all is.

    Raises:
        ScanError: there are no sums, or a file cannot be read.
    """
    try:
        written = (folder / NAME).read_bytes()
        sums = _sums(written)
        if sums is None:
            return [Difference("changed", NAME)]
        there = {path.relative_to(folder).as_posix(): path for path in _below(folder)}
        found = [Difference("missing", name) for name in sums if name not in there]
        for name, path in there.items():
            if name not in sums:
                found.append(Difference("additional", name))
            elif path.is_symlink() or not path.is_file() or storage.sha256(path) != sums[name]:
                found.append(Difference("changed", name))
    except FileNotFoundError as error:
        raise ScanError(f"{folder}: no case: it has no {NAME}; make one: facewitness scan PATH --case DIR") from error
    except OSError as error:
        raise ScanError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return sorted(found, key=lambda one: one.path)


def _below(folder: Path) -> list[Path]:
    """Everything below a folder but folders and the sums themselves."""
    return sorted(
        path for path in folder.rglob("*") if (path.is_symlink() or not path.is_dir()) and path != folder / NAME
    )


def _text(sums: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sums.items())


def _sums(written: bytes) -> dict[str, str] | None:
    """The sums as written; None where a byte of them is not as ``write`` leaves it."""
    try:
        text = written.decode()
    except UnicodeDecodeError:
        return None
    matches = [_LINE.fullmatch(line) for line in text.split("\n")[:-1]]
    sums = {match[2]: match[1] for match in matches if match is not None}
    return sums if _text(sums) == text else None
