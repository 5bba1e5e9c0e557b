"""What every result file has in common: written whole or not at all, tables in Markdown, and where it was made."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "forgesight",
    "numpy",
    "opencv-python-headless",
    "dlib-bin",
    "onnxruntime",
    "pillow",
    "av",
    "polars",
    "torch",
)


@contextmanager
def whole(file: Path) -> Iterator[Path]:
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
    with whole(file) as part:
        part.write_text(text, encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def counted(count: int | None) -> str:
    """A count as 27,977, 4.01 M or 8.36 G; a dash for None."""
    if count is None:
        return "-"
    for size, unit in ((10**9, "G"), (10**6, "M")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:,}"


def how_it_was_made(command: Sequence[str], facts: Sequence[str]) -> str:
    """The last section of a page: the command, what else is to be known, this machine and its software."""
    here = environment()
    lines = [
        f"Command: `{shlex.join(command)}`" if command else "Command: called from Python",
        *facts,
        f"Made: {datetime.now(UTC).date()}, {here['processor']}, {here['cores']} cores, {here['system']}",
        f"Versions: {', '.join(f'{name} {version}' for name, version in here['versions'].items())}",
    ]
    return "## How it was made\n\n" + "\n".join(f"- {line}" for line in lines)


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


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 of some paths in their order, by which a folder knows what it was made from."""
    return hashlib.sha256("\n".join(str(path.resolve()) for path in paths).encode()).hexdigest()


def cache() -> Path:
    """Where the house keeps what it can make again: below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forgesight"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of those of the packages that are installed."""
    known = {"python": platform.python_version()}
    for package in packages:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return known


def environment() -> dict[str, Any]:
    """Versions, system, processor and cores of this machine."""
    found = versions(_PACKAGES)
    return {"versions": found, "system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
