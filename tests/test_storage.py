"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewitness import storage


def test_a_file_takes_the_place_of_the_old_one_only_when_it_was_written_well(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    storage.write_text(file, "old")
    with pytest.raises(TypeError), storage.atomic_write(file) as part:
        part.write_bytes("half")
    assert file.read_text() == "old"
    with storage.atomic_write(file) as part:
        part.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file], "nothing half written is left"


def test_two_processes_may_write_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table.csv"
    with storage.atomic_write(file) as one:
        one.write_text("the same")
        monkeypatch.setattr("os.getpid", lambda: 1)
        storage.write_text(file, "the same")
    assert file.read_text() == "the same"
