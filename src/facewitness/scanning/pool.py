"""Worker processes that read files side by side; results come back as they are ready, and no worker ends a scan.

A worker answers one task with one chunk or many (a video has segments) and is alive as long as chunks
come. One that dies or says nothing for too long is replaced. A task that gave no chunk yet is tried once more; a second
time, or after a chunk, its file gets a status.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from facewitness.scanning.image import Prepared, failed
from facewitness.scanning.video import VideoChunk, VideoTask
from facewitness.scanning.worker import Chunk, Task, receive, send
from facewitness.types import CropProfile, FacewitnessError, ScanError, Status

TIME_LIMIT_S = 300.0
"""Seconds without a chunk after which a worker is taken to hang."""

_ATTEMPTS = 2
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from facewitness.scanning.worker import main; main()"


class WorkerPool:
    """A context in which ``results`` may be called once.

    Args:
        count: how many processes.
        profile: how faces become crops.
        preview_px: side of the preview that comes back with each photograph.
        time_limit_s: see ``TIME_LIMIT_S``.
        stable: whether variants come with each face; see ``scanning.stability``.
    """

    def __init__(
        self,
        count: int,
        profile: CropProfile,
        preview_px: int,
        time_limit_s: float = TIME_LIMIT_S,
        stable: bool = False,
    ) -> None:
        self._count = count
        self._settings = (profile, preview_px, stable)
        self._time_limit_s = time_limit_s
        self._answers: queue.Queue[Chunk | BaseException | None] = queue.Queue(maxsize=4 * count)
        self._closing = threading.Event()
        self._turn = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for process in list(self._processes):
            process.kill()
        while any(thread.is_alive() for thread in self._threads):
            try:  # a thread may be waiting for room in the queue
                self._answers.get(timeout=0.05)
            except queue.Empty:
                continue

    def results(self, tasks: Iterable[Task]) -> Iterator[list[Chunk]]:
        """Each task's chunks, read and searched, in the order they get ready: all that are ready at a time.

        Raises:
            ScanError: worker processes cannot be started.
            FacewitnessError: what a worker says it lacks.
        """
        waiting = iter(tasks)
        for _ in range(self._count):
            thread = threading.Thread(target=self._serve, args=(waiting,), daemon=True)
            thread.start()
            self._threads.append(thread)
        running = self._count
        while running:
            group: list[Chunk] = []
            answer = self._answers.get()
            while True:
                if isinstance(answer, BaseException):
                    raise answer
                if answer is None:
                    running -= 1
                else:
                    group.append(answer)
                if sum(1 if p.crops is None else len(p.crops) for p in group) >= 16:
                    break
                try:
                    answer = self._answers.get_nowait()
                except queue.Empty:
                    break
            if group:
                yield group

    def _serve(self, waiting: Iterator[Task]) -> None:
        """One thread, one worker process at a time."""
        process: subprocess.Popen[bytes] | None = None
        try:
            while not self._closing.is_set():
                with self._turn:
                    task = next(waiting, None)
                if task is None:
                    break
                for attempt in range(1, _ATTEMPTS + 1):
                    process = process or self._start()
                    answered = False
                    for chunk in self._ask(process, task):
                        self._answers.put(chunk)
                        answered = True
                        if chunk.last:
                            break
                    else:  # it died or hung
                        if self._closing.is_set():
                            break
                        self._stop(process)
                        process = None
                        if answered or attempt == _ATTEMPTS:
                            self._answers.put(
                                failed(
                                    task.path if isinstance(task, VideoTask) else task,
                                    Status.UNREADABLE,
                                    _dead(self._time_limit_s),
                                )
                            )
                            break
                        continue
                    break
        except BaseException as error:  # handed to the thread that reads the results
            self._answers.put(error)
        finally:
            if process is not None:
                self._stop(process)
            self._answers.put(None)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders print there; what matters comes back as a status
                start_new_session=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            raise ScanError(f"cannot start a worker process: {error}; scan with fewer workers") from error
        self._processes.add(process)
        if self._closing.is_set():
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        ready: object
        try:
            send(process.stdin, self._settings)
            ready = receive(process.stdout)
        except (EOFError, OSError) as error:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            self._stop(process)
            raise ScanError(
                f"a worker process ended with {process.returncode} before its first file: see that there is memory "
                "enough (about 300 MB for each), or scan with workers=0"
            ) from error
        if isinstance(ready, FacewitnessError):
            self._stop(process)
            raise ready
        return process

    def _ask(self, process: subprocess.Popen[bytes], task: Task) -> Iterator[Chunk]:
        """The worker's chunks for a task; they end early if it dies, or is killed for saying nothing too long."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, task)
            while True:
                alarm = threading.Timer(self._time_limit_s, process.kill)
                alarm.daemon = True
                alarm.start()
                try:
                    answer = receive(process.stdout)
                finally:
                    alarm.cancel()
                if isinstance(answer, FacewitnessError):
                    raise answer
                if not isinstance(answer, Prepared | VideoChunk):
                    return
                yield answer
                if answer.last:
                    return
        except (EOFError, OSError):
            return

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # closing flushes, and there may be nobody left to read
                    stream.close()
        self._processes.discard(process)


def _dead(time_limit_s: float) -> str:
    return (
        f"its worker died, or was stopped after {time_limit_s:.0f} s, {_ATTEMPTS} times: the file is damaged "
        "or needs more memory than there is"
    )
