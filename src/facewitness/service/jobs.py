"""The scans of a service and their files, in one SQLite file that survives a restart.

A file is queued until its result is there. Names that users gave are kept as text and shown; on disk a file is called
by its number.
"""

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from facewitness.types import ScanError

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS scans (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,    -- seconds since 1970
    cancelled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    scan TEXT NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,       -- as the user called it
    path TEXT NOT NULL UNIQUE,
    entry TEXT,               -- the report as JSON; NULL: not scanned yet
    pictures TEXT,            -- what ``scanning.overlay.write`` gave
    PRIMARY KEY (scan, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON files (scan) WHERE entry IS NULL;
"""


class State(StrEnum):
    """Where a scan stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Upload(NamedTuple):
    """A file that was received: what the user called it, and where it lies."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class ScanFile:
    """One file of a scan; ``entry`` None: it was not scanned yet."""

    number: int
    name: str
    path: Path
    entry: Mapping[str, Any] | None
    pictures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan and how far it is."""

    id: str
    created: float
    state: State
    total: int
    done: int


class Jobs:
    """All scans below ``folder``; safe to use from several threads.

    Raises:
        ScanError: from any method, when the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        try:
            self.uploads.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(folder / "service.sqlite", timeout=30, check_same_thread=False)
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            found = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, _VERSION):
                raise ScanError(f"{folder} was made by another version of facewitness; give another --data folder")
            self._connection.executescript(f"{_SCHEMA}PRAGMA user_version = {_VERSION};")
        except (OSError, sqlite3.Error) as error:
            raise ScanError(
                f"cannot use {folder}: {error}; see to its rights, or give another --data folder"
            ) from error

    @property
    def uploads(self) -> Path:
        """The folder that holds a folder of files for each scan."""
        return self.folder / "uploads"

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, scan: str, uploads: Sequence[Upload]) -> None:
        """Queue a scan of files that are there."""
        rows = [(scan, number, upload.name, str(upload.path)) for number, upload in enumerate(uploads)]
        with self._transaction() as connection:
            connection.execute("INSERT INTO scans (id, created) VALUES (?, ?)", (scan, time.time()))
            connection.executemany("INSERT INTO files (scan, number, name, path) VALUES (?, ?, ?, ?)", rows)

    def finish(self, path: Path, entry: Mapping[str, Any], pictures: Mapping[str, Any]) -> bool:
        """Keep the result of a file; False if its scan was deleted or cancelled meanwhile."""
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE files SET entry = ?, pictures = ? WHERE path = ? "
                "AND scan IN (SELECT id FROM scans WHERE cancelled = 0)",
                (json.dumps(entry), json.dumps(pictures), str(path)),
            )
            return changed.rowcount == 1

    def cancel(self, scan: str) -> None:
        """Leave the files that were not scanned yet as they are for ever."""
        with self._transaction() as connection:
            connection.execute("UPDATE scans SET cancelled = 1 WHERE id = ?", (scan,))

    def delete(self, scan: str) -> list[Mapping[str, Any]]:
        """Forget a scan, remove its files, and return the pictures that were made of them."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT pictures FROM files WHERE scan = ? AND pictures IS NOT NULL", (scan,))
            pictures = [json.loads(text) for (text,) in rows]
            connection.execute("DELETE FROM scans WHERE id = ?", (scan,))
        shutil.rmtree(self.uploads / scan, ignore_errors=True)
        return pictures

    def waiting(self) -> list[Path]:
        """The files that are still to be scanned, in the order in which they came."""
        query = (
            "SELECT path FROM files JOIN scans ON scan = id WHERE entry IS NULL AND cancelled = 0 "
            "ORDER BY created, scan, number"
        )
        return [Path(path) for (path,) in self._rows(query)]

    def is_waiting(self, path: Path) -> bool:
        """Whether a file is still to be scanned."""
        query = "SELECT 1 FROM files JOIN scans ON scan = id WHERE path = ? AND entry IS NULL AND cancelled = 0"
        return bool(self._rows(query, (str(path),)))

    def scans(self, most: int = 100) -> list[Scan]:
        """The last scans, the newest first."""
        return [self._scan(row) for row in self._rows(f"{_SCANS} GROUP BY id ORDER BY created DESC LIMIT ?", (most,))]

    def scan(self, scan: str) -> Scan | None:
        """One scan."""
        rows = self._rows(f"{_SCANS} WHERE id = ? GROUP BY id", (scan,))
        return self._scan(rows[0]) if rows else None

    def files(self, scan: str) -> list[ScanFile]:
        """The files of a scan, in the order in which they were sent."""
        query = "SELECT number, name, path, entry, pictures FROM files WHERE scan = ? ORDER BY number"
        return [self._file(row) for row in self._rows(query, (scan,))]

    def file(self, scan: str, number: int) -> ScanFile | None:
        """One file of a scan."""
        query = "SELECT number, name, path, entry, pictures FROM files WHERE scan = ? AND number = ?"
        rows = self._rows(query, (scan, number))
        return self._file(rows[0]) if rows else None

    def older_than(self, created: float) -> list[str]:
        """The scans that were made before a time."""
        return [scan for (scan,) in self._rows("SELECT id FROM scans WHERE created < ?", (created,))]

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._transaction() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._connection as connection:
                yield connection
        except sqlite3.Error as error:
            raise ScanError(f"cannot use {self.folder}: {error}; see to free space and rights") from error

    def _file(self, row: tuple[int, str, str, str | None, str | None]) -> ScanFile:
        number, name, path, entry, pictures = row
        return ScanFile(
            number, name, Path(path), None if entry is None else json.loads(entry), json.loads(pictures or "{}")
        )

    def _scan(self, row: tuple[str, float, int, int, int]) -> Scan:
        name, created, cancelled, total, done = row
        state = (
            State.CANCELLED if cancelled else State.DONE if done == total else State.RUNNING if done else State.QUEUED
        )
        return Scan(name, created, state, total, done)


_SCANS = "SELECT id, created, cancelled, COUNT(number), COUNT(entry) FROM scans LEFT JOIN files ON scan = id"
