"""The store: what was added is found again, by the same file and the same detector only."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from facewitness.scanning.files import File
from facewitness.scanning.store import Row, Store
from facewitness.types import ScanError

IDENTITY = {"name": "d", "weights_sha256": "1"}


def row(path: str = "/x/a.jpg", size: int = 3, mtime_ns: int = 5, status: str = "ok") -> Row:
    return Row(File(Path(path), size, mtime_ns), {"path": path, "status": status}, {"overlay": None})


def kept(path: Path, identity: Mapping[str, str] = IDENTITY, version: str = "1") -> dict[Path, tuple[int, int]]:
    with Store(path, identity, version) as store:
        return store.done()


def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        store.add([row(), row("/x/b.jpg")])
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        assert store.done() == {Path("/x/a.jpg"): (3, 5), Path("/x/b.jpg"): (3, 5)}
        assert store.get(row().file) == row()
        assert store.get(row("/x/c.jpg").file) is None


def test_adding_again_replaces(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        store.add([row()])
        store.add([row(mtime_ns=6)])
        assert store.done() == {Path("/x/a.jpg"): (3, 6)}


@pytest.mark.parametrize(("identity", "version"), [({**IDENTITY, "weights_sha256": "2"}, "1"), (IDENTITY, "2")])
def test_another_detector_or_version_has_its_own_results(
    tmp_path: Path, identity: dict[str, str], version: str
) -> None:
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        store.add([row()])
    assert kept(tmp_path / "s.sqlite", identity, version) == {}
    assert len(kept(tmp_path / "s.sqlite")) == 1


def test_files_without_rights_are_asked_again(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        store.add([row(status="no_permission")])
        assert store.done() == {}
        assert store.get(row().file) is not None


def test_names_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    path = os.fsdecode(b"/x/\xff\xfe.jpg")
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        store.add([Row(File(Path(path), 1, 1), {"status": "ok"}, {})])
        assert list(store.done()) == [Path(path)]


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", IDENTITY, "1") as store:
        store.add([row()])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")  # as full a disk as SQLite can imagine
        many = [row(f"/x/{number}" + "y" * 500) for number in range(100)]
        with pytest.raises(ScanError, match=r"full.*free space.*run the same command again") as caught:
            store.add(many)
        assert "\n" not in str(caught.value)
    assert kept(tmp_path / "s.sqlite") == {Path("/x/a.jpg"): (3, 5)}


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"I am no database at all, nor ever was." * 100)
    with pytest.raises(ScanError, match="another --out"):
        Store(tmp_path / "s.sqlite", IDENTITY, "1")


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ScanError, match="another version"):
        Store(tmp_path / "s.sqlite", IDENTITY, "1")


def test_a_store_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="cannot use"):
        Store(tmp_path / "missing" / "s.sqlite", IDENTITY, "1")
