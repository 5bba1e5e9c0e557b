"""The memory of a scan: one SQLite file that holds every result from the moment it is made.

A row is a file as one detector saw it. A killed process loses at most the group of files it was busy with; rows are
found again by path, size and time of change, and by what the detector is. It knows nothing of photographs.
"""

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from facewitness.scanning.files import File
from facewitness.scanning.parts import Parts
from facewitness.types import ScanError, Status

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    path BLOB NOT NULL,       -- absolute, as the file system spells it
    detector TEXT NOT NULL,   -- digest of name, weights, crop profile, thresholds and package version
    size INTEGER NOT NULL,    -- bytes
    mtime_ns INTEGER NOT NULL,
    status TEXT NOT NULL,
    entry TEXT NOT NULL,      -- the object of results.jsonl
    pictures TEXT NOT NULL,   -- what the HTML report shows beside it
    PRIMARY KEY (path, detector)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One scanned file: the object of ``results.jsonl`` and the names of its pictures."""

    file: File
    entry: Mapping[str, Any]
    pictures: Mapping[str, Any]


class _Connection(sqlite3.Connection):
    """A connection whose transactions belong to one thread at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        try:
            return super().__exit__(kind, error, trace)
        finally:
            self._lock.release()


class Store:
    """Results by file and detector.

    Raises:
        ScanError: from any method, when the file cannot be read or written. What was added before stays.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], version: str) -> None:
        self._path = path
        text = json.dumps([dict(identity), version], sort_keys=True, default=str)
        self._detector = hashlib.sha256(text.encode()).hexdigest()
        try:
            # Threads of the pool ask what is done of a video; SQLite itself lets one statement in at a time.
            self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, factory=_Connection)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            found = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, _SCHEMA_VERSION):
                raise ScanError(f"{path} was made by another version of facewitness; give another --out folder")
            with self._connection:
                self._connection.execute(_SCHEMA)
                self._connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            self.parts = Parts(self._connection, self._detector)  # of videos that are not through
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def done(self) -> dict[Path, tuple[int, int]]:
        """Size and time of change of every file this detector has scanned.

        Files that could not be opened for want of rights are not among them: rights change without a trace in either.
        """
        query = "SELECT path, size, mtime_ns FROM results WHERE detector = ? AND status != ?"
        try:
            rows = self._connection.execute(query, (self._detector, Status.NO_PERMISSION.value))
            return {Path(os.fsdecode(path)): (size, mtime_ns) for path, size, mtime_ns in rows}
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def add(self, rows: Sequence[Row]) -> None:
        """Keep results; all of them or, when the process dies meanwhile, none."""
        values = [
            (
                os.fsencode(row.file.path),
                self._detector,
                row.file.size,
                row.file.mtime_ns,
                row.entry["status"],
                json.dumps(row.entry),
                json.dumps(row.pictures),
            )
            for row in rows
        ]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", values)
                self.parts.drop(row.file.path for row in rows)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def remove(self, files: Iterable[File]) -> None:
        """Forget the results of some files."""
        values = [(os.fsencode(file.path), self._detector) for file in files]
        try:
            with self._connection:
                self._connection.executemany("DELETE FROM results WHERE path = ? AND detector = ?", values)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def get(self, file: File) -> Row | None:
        """The result for a file, if this detector has one."""
        query = "SELECT entry, pictures FROM results WHERE path = ? AND detector = ?"
        try:
            row = self._connection.execute(query, (os.fsencode(file.path), self._detector)).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return None if row is None else Row(file, json.loads(row[0]), json.loads(row[1]))

    def _failure(self, error: sqlite3.Error) -> ScanError:
        if "malformed" in str(error) or "not a database" in str(error):
            return ScanError(f"{self._path} is not a store of scans or is damaged; give another --out folder")
        return ScanError(
            f"cannot use {self._path}: {error}; see to free space and rights, then run the same command again: "
            "what is done is kept"
        )
