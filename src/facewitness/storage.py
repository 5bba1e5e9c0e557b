"""How result files are written and hashed: whole or not at all, logs of JSON lines, the cache directory."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Write a file whole or not at all: the path to write to, which takes its place when the block ends well.

    Each process has a path of its own, so that two may write the same file; it ends as the file does (numpy asks for
    that).
    """
    part = file.with_name(f".{file.stem}.{os.getpid()}.part{file.suffix}")
    try:
        yield part
        with part.open("r+b") as written:
            os.fsync(written.fileno())  # or a power cut could leave the name without its content
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_write(file) as part:
        part.write_text(text, encoding="utf-8")


def read_log(file: Path) -> dict[str, dict[str, Any]]:
    """The entries of a log of JSON lines by their ``name``; none where there is no log.

    A line that a kill cut short is taken out of the file, or the next entry would be appended to it.
    """
    entries: dict[str, dict[str, Any]] = {}
    if not file.exists():
        return entries
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        entries[entry["name"]] = entry
    write_text(file, "".join(json.dumps(entry) + "\n" for entry in entries.values()))
    return entries


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's content, hexadecimal, read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def paths_digest(paths: Iterable[Path]) -> str:
    """SHA-256 of some paths in their order, by which a folder knows what it was made from."""
    return hashlib.sha256("\n".join(str(path.resolve()) for path in paths).encode()).hexdigest()


def cache_directory() -> Path:
    """Return the folder for what can be made again: below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facewitness"
