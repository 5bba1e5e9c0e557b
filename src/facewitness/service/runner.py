"""The one scan that a service never ends: files of all requests go through one pool of workers and one detector."""

import os
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from facewitness import __version__
from facewitness.detectors.base import Detector
from facewitness.media import faces
from facewitness.scanning import checksums, folder, pipeline
from facewitness.scanning.files import OVERLAYS_NAME, STORE_NAME, File
from facewitness.scanning.report import ScanReport
from facewitness.scanning.store import Store
from facewitness.service.jobs import Jobs, ScanFile
from facewitness.service.settings import Settings
from facewitness.types import FacewitnessError

_COMMAND = ("facewitness", "serve")  # as reports have it
SWEEP_S = 600.0
"""Seconds between two looks for scans that have been kept long enough."""


class Runner:
    """Scans what ``jobs`` holds and what ``submit`` adds, until it is stopped.

    Raises:
        CardError, DeviceError: the detector cannot be used.
        ScanError: the data folder cannot be used.
    """

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self.settings, self.jobs = settings, jobs
        self.workers = settings.workers or pipeline.worker_count()
        loaded = pipeline.load_detector(settings.detector, settings.device, alone=False)
        self.detector: Detector = loaded if settings.adjust is None else settings.adjust(loaded)
        faces.check(self.detector.card.crop)
        self.overlays = settings.folder / OVERLAYS_NAME
        self.overlays.mkdir(parents=True, exist_ok=True)
        self.made = settings.folder / "made"  # on request, for as long as it is sent
        shutil.rmtree(self.made, ignore_errors=True)
        self.made.mkdir()
        self.failure: str | None = None
        self.scanned = 0
        self._waiting: queue.Queue[Path | None] = queue.Queue()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="scan", daemon=True),
            threading.Thread(target=self._sweep, name="sweep", daemon=True),
        ]

    def start(self) -> None:
        """Go on with what an earlier service left, and wait for more."""
        self.submit(self.jobs.waiting())
        for thread in self._threads:
            thread.start()

    def submit(self, paths: list[Path]) -> None:
        """Scan some files of ``jobs`` after those that wait already."""
        for path in paths:
            self._waiting.put(path)

    @property
    def queued(self) -> int:
        """Files that no worker has begun with."""
        return self._waiting.qsize()

    def stop(self) -> None:
        """End after the files that workers are busy with; what waits is scanned by the next service."""
        self._stopped.set()
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def delete(self, scan: str) -> None:
        """Remove a scan, its files and their pictures."""
        for pictures in self.jobs.delete(scan):
            self._remove(pictures)

    def report(self, scanned: Sequence[ScanFile]) -> str:
        """Return the HTML report of some files, those that were not scanned yet counted as missing."""
        written = ScanReport(self.overlays)
        for file, entry in _entries(scanned):
            written.add(entry, file.pictures)
        return written.html(written.counts(expected=len(scanned)), self.detector.card, _COMMAND)

    def case(self, scanned: Sequence[ScanFile]) -> Path:
        """Write the case of some files as a ZIP file, which unpacked is what ``facewitness scan --case`` leaves.

        Whoever asked removes it; a service removes what is left when it starts.

        Raises:
            FileNotFoundError: one of the files was deleted meanwhile.
        """
        with tempfile.TemporaryDirectory(dir=self.made) as name:
            made = Path(name)
            (made / OVERLAYS_NAME).mkdir()
            done = list(_entries(scanned))
            for file, _ in done:
                for picture in folder.picture_names(file.pictures) if file.pictures else ():
                    os.link(self.overlays / picture, made / OVERLAYS_NAME / picture)
            entries = ((entry, {**file.pictures, "bytes": file.path.stat().st_size}) for file, entry in done)
            folder.write(made, entries, self.detector.card, _COMMAND, expected=len(scanned), as_case=True)
            checksums.write(made)
            return Path(shutil.make_archive(name, "zip", made))

    def _run(self) -> None:
        try:
            with Store(self.settings.folder / STORE_NAME, self.detector.identity, __version__) as store:
                how: dict[str, Any] = {"workers": self.workers, "stable": self.settings.stable}
                for rows in pipeline.stream(self._files(), self.detector, store, self.overlays, **how):
                    for row in rows:
                        self.scanned += 1
                        if not self.jobs.finish(row.file.path, row.entry, row.pictures):
                            self._remove(row.pictures)
                    store.remove([row.file for row in rows])  # ``jobs`` has them now
        except FacewitnessError as error:
            self.failure = str(error)

    def _files(self) -> Iterator[File]:
        while not self._stopped.is_set():
            path = self._waiting.get()
            if path is None:
                return
            with suppress(OSError):  # deleted meanwhile
                if self.jobs.is_waiting(path):
                    information = path.stat()
                    yield File(path, information.st_size, information.st_mtime_ns)

    def _sweep(self) -> None:
        while not self._stopped.wait(SWEEP_S):
            with suppress(FacewitnessError):  # told by whoever uses the store next
                for scan in self.jobs.older_than(time.time() - 3600 * self.settings.limits.kept_hours):
                    self.delete(scan)

    def _remove(self, pictures: object) -> None:
        names = folder.picture_names(pictures) if isinstance(pictures, dict) else ()
        for name in names:
            (self.overlays / name).unlink(missing_ok=True)


def _entries(scanned: Sequence[ScanFile]) -> Iterator[tuple[ScanFile, Mapping[str, Any]]]:
    """The files that were scanned, and their reports under the names that users gave them."""
    for file in scanned:
        if file.entry is not None:
            yield file, {**file.entry, "path": file.name}
