"""``facewitness data prepare``: videos and pictures in, aligned face crops with their masks and a manifest out.

    OUT/crops/DATASET/NAME/00012.png  OUT/masks/... (16 bit)  OUT/regions/... (black and white)
    OUT/frames.jsonl (what became of every frame, written as it goes)
    OUT/manifest.parquet (a row for each crop)  OUT/summary.json (how many of what, and what was skipped)

A long video is divided between the cores; which of its faces are kept is settled here, when all its frames are known.
"""

import errno
import hashlib
import json
import re
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facewitness.compute.pool import cores, map_ordered
from facewitness.compute.progress import Progress, track
from facewitness.curation.cropping import Done, EncodedCrop, Part, Seen, crop_part, is_video, wanted
from facewitness.data import manifest
from facewitness.media import faces, tracking, video
from facewitness.storage import paths_digest, read_log, write_text
from facewitness.types import CropProfile, FacewitnessError, ManifestError, MediaError, Sample, Status

CROPS = CropProfile(size_px=256, margin=0.3)
"""Default crops: wide enough for every detector of the zoo to be trained on."""

PART_FRAMES = 48
"""Frames of one video that a worker takes at a time, at most."""

_LOG, _SETTINGS, _SUMMARY = "frames.jsonl", "prepare.json", "summary.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames and faces are cropped: ``frames`` evenly spread, or one each ``every_s`` seconds, or all of them."""

    frames: int | None = 10
    every_s: float | None = None
    faces: Literal["largest", "all"] = "largest"
    profile: CropProfile = CROPS


def prepare(
    samples: Sequence[Sample],
    out: Path,
    chosen: Wanted | None = None,
    *,
    workers: int | None = None,
    progress: Progress = None,
) -> dict[str, Any]:
    """Crop the faces of ``samples``, as ``data.sources.read_layout`` gives them, and return the summary.

    A file or frame that cannot be used has a status in ``frames.jsonl`` and stops nothing. Started again with the same
    settings, it goes on where it stopped.

    Raises:
        ManifestError: there are no samples, or ``out`` was made with other settings.
        FacewitnessError: ``out`` cannot be written, as when the disk is full; what is finished is kept.
    """
    chosen = chosen or Wanted()
    if not samples:
        raise ManifestError("nothing to prepare: the data set is empty")
    names = _names(samples)
    _open(out, chosen, samples)
    log = read_log(out / _LOG)
    left = [(name, sample) for name, sample in zip(names, samples, strict=True) if name not in log]
    started, frames = time.perf_counter(), 0
    try:
        with open(out / _LOG, "a", encoding="utf-8") as file:
            for (name, sample), done in track(_crop(left, chosen, workers), "prepare", progress, len(left)):
                log[name] = _keep(out, name, sample, done, chosen)
                frames += len(done.frames)
                file.write(json.dumps(log[name]) + "\n")
                file.flush()
        crops = [(sample, list(_rows(out, sample, log[name]))) for name, sample in zip(names, samples, strict=True)]
        manifest.write(list(_with_originals(crops)), out / "manifest.parquet")
        entries = [(sample, log[name]) for name, sample in zip(names, samples, strict=True)]
        summary = _summary(entries, frames, time.perf_counter() - started, workers)
        write_text(out / _SUMMARY, json.dumps(summary, indent=2) + "\n")
    except OSError as error:
        full = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise FacewitnessError(
            f"{error.filename or out} cannot be written: {full}; what is finished is kept: make room and start again"
        ) from error
    return summary


def _crop(
    left: Sequence[tuple[str, Sample]], chosen: Wanted, workers: int | None
) -> Iterator[tuple[tuple[str, Sample], Done]]:
    """What was found in each sample, put together from its parts, which are planned while others are worked on."""
    counts: deque[int] = deque()

    def planned() -> Iterator[Part]:
        for _, sample in left:
            own = _parts(sample, chosen)
            counts.append(len(own))
            yield from own

    parts = planned()
    first = list(islice(parts, 2))
    # A part is work for seconds: one at a time keeps all cores busy to the end, and two are worth a second process.
    spread = cores() if workers is None and len(first) > 1 else workers or 0
    with closing(map_ordered(crop_part, chain(first, parts), spread, chunk=1)) as found:
        for one in left:
            own = [next(found)]
            own += islice(found, counts.popleft() - 1)
            yield one, _joined(own)


def _parts(sample: Sample, chosen: Wanted) -> list[Part]:
    """A sample as parts of at most PART_FRAMES frames; of a few wanted frames, or of no video, one part."""
    whole = Part(sample, chosen.frames, chosen.every_s, chosen.profile)
    if not is_video(sample.path) or (chosen.frames or PART_FRAMES + 1) <= PART_FRAMES:
        return [whole]
    try:
        count = len(wanted(whole, video.index(sample.path)))
    except MediaError:
        return [whole]  # the worker meets the same error and says so
    pieces = -(-count // PART_FRAMES)
    pieces += -pieces % cores()  # as many for each core, so that none works alone at the end
    size = max(1, -(-count // max(1, pieces)))
    return [replace(whole, start=at, stop=at + size) for at in range(0, max(count, 1), size)]


def _joined(parts: Sequence[Done]) -> Done:
    failed = next((part for part in parts if part.status is not Status.OK), None)
    return failed or Done(Status.OK, "", [seen for part in parts for seen in part.frames])


def _keep(out: Path, name: str, sample: Sample, done: Done, chosen: Wanted) -> dict[str, Any]:
    """Write the crops that are kept; the line of the log."""
    boxes = [[one.box for one in seen.crops] for seen in done.frames]
    tracks = tracking.track(boxes)
    kept = tracking.largest(boxes, tracks) if chosen.faces == "largest" else None
    frames = []
    for seen, numbers in zip(done.frames, tracks, strict=True):
        rows = []
        for one, number in zip(seen.crops, numbers, strict=True):
            if one.status is Status.OK and kept in (None, number):
                rows.append(_write(out, name, sample, seen, one, number if kept is None else None))
        lost = seen.status is Status.OK and not rows  # there are faces, but not the one that is followed
        status = Status.NO_FACE if lost else seen.status
        entry = {"frame": seen.index, "time_s": seen.time_s, "status": str(status), "faces": len(seen.crops)}
        frames.append({**entry, "crops": rows, **({"notes": list(seen.notes)} if seen.notes else {})})
    return {"name": name, "source": str(sample.path), "status": str(done.status), "why": done.message, "frames": frames}


def _write(out: Path, name: str, sample: Sample, seen: Seen, one: EncodedCrop, track: int | None) -> dict[str, Any]:
    file = f"{name}/{seen.index:06d}{'' if track is None else f'-{track}'}.png"
    row: dict[str, Any] = {"landmarks": [round(float(v), 2) for v in one.landmarks.ravel()], "box": one.box}
    for column, folder, content in (
        ("path", "crops", one.crop),
        ("mask", "masks", one.mask),
        ("region", "regions", one.region),
    ):
        if content:
            path = out / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            row[column] = f"{folder}/{file}"
    return row


def _with_originals(crops: Sequence[tuple[Sample, Sequence[Sample]]]) -> Iterator[Sample]:
    """Yield the crops; a forgery's has the crop of the same frame of its original, if both are from one place."""
    written = {(sample.path, crop.path.name): crop for sample, own in crops for crop in own}
    for sample, own in crops:
        for crop in own:
            other = written.get((sample.original or Path(), crop.path.name))
            yield replace(crop, original=other.path if other and manifest.same_place(other, crop) else None)


def _rows(out: Path, sample: Sample, entry: Mapping[str, Any]) -> Iterator[Sample]:
    for frame in entry["frames"]:
        for row in frame["crops"]:
            yield replace(
                sample,
                path=out / row["path"],
                mask=out / row["mask"] if "mask" in row else None,
                region=out / row["region"] if "region" in row else None,
                landmarks=np.array(row["landmarks"], np.float32).reshape(68, 2),
            )


def _names(samples: Sequence[Sample]) -> list[str]:
    """A folder for each sample, DATASET/NAME: readable, safe, and never the same twice."""
    names = []
    seen: Counter[str] = Counter()
    for sample in samples:
        readable = _safe(sample.video or sample.path.stem)
        name = f"{_safe(sample.dataset) or 'own'}/{readable}"
        seen[name.lower()] += 1  # some file systems take a.png and A.png for one
        names.append(name if seen[name.lower()] == 1 else f"{name}~{_short(sample.path)}")
    return names


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:80]


def _short(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:10]


def _open(out: Path, chosen: Wanted, samples: Sequence[Sample]) -> None:
    faces.check(chosen.profile)
    settings = json.loads(json.dumps({**asdict(chosen), "samples": paths_digest(s.path for s in samples)}))
    path = out / _SETTINGS
    out.mkdir(parents=True, exist_ok=True)
    if path.exists() and (out / _LOG).exists():
        try:
            old = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            old = {}
        if old != settings:
            other = [key for key in settings if old.get(key) != settings[key]]
            raise ManifestError(
                f"{out} was prepared with other {', '.join(other)} (see {_SETTINGS}): give another --out"
            )
    write_text(path, json.dumps(settings, indent=2) + "\n")


def _summary(
    entries: Sequence[tuple[Sample, Mapping[str, Any]]], frames: int, seconds: float, workers: int | None
) -> dict[str, Any]:
    files = Counter(entry["status"] for _, entry in entries)
    by_status = Counter(frame["status"] for _, entry in entries for frame in entry["frames"])
    crops: dict[str, Counter[str]] = {}
    for sample, entry in entries:
        crops.setdefault(sample.method, Counter())[sample.split] += sum(
            len(frame["crops"]) for frame in entry["frames"]
        )
    notes = Counter(note for _, entry in entries for frame in entry["frames"] for note in frame.get("notes", ()))
    return {
        "files": dict(files),
        "frames": dict(by_status),
        "crops": {method: dict(counts) for method, counts in crops.items()},
        "skipped": {entry["source"]: entry["why"] for _, entry in entries if entry["status"] != Status.OK},
        "notes": dict(notes),
        "this_start": {
            "frames": frames,
            "wall_s": round(seconds, 1),
            "frames_per_s": round(frames / seconds, 2) if frames else None,
            "workers": cores() if workers is None else workers,
        },
    }
