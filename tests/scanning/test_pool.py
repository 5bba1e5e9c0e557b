"""Reader processes: they answer as this process would, and none of them can take a scan down or hold it up."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from facewitness.scanning import pool
from facewitness.scanning.image import Prepared, prepare
from facewitness.scanning.pool import WorkerPool
from facewitness.types import MissingExtraError, ScanError, Status
from tests.fakes import FAKE_CARD, astronaut, save, texture

PROFILE = FAKE_CARD.crop


def start(code: str) -> str:
    """The program of a reader in which ``prepare`` is ``code``'s."""
    body = f"import os, time\nimport facewitness.scanning.worker as r\nreal = r.prepare\n{code}\nr.main()"
    return f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); exec({body!r})"


def read(paths: list[Path], count: int = 1, time_limit_s: float = 60) -> dict[str, Prepared]:
    with WorkerPool(count, PROFILE, 100, time_limit_s) as pool:
        answers = [one for group in pool.results(paths) for one in group if isinstance(one, Prepared)]
    assert sorted(prepared.path for prepared in answers) == sorted(paths)
    return {prepared.path.name: prepared for prepared in answers}


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    (tmp_path / "text.jpg").write_text("text")
    return [
        save(astronaut(), tmp_path / "a.png"),
        save(texture(), tmp_path / "deadly.png"),
        tmp_path / "text.jpg",
        save(texture(seed=1), tmp_path / "z.png"),
    ]


def test_a_reader_answers_as_this_process_would(paths: list[Path]) -> None:
    answers = read(paths, count=2)
    for path in paths:
        want, got = prepare(path, PROFILE, 100), answers[path.name]
        assert (got.sha256, got.status, got.notes, got.shape) == (want.sha256, want.status, want.notes, want.shape)
        assert [face.box for face in got.faces] == [face.box for face in want.faces]
        assert got.previews.keys() == want.previews.keys()
        for one, other in ((got.crops, want.crops), (got.previews.get(0), want.previews.get(0))):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_file_that_kills_its_reader_has_a_status(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    deadly = "r.prepare = lambda path, *rest: os.kill(os.getpid(), 11) if 'deadly' in path.name else real(path, *rest)"
    monkeypatch.setattr(pool, "_START", start(deadly))
    answers = read(paths)
    assert answers["deadly.png"].status is Status.UNREADABLE
    assert "worker died" in answers["deadly.png"].notes[0]
    assert answers["a.png"].status is Status.OK
    assert answers["z.png"].status is Status.NO_FACE


def test_a_reader_that_died_once_is_no_fault_of_the_file(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "flag"
    once = (
        "def once(path, *rest):\n"
        f"    if 'deadly' in path.name and not os.path.exists({str(flag)!r}):\n"
        f"        open({str(flag)!r}, 'w').close(); os._exit(9)\n"
        "    return real(path, *rest)\n"
        "r.prepare = once"
    )
    monkeypatch.setattr(pool, "_START", start(once))
    assert read(paths)["deadly.png"].status is Status.NO_FACE
    assert flag.exists()


@pytest.mark.slow
def test_a_reader_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleepy = "r.prepare = lambda path, *rest: time.sleep(600) if 'deadly' in path.name else real(path, *rest)"
    monkeypatch.setattr(pool, "_START", start(sleepy))
    paths = [save(texture(), tmp_path / "deadly.png"), save(texture(), tmp_path / "z.png")]
    answers = read(paths, time_limit_s=2)
    assert answers["deadly.png"].status is Status.UNREADABLE
    assert answers["z.png"].status is Status.NO_FACE


def test_what_nobody_foresaw_is_a_status_too(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_START", start("r.prepare = lambda path, *rest: 1 / 0"))
    answers = read(paths[:1])
    assert answers["a.png"].status is Status.UNREADABLE
    assert "ZeroDivisionError" in answers["a.png"].notes[0]


def test_readers_that_cannot_start_end_the_scan_at_once(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_START", "import os; os._exit(3)")
    with pytest.raises(ScanError, match="before its first file"):
        read(paths, count=2)
    lacking = "from facewitness.types import MissingExtraError\ndef lack(finder): raise MissingExtraError('no dlib')\n"
    monkeypatch.setattr(pool, "_START", start(lacking + "r.faces.load = lack"))
    with pytest.raises(MissingExtraError, match="no dlib"):
        read(paths)


def test_leaving_early_leaves_no_process(tmp_path: Path) -> None:
    paths = [save(texture(seed=number), tmp_path / f"{number}.png") for number in range(40)]
    with WorkerPool(2, PROFILE, 0) as pool:
        next(iter(pool.results(paths)))
        processes = [process.pid for process in pool._processes]
    assert processes
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
