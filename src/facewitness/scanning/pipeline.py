"""Files and folders: worker processes beside the detector, every result kept when it is made, a report at the end.

What the output folder holds: ``results.jsonl`` (one object for each file of this scan), ``results.csv``,
``report.html``, ``overlays/`` and ``scan.sqlite``, from which a scan that was killed goes on; of a case also what
``scanning.case`` says. The work on one photograph is in ``scanning.image``.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facewitness import __version__
from facewitness.compute.pool import cores
from facewitness.compute.progress import Progress, ProgressEvent
from facewitness.media import faces
from facewitness.scanning import checksums, folder, overlay
from facewitness.scanning.clips import Clips
from facewitness.scanning.files import OVERLAYS_NAME, STORE_NAME, File, Listing, collect
from facewitness.scanning.image import Prepared, judge, run
from facewitness.scanning.pool import TIME_LIMIT_S, WorkerPool
from facewitness.scanning.stability import checked
from facewitness.scanning.store import Row, Store
from facewitness.scanning.variants import TREATMENTS
from facewitness.scanning.video import ANIMATIONS, FRAMES, SUFFIXES, VideoTask
from facewitness.scanning.worker import Chunk, Task, chunks
from facewitness.types import Detection, Report, ScanError, Status

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector

FEW = 8
"""Photographs that are sooner read here than by processes that have to be started."""

SHARE_BYTES = 500_000
"""Of a video, that are worth a worker of their own where there are few files."""

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
    frames: int | None = FRAMES,
    stable: bool = False,
    adjust: Callable[[Detector], Detector] | None = None,
    as_case: bool = False,
    exclude: Sequence[str] = (),
    time_limit_s: float | None = None,
) -> Summary:
    """Scan files and folders into ``out``; files that an earlier scan into ``out`` has done are not looked at again.

    Args:
        paths: files, whatever their suffix, and folders, searched for photographs and videos.
        out: made if absent. It is never scanned itself.
        detector: a name or folder for ``detectors.zoo.load``, or a detector that is ready.
        workers: worker processes beside this one; None chooses by cores and files, 0 reads everything here.
        progress: receives an event for each group of files that is done, and for each segment of a video.
        on_failure: receives the object of ``results.jsonl`` of each file that gave no picture, at the end.
        command: what the user typed, for the report.
        device: see ``detectors.zoo.load``.
        frames: of videos, those of each face that are looked for, see ``scanning.video``; None looks at every frame.
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
    alone = workers == 0 or not _worth_workers(listing.files)
    ready = load_detector(detector, device, alone)
    ready = ready if adjust is None else adjust(ready)
    faces.check(ready.card.crop)
    with _writing(out):
        (out / OVERLAYS_NAME).mkdir(parents=True, exist_ok=True)
    interruption: KeyboardInterrupt | None = None
    identity = {**ready.identity, **({} if frames == FRAMES else {"frames": frames})}
    if stable:
        identity["stability"] = list(TREATMENTS)
    with Store(out / STORE_NAME, identity, __version__) as store:
        pending = _pending(listing, store, out / OVERLAYS_NAME)
        resumed = len(listing.files) - len(pending)
        scanned = 0
        try:
            count = _workers(workers, pending, time_limit_s)
            shares = count if len(pending) < count else 1
            how: dict[str, Any] = {
                "workers": count,
                "frames": frames,
                "shares": shares,
                "progress": progress,
                "stable": stable,
                "time_limit_s": time_limit_s,
            }
            for rows in stream(pending, ready, store, out / OVERLAYS_NAME, **how):
                scanned += len(rows)
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


def stream(
    files: Iterable[File],
    detector: Detector,
    store: Store,
    overlays: Path,
    *,
    workers: int,
    frames: int | None = FRAMES,
    shares: int = 1,
    stable: bool = False,
    time_limit_s: float | None = None,
    progress: Progress = None,
) -> Iterator[list[Row]]:
    """Scan files group by group, keep each group's results in the store and yield them.

    Args:
        files: may be without end, and wait for the next one.
        detector: that judges.
        store: where results are kept.
        overlays: the folder of the pictures.
        workers: processes that read files; 0 reads them here.
        frames: see ``scan_paths``.
        shares: at most so many workers share a video.
        stable: judge each face of a photograph again as ``scanning.stability`` says.
        time_limit_s: see ``scan_paths``.
        progress: receives an event for each segment of a video.

    Raises:
        ScanError: ``overlays`` or the store cannot be written, or no worker process can be started.
    """
    known: dict[Path, File] = {}
    clips = Clips(store.parts, detector, overlays, progress)

    def tasks() -> Iterator[Task]:
        for file in files:
            known[file.path] = file
            yield from _tasks(file, clips, store, shares, frames)

    for group in _prepared(tasks(), detector, workers, stable, time_limit_s):
        rows = []
        for answer, detection in _detected(group, detector):
            path = answer.path
            with _writing(overlays):
                if isinstance(answer, Prepared) and clips.is_photograph(path):
                    judged = judge(answer, detection, detector.card, detector.identity)
                    result = checked(judged, answer, detector)
                    pictures = overlay.write(answer, detection, result, overlays, detector.card.map_scale)
                else:
                    clips.add(answer, detection)
                    if not clips.through(path):
                        continue
                    result, pictures = clips.finish(path)
            maps = [None if name is None else f"{OVERLAYS_NAME}/{name}" for name in pictures["maps"]]
            rows.append(Row(known.pop(path), result.to_json(maps), pictures))
        store.add(rows)
        yield rows


def _tasks(file: File, clips: Clips, store: Store, most: int, frames: int | None) -> Iterator[Task]:
    """What workers are asked for: a photograph, a video, or shares of a large one."""
    if not _is_video(file) and file.path.suffix.lower() not in ANIMATIONS:
        yield file.path
        return
    shares = max(1, min(most, file.size // SHARE_BYTES)) if _is_video(file) else 1
    clips.expect(file, shares)
    done = store.parts.resume(file)
    yield from (VideoTask(file.path, frames, part, shares, done) for part in range(shares))


def _prepared(
    tasks: Iterable[Task], detector: Detector, workers: int, stable: bool, time_limit_s: float | None
) -> Iterator[list[Chunk]]:
    profile = detector.card.crop
    if not workers:
        for task in tasks:
            for chunk in chunks(task, profile, overlay.PREVIEW_PX, stable):
                yield [chunk]
        return
    with WorkerPool(workers, profile, overlay.PREVIEW_PX, time_limit_s or TIME_LIMIT_S, stable) as pool:
        yield from pool.results(tasks)


def _detected(group: Sequence[Chunk], detector: Detector) -> Iterator[tuple[Chunk, Detection | None]]:
    """Each chunk of a group with the detector's answer for its crops, asked for the whole group at once."""
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
            if row is not None and all(name in there for name in folder.picture_names(row.pictures)):
                continue
        pending.append(file)
    return pending


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
    """Write what a scan leaves, from the store."""

    def told() -> Iterator[folder.Entry]:
        for item, pictures in _entries(listing, store, detector):
            if item["status"] in FAILURES and on_failure is not None:
                on_failure(item)
            yield item, pictures

    counts = folder.write(
        out,
        told(),
        detector.card,
        command,
        expected=len(listing.files) + len(listing.problems) if interrupted else 0,
        passed_over=listing.passed_over,
        repeated=listing.repeated,
        as_case=as_case and not interrupted,
    )
    return Summary(out, counts.statuses, counts.verdicts, passed_over=listing.passed_over, repeated=listing.repeated)


def _entries(listing: Listing, store: Store, detector: Detector) -> Iterator[folder.Entry]:
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


def _workers(asked: int | None, files: Sequence[File], time_limit_s: float | None = None) -> int:
    work = sum(1 + file.size // SHARE_BYTES if _is_video(file) else 1 for file in files)
    if asked is not None:
        return min(asked, work)
    if _worth_workers(files):
        return min(work, worker_count())
    return 0 if time_limit_s is None else min(1, work)


def worker_count() -> int:
    """Worker processes for files without end, beside a detector."""
    return max(2, cores() - cores() // 3)


def _worth_workers(files: Sequence[File]) -> bool:
    """Whether processes are worth their start: many photographs, or a video, whose decoder may crash."""
    return len(files) > FEW or any(_is_video(file) for file in files)


def _is_video(file: File) -> bool:
    return file.path.suffix.lower() in SUFFIXES


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
