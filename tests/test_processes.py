"""Worker processes: order, deaths, orphans."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forgesight.processes import ordered
from forgesight.types import ForgesightError

ROOT = Path(__file__).parents[1]

ORPHANED = """
import os
from forgesight.processes import ordered

def number(_):
    return os.getpid()

if __name__ == "__main__":
    print(next(ordered(number, [0] * 9, 1, chunk=1)), flush=True)
    os.kill(os.getpid(), 9)
"""


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    os._exit(9)  # as the kernel does to a process that takes too much memory


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(ordered(square, range(23), workers, chunk=3)) == [n * n for n in range(23)]


def test_a_worker_that_dies_is_said() -> None:
    with pytest.raises(ForgesightError, match=r"a worker process died.*start again with fewer"):
        list(ordered(die, [1], 1))


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(ORPHANED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(tmp_path / "parent.py")]
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

    results = ordered(square, items(), workers, chunk=1)
    assert next(results) == 0
    assert len(taken) < 20
    assert [next(results), next(results)] == [1, 4]
    results.close()
