"""Work spread over worker processes: small things in order, trainings as they come. Workers end with their parent.

Not a scheduler: a scan, which must survive a worker's death, has a worker pool of its own.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import TypeVar

from facewitness.types import FacewitnessError

I = TypeVar("I")  # noqa: E741 - item
R = TypeVar("R")

_AHEAD = 4  # tasks a worker has waiting: results that nobody has taken yet are kept in memory


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(
    work: Callable[[I], R], items: Iterable[I], workers: int | None = None, *, chunk: int = 4, at_least: int = 24
) -> Generator[R, None, None]:
    """``work(item)`` for each item, in order. ``work`` must be a module's function, items and results picklable.

    Items are taken as they are needed. ``workers`` None takes one per core, or none where there are known to be fewer
    than ``at_least`` items; 0 works in this process.

    Raises:
        FacewitnessError: a worker process died, as when memory runs out.
    """
    if workers is None:
        workers = 0 if isinstance(items, Sized) and len(items) < at_least else cores()
    if workers < 1:
        yield from map(work, items)
        return
    waiting: deque[Future[list[R]]] = deque()
    with _pool(workers, _start) as pool:
        try:
            source = iter(items)
            while batch := list(islice(source, chunk)):
                waiting.append(pool.submit(_all, work, batch))
                if len(waiting) >= workers * _AHEAD:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def map_unordered(work: Callable[[I, int], R], items: Iterable[I], jobs: int) -> Iterator[R]:
    """``work(item, threads)`` for each item, ``jobs`` of them at once, results as they come: for trainings.

    ``threads`` is each one's share of the cores. ``work`` must be a module's function, items and results picklable.

    Raises:
        FacewitnessError: a worker process died, as when memory runs out.
    """
    threads = max(1, cores() // jobs)
    with _pool(jobs, _end_with_parent) as pool:
        waiting = [pool.submit(work, item, threads) for item in items]
        try:
            for finished in as_completed(waiting):
                yield finished.result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _pool(workers: int, start: Callable[[], None]) -> Iterator[ProcessPoolExecutor]:
    """Spawned, not forked: a fork of a process that runs a network copies locks that nobody will open."""
    with ProcessPoolExecutor(workers, get_context("spawn"), start) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise FacewitnessError(
                "a worker process died, perhaps for want of memory; what was finished is kept: start again with fewer "
                "workers (a script of yours that calls this needs `if __name__ == '__main__':`)"
            ) from error


def _all(work: Callable[[I], R], items: Sequence[I]) -> list[R]:
    return [work(item) for item in items]


def _start() -> None:
    import cv2

    cv2.setNumThreads(1)  # the processes already fill the cores
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then stops the workers
    _end_with_parent()


def _end_with_parent() -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this worker when its parent is killed: it holds both ends of its own queue and would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
