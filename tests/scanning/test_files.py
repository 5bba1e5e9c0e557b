"""What a scan is about: each photograph once, whatever links there are, and nothing silently left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facewitness.scanning.files import collect
from facewitness.types import Status


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def found(*paths: Path, out: Path | None = None) -> list[Path]:
    return [file.path for file in collect(paths, out).files]


def test_folders_are_searched_in_order_and_others_counted(tmp_path: Path) -> None:
    wanted = [touch(tmp_path / name) for name in ("B.JPG", "a.png", "z.tiff", "sub/c.webp", "sub/deep/d.gif")]
    for name in ("notes.txt", "sub/film.doc", "noend"):
        touch(tmp_path / name)
    listing = collect([tmp_path])
    assert [file.path for file in listing.files] == wanted
    assert (listing.passed_over, listing.repeated, listing.problems) == (3, 0, [])
    assert listing.files[0].size == 1
    assert listing.files[0].mtime_ns == wanted[0].stat().st_mtime_ns


def test_a_named_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    film = touch(tmp_path / "film.mp4")
    assert found(film) == [film]


def test_the_same_file_twice_is_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = touch(tmp_path / "a.jpg")
    (tmp_path / "link.jpg").symlink_to(photo)
    monkeypatch.chdir(tmp_path)
    listing = collect([photo, Path("a.jpg"), tmp_path, tmp_path])
    assert [file.path for file in listing.files] == [photo]
    assert listing.repeated == 3  # the second mention, the folder's own, the link


def test_equal_copies_are_two_files(tmp_path: Path) -> None:
    assert len(found(touch(tmp_path / "a.jpg").parent, touch(tmp_path / "b.jpg"))) == 2


def test_loops_of_folders_end(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a" / "b" / "x.jpg")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    assert found(tmp_path) == [photo]


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    photo = touch(tmp_path / "elsewhere" / "x.jpg")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "here") == [tmp_path / "here" / "link" / "x.jpg"]
    assert found(tmp_path / "here", photo) == [tmp_path / "here" / "link" / "x.jpg"]


def test_links_that_lead_nowhere_are_problems(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    listing = collect([tmp_path])
    assert listing.files == []
    assert {(p.path.name, p.status) for p in listing.problems} == {
        ("loop.jpg", Status.UNREADABLE),
        ("gone.jpg", Status.UNREADABLE),
    }
    notes = {problem.path.name: problem.note for problem in listing.problems}
    assert "itself" in notes["loop.jpg"]
    assert "nowhere" in notes["gone.jpg"]


def test_a_path_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = collect([tmp_path / "missing"]).problems
    assert problem.status is Status.UNREADABLE


def test_a_folder_that_may_not_be_listed_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, closed = touch(tmp_path / "a.jpg"), tmp_path / "closed"
    touch(closed / "b.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:  # root may list everything
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = collect([tmp_path])
    assert [file.path for file in listing.files] == [photo]
    assert [(p.path, p.status) for p in listing.problems] == [(closed, Status.NO_PERMISSION)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_without_rights_is_a_problem(tmp_path: Path) -> None:
    closed = touch(tmp_path / "closed" / "b.jpg").parent
    closed.chmod(0)
    try:
        assert [p.status for p in collect([tmp_path]).problems] == [Status.NO_PERMISSION]
    finally:
        closed.chmod(0o700)


def test_a_scan_does_not_scan_itself(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a.jpg")
    for name in ("out/overlays/a.jpg", "older/overlays/b.jpg", "older/scan.sqlite", "older/own.jpg"):
        touch(tmp_path / name)
    listing = collect([tmp_path], tmp_path / "out")
    assert [file.path for file in listing.files] == [photo, tmp_path / "older" / "own.jpg"]


def test_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    listing = collect([tmp_path])
    assert (listing.files, listing.problems, listing.passed_over) == ([], [], 0)


def test_deep_trees_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep = deep / "d"
    photo = touch(deep / "x.jpg")
    assert found(tmp_path) == [photo]
