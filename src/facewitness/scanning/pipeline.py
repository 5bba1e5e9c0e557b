"""Files and folders: worker processes beside the detector, every result kept when it is made, a report at the end.

What the output folder holds: ``results.jsonl`` (one object for each file of this scan), ``results.csv``,
``report.html``, ``overlays/`` and ``scan.sqlite``, from which a scan that was killed goes on; of a case also what
``scanning.case`` says. The work on one photograph is in ``scanning.image``.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facewitness import __version__, storage
from facewitness.compute.pool import cores
from facewitness.compute.progress import Progress, ProgressEvent
from facewitness.media import faces
from facewitness.scanning import checksums, overlay, report, table
from facewitness.scanning.files import OVERLAYS_NAME, STORE_NAME, File, Listing, collect
from facewitness.scanning.image import Prepared, judge, run
from facewitness.scanning.pool import TIME_LIMIT_S, WorkerPool
from facewitness.scanning.stability import checked
from facewitness.scanning.store import Row, Store
from facewitness.scanning.variants import TREATMENTS
from facewitness.scanning.worker import guarded
from facewitness.types import Detection, Report, ScanError, Status

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector

FEW = 8
"""Photographs that are sooner read here than by processes that have to be started."""

RESULTS_NAME = "results.jsonl"
REPORT_NAME = "report.html"
FailureCallback = Callable[[Mapping[str, Any]], None]
FAILURES = (Status.UNREADABLE, Status.UNSUPPORTED, Status.TOO_LARGE, Status.NO_PERMISSION)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a scan went."""

    out: Path
    statuses: Mapping[str, int] = field(default_factory=dict)  # files by status
    verdicts: Mapping[str, int] = field(default_factory=dict)  # scored files by verdict
    scanned: int = 0  # files looked at by this run
    resumed: int = 0  # files whose result an earlier run had kept
    passed_over: int = 0  # files in folders that are no photographs
    repeated: int = 0  # links to, or second mentions of, files that are in the results once
    time_s: float = 0.0

    @property
    def files(self) -> int:
        """Objects in ``results.jsonl``."""
        return sum(self.statuses.values())


def scan_paths(
    paths: Sequence[Path],
    out: Path,
    detector: str | Path | Detector = "default",
    *,
    workers: int | None = None,
    progress: Progress = None,
    on_failure: FailureCallback | None = None,
    command: Sequence[str] = (),
    device: str = "auto",
    stable: bool = False,
    adjust: Callable[[Detector], Detector] | None = None,
    as_case: bool = False,
    exclude: Sequence[str] = (),
    time_limit_s: float | None = None,
) -> Summary:
    """Scan files and folders into ``out``; files that an earlier scan into ``out`` has done are not looked at again.

    Args:
        paths: files, whatever their suffix, and folders, searched for photographs.
        out: made if absent. It is never scanned itself.
        detector: a name or folder for ``detectors.zoo.load``, or a detector that is ready.
        workers: worker processes beside this one; None chooses by cores and files, 0 reads everything here.
        progress: receives an event for each group of files that is done.
        on_failure: receives the object of ``results.jsonl`` of each file that gave no picture, at the end.
        command: what the user typed, for the report.
        device: see ``detectors.zoo.load``.
        stable: judge each face again as ``scanning.stability`` says.
        adjust: gives the detector other thresholds; see ``scanning.profile.thresholds``.
        as_case: also write the case file; see ``scanning.case``.
        exclude: see ``scanning.files.collect``.
        time_limit_s: seconds without an answer after which a file is given up; it is then read by a worker process.

    Raises:
        CardError: the detector cannot be used.
        ScanError: ``out`` cannot be written; what is done is kept.
        KeyboardInterrupt: as it came, after the results so far were written.
    """
    began = time.monotonic()
    listing = collect(paths, out, exclude)
    ready = load_detector(detector, alone=workers == 0 or len(listing.files) <= FEW, device=device)
    ready = ready if adjust is None else adjust(ready)
    faces.check(ready.card.crop)
    with _writing(out):
        (out / OVERLAYS_NAME).mkdir(parents=True, exist_ok=True)
    interruption: KeyboardInterrupt | None = None
    identity = {**ready.identity, "stability": list(TREATMENTS)} if stable else ready.identity
    with Store(out / STORE_NAME, identity, __version__) as store:
        pending = _pending(listing, store, out / OVERLAYS_NAME)
        resumed = len(listing.files) - len(pending)
        scanned = 0
        try:
            prepared = _prepared(pending, ready, _workers(workers, len(pending), time_limit_s), stable, time_limit_s)
            for count in _scan(pending, prepared, ready, store, out / OVERLAYS_NAME):
                scanned += count
                if progress is not None:
                    progress(ProgressEvent("scanning", resumed + scanned, len(listing.files)))
        except KeyboardInterrupt as error:
            interruption = error
        with _writing(out):
            summary = _finish(listing, store, ready, out, command, interruption is not None, on_failure, as_case)
    if interruption is not None:
        raise interruption
    if as_case:
        with _writing(out):
            checksums.write(out)  # after the store is closed
    return replace(summary, scanned=scanned, resumed=resumed, time_s=time.monotonic() - began)


def _scan(
    pending: Sequence[File], groups: Iterator[list[Prepared]], detector: Detector, store: Store, overlays: Path
) -> Iterator[int]:
    """Judge the files group by group, keep each group's results, and yield how many files it had."""
    files = {file.path: file for file in pending}
    for group in groups:
        rows = []
        for prepared, detection in _detected(group, detector):
            result = checked(judge(prepared, detection, detector.card, detector.identity), prepared, detector)
            with _writing(overlays):
                pictures = overlay.write(prepared, detection, result, overlays, detector.card.map_scale)
            maps = [None if name is None else f"{OVERLAYS_NAME}/{name}" for name in pictures["maps"]]
            rows.append(Row(files[prepared.path], result.to_json(maps), pictures))
        store.add(rows)
        yield len(group)


def _prepared(
    pending: Sequence[File], detector: Detector, workers: int, stable: bool, time_limit_s: float | None
) -> Iterator[list[Prepared]]:
    profile = detector.card.crop
    if not workers:
        for file in pending:
            yield [guarded(file.path, profile, overlay.PREVIEW_PX, stable)]
        return
    with WorkerPool(workers, profile, overlay.PREVIEW_PX, time_limit_s or TIME_LIMIT_S, stable) as pool:
        yield from pool.results([file.path for file in pending])


def _detected(group: Sequence[Prepared], detector: Detector) -> Iterator[tuple[Prepared, Detection | None]]:
    """Each file of a group with the detector's answer for its crops, asked for the whole group at once."""
    crops = [prepared.crops for prepared in group if prepared.crops is not None]
    views = [one for prepared in group for one in prepared.views]
    answer = run(detector, np.concatenate(crops), views) if crops else None
    start = 0
    for prepared in group:
        if prepared.crops is None or answer is None:
            yield prepared, None
            continue
        part = slice(start, start + len(prepared.crops))
        maps, members = (None if both is None else both[part] for both in (answer.map, answer.members))
        yield prepared, Detection(answer.score[part], answer.features[part], maps, members)
        start = part.stop


def _pending(listing: Listing, store: Store, overlays: Path) -> list[File]:
    """The files whose result is not in the store, has other bytes' size or date, or has lost its pictures."""
    done = store.done()
    there = {found.name for found in os.scandir(overlays)}
    pending = []
    for file in listing.files:
        if done.get(file.path) == (file.size, file.mtime_ns):
            row = store.get(file)
            if row is not None and all(name in there for name in _pictures(row.pictures)):
                continue
        pending.append(file)
    return pending


def _pictures(pictures: Mapping[str, Any]) -> Iterator[str]:
    names = [pictures["overlay"], *pictures["maps"], *pictures["faces"]]
    return (name for name in names if name is not None)


def _finish(
    listing: Listing,
    store: Store,
    detector: Detector,
    out: Path,
    command: Sequence[str],
    interrupted: bool,
    on_failure: FailureCallback | None,
    as_case: bool,
) -> Summary:
    """Write ``results.jsonl`` and ``report.html`` from the store, each whole or not at all."""
    statuses: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    written = report.ScanReport(out / OVERLAYS_NAME)
    with storage.atomic_write(out / RESULTS_NAME) as part, part.open("w", encoding="utf-8") as lines:
        for item, pictures in _entries(listing, store, detector):
            lines.write(json.dumps(item, ensure_ascii=False) + "\n")
            statuses[item["status"]] += 1
            if item["verdict"] is not None:
                verdicts[item["verdict"]] += 1
            if item["status"] in FAILURES and on_failure is not None:
                on_failure(item)
            written.add(item, pictures)
    summary = Summary(out, dict(statuses), dict(verdicts), passed_over=listing.passed_over, repeated=listing.repeated)
    missing = len(listing.files) + len(listing.problems) - summary.files
    counts = report.Counts(statuses, verdicts, listing.passed_over, listing.repeated, missing if interrupted else 0)
    storage.write_text(out / REPORT_NAME, written.html(counts, detector.card, command))
    table.write(out / RESULTS_NAME, out / table.NAME)
    if as_case and not interrupted:
        from facewitness.scanning import case  # the PDF library is not loaded without need

        case.write(out, written, counts, detector.card, command)
    return summary


def _entries(
    listing: Listing, store: Store, detector: Detector
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for problem in listing.problems:
        unread = Report(problem.path, problem.status, None, detector.identity, notes=(problem.note,))
        yield unread.to_json(), {}
    for file in listing.files:
        row = store.get(file)
        if row is not None:  # None only where a scan was interrupted
            yield row.entry, {**row.pictures, "bytes": file.size}


def load_detector(detector: str | Path | Detector, device: str, alone: bool = False) -> Detector:
    """The detector; beside worker processes it leaves them their cores."""
    if not isinstance(detector, str | Path):
        return detector
    from facewitness.detectors import zoo

    return zoo.load(detector, None if alone else max(1, cores() // 3), device)


def _workers(asked: int | None, files: int, time_limit_s: float | None = None) -> int:
    if asked is not None:
        return min(asked, files)
    if files <= FEW:
        return 0 if time_limit_s is None else min(1, files)
    return min(files, max(2, cores() - cores() // 3))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        mend = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "see to its rights"
        raise ScanError(
            f"cannot write to {folder}: {error.strerror or error}; {mend} and run the same command again: "
            "what is done is kept"
        ) from error
