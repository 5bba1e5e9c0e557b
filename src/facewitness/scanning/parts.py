"""What is kept of videos that are not through: a row for each finished segment, beside the results of whole files."""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from facewitness.scanning.files import File
from facewitness.scanning.records import SegmentRecord

SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (
    path BLOB NOT NULL,
    detector TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    record TEXT NOT NULL,     -- of scanning.records
    PRIMARY KEY (path, detector, size, mtime_ns, segment)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pictures (
    path BLOB NOT NULL,
    detector TEXT NOT NULL,
    segment INTEGER NOT NULL,
    kind TEXT NOT NULL,       -- face: the crop beside its heat; frame: the whole frame with its heat
    frame INTEGER NOT NULL,
    face INTEGER NOT NULL,    -- index of it in the frame
    data BLOB NOT NULL,       -- JPEG
    PRIMARY KEY (path, detector, segment, kind, frame, face)
);
"""
Pictures = Mapping[tuple[str, int, int], bytes]
"""JPEGs by kind, frame and index of the face."""


class Parts:
    """Segments and pictures of videos by file and detector.

    Raises:
        sqlite3.Error: from any method; ``Store`` makes an error of ours of it.
    """

    def __init__(self, connection: sqlite3.Connection, detector: str) -> None:
        self._connection, self._detector = connection, detector
        connection.executescript(SCHEMA)

    def add(self, file: File, segment: int, record: SegmentRecord, pictures: Pictures) -> None:
        """Keep a segment: all of it or, when the process dies meanwhile, nothing."""
        path = os.fsencode(file.path)
        rows = [(path, self._detector, segment, *name, data) for name, data in pictures.items()]
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?)",
                (path, self._detector, file.size, file.mtime_ns, segment, json.dumps(record.to_json())),
            )
            self._connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def resume(self, file: File) -> frozenset[int]:
        """The segments of a file that are kept; where there are none, what is left of another state of it goes."""
        done = self.done(file)
        if not done:
            with self._connection:
                self.drop([file.path])
        return done

    def done(self, file: File) -> frozenset[int]:
        """The segments of a file that are kept."""
        query = "SELECT segment FROM segments WHERE path = ? AND detector = ? AND size = ? AND mtime_ns = ?"
        rows = self._connection.execute(query, (*self._key(file.path), file.size, file.mtime_ns))
        return frozenset(number for (number,) in rows)

    def records(self, file: File) -> Iterator[SegmentRecord]:
        """The segments of a file in order."""
        query = (
            "SELECT record FROM segments WHERE path = ? AND detector = ? AND size = ? AND mtime_ns = ? ORDER BY segment"
        )
        for (record,) in self._connection.execute(query, (*self._key(file.path), file.size, file.mtime_ns)):
            yield SegmentRecord.from_json(json.loads(record))

    def pictured(self, file: File) -> set[tuple[str, int, int]]:
        """Which pictures there are of a file."""
        query = "SELECT kind, frame, face FROM pictures WHERE path = ? AND detector = ?"
        return set(self._connection.execute(query, self._key(file.path)))

    def picture(self, file: File, name: tuple[str, int, int]) -> bytes:
        """One of ``pictured``."""
        query = "SELECT data FROM pictures WHERE path = ? AND detector = ? AND kind = ? AND frame = ? AND face = ?"
        row = self._connection.execute(query, (*self._key(file.path), *name)).fetchone()
        return bytes(row[0])

    def drop(self, paths: Iterable[Path]) -> None:
        """Forget what is kept of files that are through; the caller commits."""
        keys = [self._key(path) for path in paths]
        self._connection.executemany("DELETE FROM segments WHERE path = ? AND detector = ?", keys)
        self._connection.executemany("DELETE FROM pictures WHERE path = ? AND detector = ?", keys)

    def _key(self, path: Path) -> tuple[bytes, str]:
        return os.fsencode(path), self._detector
