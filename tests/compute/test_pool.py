"""Worker processes: order, deaths, orphans."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facewitness.compute.pool import cores, map_ordered, map_unordered
from facewitness.types import FacewitnessError

ROOT = Path(__file__).parents[1]

ORPHANED = """
import os, sys
from facewitness.compute.pool import map_ordered, map_unordered

def number(*_):
    return os.getpid()

if __name__ == "__main__":
    made = map_ordered(number, [0] * 9, 1, chunk=1) if sys.argv[1] == "ordered" else map_unordered(number, [0] * 9, 1)
    print(next(made), flush=True)
    os.kill(os.getpid(), 9)
"""


def square(number: int) -> int:
    return number * number


def with_threads(number: int, threads: int) -> tuple[int, int]:
    return number, threads


def die(number: int, threads: int = 1) -> int:
    os._exit(9)  # as the kernel does to a process that takes too much memory


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(map_ordered(square, range(23), workers, chunk=3)) == [n * n for n in range(23)]


def test_a_worker_that_dies_is_said() -> None:
    with pytest.raises(FacewitnessError, match=r"a worker process died.*start again with fewer"):
        list(map_ordered(die, [1], 1))
    with pytest.raises(FacewitnessError, match=r"a worker process died.*start again with fewer"):
        list(map_unordered(die, [1], 1))


def test_trainings_are_spread_with_a_share_of_the_cores() -> None:
    made = sorted(map_unordered(with_threads, [3, 1, 2], 2))
    assert made == [(n, max(1, cores() // 2)) for n in (1, 2, 3)]


@pytest.mark.parametrize("way", ["ordered", "spread"])
def test_no_worker_outlives_a_killed_parent(tmp_path: Path, way: str) -> None:
    (tmp_path / "parent.py").write_text(ORPHANED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(tmp_path / "parent.py"), way]
    # The worker holds the pipe as well: while it lives, this waits, and in the end fails for it.
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, timeout=30)
    assert done.returncode == -9
    assert int(done.stdout) > 0


@pytest.mark.parametrize("workers", [0, 1])
def test_items_are_taken_as_they_are_needed(workers: int) -> None:
    """The parts of a thousand videos, say, are not all planned before the first is worked on."""
    taken = []

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    results = map_ordered(square, items(), workers, chunk=1)
    assert next(results) == 0
    assert len(taken) < 20
    assert [next(results), next(results)] == [1, 4]
    results.close()
