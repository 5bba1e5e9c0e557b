"""A scan that is stopped, however rudely, goes on where it was: nothing is lost, nothing done twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import pytest

from tests.fakes import astronaut, save
from tests.scanning.films import film

pytestmark = pytest.mark.slow

FILES = 14
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(FILES):
        picture = cv2.resize(astronaut()[40:240, 120:340], None, fx=1 + number / 100, fy=1 + number / 100)
        save(picture, tmp_path / "photos" / f"{number:02}.png")
    return tmp_path / "photos"


def start(folder: Path, out: Path, seconds: float, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.scanning.slow_scan", str(folder), str(out), str(seconds), str(workers)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def rows(out: Path) -> int:
    if not (out / "scan.sqlite").exists():
        return 0
    with closing(sqlite3.connect(f"file:{out / 'scan.sqlite'}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet
            return 0


def stop_after(process: subprocess.Popen[str], out: Path, done: int, how: signal.Signals) -> int:
    """Send a signal once so many results are kept; how many were kept in the end."""
    limit = time.monotonic() + 180
    while rows(out) < done:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate(timeout=90)
    return rows(out)


def paths_of(out: Path) -> list[str]:
    return [json.loads(line)["path"] for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_started_again_every_file_is_reported_once(folder: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    kept = 0
    for more in (1, 3) if workers else (3,):
        kept = stop_after(start(folder, out, 0.15, workers), out, kept + more, signal.SIGKILL)
        assert kept < FILES
        assert not (out / "results.jsonl").exists()
    process = start(folder, out, 0, workers)
    output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert json.loads(output) == {"scanned": FILES - kept, "resumed": kept, "files": FILES}
    assert sorted(paths_of(out)) == sorted(str(path) for path in folder.iterdir())
    for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines():
        for face in json.loads(line)["faces"]:
            assert (out / face["map"]).is_file()


def test_ctrl_c_keeps_and_reports_what_is_done(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(folder, out, 3.0, 2)
    kept = stop_after(process, out, 1, signal.SIGINT)  # while the others may be one group already
    assert process.returncode in (-signal.SIGINT, 130)
    assert 0 < kept < FILES
    assert len(paths_of(out)) == kept
    assert f"interrupted: {FILES - kept} files" in (out / "report.html").read_text(encoding="utf-8")
    output, _ = start(folder, out, 0, 0).communicate(timeout=180)
    assert json.loads(output) == {"scanned": FILES - kept, "resumed": kept, "files": FILES}
    assert len(set(paths_of(out))) == FILES


def test_readers_do_not_outlive_a_killed_scan(folder: Path, tmp_path: Path) -> None:
    process = start(folder, tmp_path / "out", 0.15, 2)
    limit = time.monotonic() + 180
    # Not later: readers that have read all there is leave by themselves, on a fast machine before the first result.
    while not (readers := children(process.pid)):
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=90)
    while any(Path(f"/proc/{reader}").exists() and not zombie(reader) for reader in readers):
        assert time.monotonic() < limit
        time.sleep(0.05)


def children(process: int) -> list[int]:
    listing = Path(f"/proc/{process}/task/{process}/children")
    if not listing.exists():
        pytest.skip("this system does not list a process's children")
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def segments(out: Path) -> int:
    """Segments of videos that are kept."""
    if not (out / "scan.sqlite").exists():
        return 0
    with closing(sqlite3.connect(f"file:{out / 'scan.sqlite'}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM segments").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet
            return 0


def finished(folder: Path, out: Path) -> str:
    """Scan to the end and return the results."""
    process = start(folder, out, 0, 1)
    output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert json.loads(output)["files"] == 1
    return (out / "results.jsonl").read_text(encoding="utf-8")


def killed_in_a_film(folder: Path, out: Path, after: int) -> int:
    """Kill a scan once so many segments are kept; how many were."""
    process = start(folder, out, 0.1, 1)
    limit = time.monotonic() + 180
    while segments(out) < after:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=90)
    assert not (out / "results.jsonl").exists()
    return segments(out)


def test_killed_in_a_film_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    film(tmp_path / "films" / "a.mp4", seconds=62)
    want = finished(tmp_path / "films", tmp_path / "whole")
    for after in (1, 2):
        kept = killed_in_a_film(tmp_path / "films", tmp_path / str(after), after)
        assert after <= kept
        assert finished(tmp_path / "films", tmp_path / str(after)) == want
        assert segments(tmp_path / str(after)) == 0
