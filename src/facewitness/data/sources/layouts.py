"""What the layouts of public data sets have in common: their options, and the error for a folder that is another."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from facewitness.types import ManifestError, Sample

VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted of a data set. A layout ignores what it does not have."""

    compression: str = "c23"  # of FaceForensics++: c0 (or raw), c23, c40
    methods: tuple[str, ...] = ()  # all if empty; real videos always come along
    splits: Path | None = None  # the official split lists, where they do not lie in the data set itself


@dataclass(frozen=True, slots=True)
class Layout:
    """A data set as it is laid out on disk. ``read`` gives a sample for each video or picture, fakes labelled 1."""

    name: str
    summary: str
    read: Callable[[Path, Choice], list[Sample]]


def chosen(choice: Choice, known: Sequence[str]) -> list[str]:
    """The methods asked for, in the order of ``known``.

    Raises:
        ManifestError: one of them is unknown.
    """
    for name in choice.methods:
        if name not in known:
            guess = get_close_matches(name, known, 1)
            hint = f"did you mean {guess[0]!r}?" if guess else f"there are {', '.join(known)}"
            raise ManifestError(f"no method {name!r} in this data set; {hint}")
    return [name for name in known if not choice.methods or name in choice.methods]


def files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """The files right in a folder with one of the suffixes, by name; none where there is no folder."""
    if not folder.is_dir():
        return []
    wanted = set(suffixes)
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in wanted and path.is_file())


def demand(samples: list[Sample], root: Path, expected: str) -> list[Sample]:
    """``samples``, if there are any.

    Raises:
        ManifestError: there are none; it says what was expected where, and what is there instead.
    """
    if samples:
        return samples
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder; name the one that holds {expected}")
    there = sorted(path.name for path in root.iterdir())[:6]
    has = f"it holds {', '.join(there)}" if there else "it is empty"
    raise ManifestError(f"{root}: expected {expected}; {has}: is it the folder above or below?")


def read_table(table: Path, needed: Sequence[str]) -> list[tuple[int, Mapping[str, str]]]:
    """Return the rows of a UTF-8 CSV table with their line numbers; cells are stripped, one that is not there is empty.

    Raises:
        ManifestError: the table is missing or no such table, lacks a needed column, or a cell of one is empty.
    """
    rows: list[tuple[int, Mapping[str, str]]] = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or ()
            missing = [name for name in needed if name not in columns]
            if missing:
                raise ManifestError(f"{table}: column {missing[0]!r} is missing; needed are {', '.join(needed)}")
            for row in reader:
                cells = {name: (row[name] or "").strip() for name in columns}
                empty = next((name for name in needed if not cells[name]), None)
                if empty is not None:
                    where = f"{table}: line {reader.line_num}, column {empty!r}"
                    raise ManifestError(f"{where}: empty; fill it or remove the row")
                rows.append((reader.line_num, cells))
    except OSError as error:
        raise ManifestError(f"cannot read {table}: {error.strerror or error}; name the folder that holds it") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{table} is not a UTF-8 CSV table: {error}") from error
    return rows
