"""Which files a scan is about: named files as they are, folders searched for photographs and videos, each file once.

Nothing is opened here. What cannot be listed is a problem with a status, not an exception.
"""

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facewitness.media import image, video
from facewitness.types import Status

SUFFIXES = image.SUFFIXES | video.SUFFIXES
STORE_NAME = "scan.sqlite"
RESULTS_NAME, REPORT_NAME = "results.jsonl", "report.html"
OVERLAYS_NAME = "overlays"


@dataclass(frozen=True, slots=True)
class File:
    """A file to scan, by its absolute path, and what tells whether it has changed since."""

    path: Path
    size: int  # bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A path that could not even be listed."""

    path: Path
    status: Status
    note: str


@dataclass(slots=True)
class Listing:
    """The outcome of a search, in the order of the paths given and, within a folder, of the names."""

    files: list[File] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    passed_over: int = 0  # files of folders that have neither a photograph's suffix nor a video's
    repeated: int = 0  # links to, or second mentions of, files listed already


def collect(paths: Sequence[Path], out: Path | None = None, exclude: Sequence[str] = ()) -> Listing:
    """Search ``paths``, following links but never twice to the same place.

    The output folder of this scan and the pictures of earlier ones are left out, so that a scan never scans itself.

    Args:
        paths: files as they are, and folders.
        out: the output folder.
        exclude: patterns as of a shell; what is below a folder of ``paths`` is left out where its name, or its path
            from that folder on, matches one.
    """
    listing = Listing()
    leave_out = _matcher(exclude)
    seen: set[str] = set()  # real paths of files and of folders
    excluded = None if out is None else os.path.realpath(out)
    for path in paths:
        absolute = os.path.abspath(path)
        try:
            information = os.stat(absolute)
        except OSError as error:
            listing.problems.append(_problem(absolute, error))
            continue
        if stat.S_ISDIR(information.st_mode):
            _folder(absolute, listing, seen, excluded, leave_out)
        else:
            _file(absolute, os.path.realpath(absolute), information, listing, seen)
    return listing


def _matcher(exclude: Sequence[str]) -> Callable[[str, str], bool]:
    """What says of a path, and of the folder it was found below, whether it is to be left out."""
    if not exclude:
        return lambda path, top: False
    one = re.compile("|".join(f"(?:{fnmatch.translate(pattern.rstrip('/'))})" for pattern in exclude))
    return lambda path, top: bool(one.match(os.path.basename(path)) or one.match(os.path.relpath(path, top)))


def _folder(
    top: str, listing: Listing, seen: set[str], excluded: str | None, leave_out: Callable[[str, str], bool]
) -> None:
    waiting = [(top, os.path.realpath(top))]
    while waiting:
        folder, real = waiting.pop()
        if real in seen or real == excluded:
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as entries:
                names = sorted((one for one in entries if not leave_out(one.path, top)), key=lambda entry: entry.name)
        except OSError as error:
            listing.problems.append(_problem(folder, error))
            continue
        folders = list(_entries(names, real, listing, seen))
        waiting.extend(reversed(folders))


def _entries(names: list[os.DirEntry[str]], real: str, listing: Listing, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Take a folder's files into the listing and give its folders: (path, real path)."""
    scanned = any(entry.name == STORE_NAME for entry in names)
    for entry in names:
        wanted = os.path.splitext(entry.name)[1].lower() in SUFFIXES
        try:
            information = entry.stat()
        except OSError as error:
            if wanted:  # a broken or looping link under the name of a photograph or a video; others are nobody's loss
                listing.problems.append(_problem(entry.path, error))
            else:
                listing.passed_over += 1
            continue
        target = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
        if stat.S_ISDIR(information.st_mode):
            if not (scanned and entry.name == OVERLAYS_NAME):
                yield entry.path, target
        elif wanted:
            _file(entry.path, target, information, listing, seen)
        else:
            listing.passed_over += 1


def _file(path: str, real: str, information: os.stat_result, listing: Listing, seen: set[str]) -> None:
    if real in seen:
        listing.repeated += 1
        return
    seen.add(real)
    listing.files.append(File(Path(path), information.st_size, information.st_mtime_ns))


def _problem(path: str, error: OSError) -> Problem:
    if error.errno in (errno.EACCES, errno.EPERM):
        note = "no permission to look inside; change its rights or run as its owner"
        return Problem(Path(path), Status.NO_PERMISSION, note)
    if error.errno == errno.ENOENT:
        return Problem(Path(path), Status.UNREADABLE, "no such file or folder, or a link that leads nowhere")
    if error.errno == errno.ELOOP:
        return Problem(Path(path), Status.UNREADABLE, "a link that leads to itself")
    return Problem(Path(path), Status.UNREADABLE, f"cannot be listed: {error.strerror or error}")
