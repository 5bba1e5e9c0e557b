"""``facewitness forge video``: clips, each beside forgeries of itself, with a mask video for every forgery.

A forgery is held steady: the same donor and the same chance in every frame, along landmarks that are smoothed in time.
Original and forgery are encoded alike. The sources are videos, or photographs that are set in motion.

    OUT/real/ID.mp4  OUT/METHOD/ID.mp4  OUT/regions/METHOD/ID.mkv (lossless, 255 = forged)
    OUT/stills/ID.png (of videos)  OUT/clips.jsonl (what was done, written as it goes)  OUT/manifest.parquet
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facewitness.compute.pool import map_ordered
from facewitness.compute.progress import Progress, track
from facewitness.data import manifest, sources
from facewitness.data.splits import spread
from facewitness.forge import pairing
from facewitness.forge.dataset import MANIFEST, check_methods
from facewitness.forge.forgery import Portrait
from facewitness.forge.methods import METHODS
from facewitness.forge.moving import FINDER, FollowedVideo, MovingPhotograph
from facewitness.forge.render import forge_one
from facewitness.media import faces, image, video
from facewitness.media.video_writer import VideoWriter
from facewitness.storage import paths_digest, read_log, write_text
from facewitness.types import REAL_METHOD, ForgeError, Image, MediaError, Points, Sample

METHODS_OF_CLIPS = ("faceswap", "selfblend")
_LOG, _SETTINGS = "clips.jsonl", "clips.json"
_REAL = "Not forged; re-encoded by facewitness"
_FORGED = "Synthetic: forged by facewitness, method {}"


@dataclass(frozen=True, slots=True)
class ClipStyle:
    """How every clip of a set is made."""

    seed: int = 0
    seconds: float = 3.0
    rate: int = 12  # frames a second of a photograph in motion; a video keeps its own
    crf: tuple[int, ...] = (23,)  # the clips take these in turn
    part: float = 1.0  # of the time, that is forged, in one stretch
    longest_px: int = 640


class Moving(Protocol):
    """Frames of one size and the landmarks of a face in each."""

    shape: tuple[int, int]
    landmarks: NDArray[np.float32]

    def __iter__(self) -> Iterator[Image]: ...


@dataclass(frozen=True, slots=True)
class _Clip:
    """One source and everything that is made of it."""

    task: pairing.Task
    source: Path
    crf: int


def forge_clips(
    source: Path,
    out: Path,
    methods: Sequence[str] = METHODS_OF_CLIPS,
    *,
    style: ClipStyle | None = None,
    splits: Sequence[str] | None = None,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress = None,
) -> Path:
    """Make clips of every real video or photograph of ``source``, forge the face in each, and return the manifest.

    Started again with the same settings, it goes on where it stopped.

    Args:
        source: a video, a folder of videos, or anything with photographs that ``data.sources.read`` knows.
        out: folder of the set; made if absent.
        methods: of ``forge.methods``; none makes real clips alone.
        style: how the clips are made.
        splits: of the photographs; None takes all.
        limit: at most so many clips, spread evenly.
        workers: processes; None takes one per core.
        progress: receives events.

    Raises:
        ForgeError: an unknown method, nothing that can be forged, or ``out`` holds a set with other settings.
    """
    style = style or ClipStyle()
    chosen = check_methods(methods)
    samples = _samples(source, splits, limit, style.seed)
    _open(out, {**asdict(style), "methods": chosen, "sources": paths_digest(s.path for s in samples)})
    found = track(map_ordered(partial(_still, out=out, style=style), samples, workers), "finding faces", progress)
    stills = [(still, sample.path) for still, sample in zip(found, samples, strict=True) if still is not None]
    if not stills:
        raise ForgeError(f"{source}: no face was found in any of {len(samples)} photographs or videos")
    people = pairing.People([still for still, _ in stills], style.seed, squares=False)
    tasks = pairing.each(people, chosen).tasks
    clips = [
        _Clip(task, path, style.crf[number % len(style.crf)])
        for number, (task, (_, path)) in enumerate(zip(tasks, stills, strict=True))
    ]
    done = read_log(out / _LOG)
    rest = [clip for clip in clips if clip.task.name not in done]
    with open(out / _LOG, "a", encoding="utf-8") as log:
        made = map_ordered(partial(make, out=out, style=style), rest, workers, chunk=1, at_least=4)
        for row in track(made, "making clips", progress, len(rest)):
            log.write(json.dumps(row) + "\n")
            log.flush()
            done[row["name"]] = row
    table = [one for clip in clips for one in _rows(out, clip, done[clip.task.name])]
    if not table:
        raise ForgeError(f"{source}: no clip could be made; {out / _LOG} says why")
    manifest.write(table, out / MANIFEST)
    return out / MANIFEST


def make(clip: _Clip, out: Path, style: ClipStyle) -> dict[str, Any]:
    """Write a clip and its forgeries, all encoded alike, and return the row of the log."""
    task = clip.task
    row: dict[str, Any] = {"name": task.name, "source": str(clip.source), "crf": clip.crf, "forged": []}
    try:
        moving, rate = _moving(clip, style)
    except MediaError as error:
        return {**row, "failed": str(error)}
    count = len(moving.landmarks)
    rng = pairing.generator(style.seed, task.name, "stretch")
    forged = max(1, round(style.part * count))
    start = int(rng.integers(count - forged + 1))
    stretch = range(start, start + forged)
    options: dict[str, Any] = {"shape": moving.shape, "rate": rate, "crf": clip.crf}
    with VideoWriter(_path(out, REAL_METHOD, task.name, ".mp4"), comment=_REAL, **options) as writer:
        for frame in moving:
            writer.add(frame)
    for name, donor in task.donors.items():
        lent = None
        if donor is not None and donor.sample.landmarks is not None:
            lent = Portrait(image.read(donor.sample.path), donor.sample.landmarks, donor.neutral)
        _forge(name, moving, stretch, lent, task.name, out, style, options)
        people = dict.fromkeys((*task.sample.identities, *(donor.sample.identities if donor else ())))
        times = [round(start / rate, 3), round((start + forged) / rate, 3)]
        row["forged"].append({"method": name, "identities": list(people), "span_s": times})
    return row


def _forge(
    name: str,
    moving: Moving,
    stretch: range,
    donor: Portrait | None,
    clip: str,
    out: Path,
    style: ClipStyle,
    options: Mapping[str, Any],
) -> None:
    """Write a forgery of a clip and its mask video."""
    planes = _path(out, f"regions/{name}", clip, ".mkv")
    stamp = _FORGED.format(name)
    with (
        VideoWriter(_path(out, name, clip, ".mp4"), comment=stamp, **options) as writer,
        VideoWriter(planes, comment=stamp, **options) as mask,
    ):
        for number, frame in enumerate(moving):
            region = np.zeros(moving.shape, np.uint8)
            if number in stretch:
                rng = pairing.generator(style.seed, clip, name)  # the same in every frame
                made = forge_one(METHODS[name], Portrait(frame, moving.landmarks[number]), rng, donor)
                frame, region = made.image, made.region.astype(np.uint8) * 255
            writer.add(frame)
            mask.add(region)


def _moving(clip: _Clip, style: ClipStyle) -> tuple[Moving, int]:
    if clip.source.suffix.lower() in video.SUFFIXES:
        followed = FollowedVideo(clip.source, style.seconds, style.longest_px)
        return followed, followed.rate
    rng = pairing.generator(style.seed, clip.task.name, "motion")
    landmarks = clip.task.sample.landmarks
    assert landmarks is not None  # of a still
    count = max(2, round(style.seconds * style.rate))
    return MovingPhotograph(image.read(clip.source), landmarks, rng, count, style.longest_px), style.rate


def _still(sample: Sample, out: Path, style: ClipStyle) -> Sample | None:
    """A photograph with the landmarks of its largest face; of a video, its first frame with a face, written to disk."""
    try:
        if sample.path.suffix.lower() not in video.SUFFIXES:
            points = sample.landmarks if sample.landmarks is not None else _landmarks(image.read(sample.path))
            return None if points is None else replace(sample, landmarks=points)
        of = video.index(sample.path)
        for frame in video.frames(sample.path, video.evenly(8, len(of)), of):
            points = None if frame.image is None else _landmarks(frame.image)
            if frame.image is not None and points is not None:
                path = _path(out, "stills", sample.path.stem, ".png")
                path.write_bytes(image.encode(frame.image, "png"))
                return replace(sample, path=path, landmarks=points)
    except MediaError:
        return None
    return None


def _landmarks(rgb: Image) -> Points | None:
    found = [face for face in faces.find(rgb, FINDER) if not face.doubtful]
    return found[0].landmarks if found else None


def _samples(source: Path, splits: Sequence[str] | None, limit: int | None, seed: int) -> list[Sample]:
    videos = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    videos = [path for path in videos if path.suffix.lower() in video.SUFFIXES]
    if videos:
        found = [Sample(path, 0, video=path.stem, identities=(path.stem,), dataset="own") for path in videos]
    else:
        found = [s for s in sources.read_divided(source, seed) if s.label == 0 and (not splits or s.split in splits)]
    if not found:
        raise ForgeError(f"{source}: no real video and no real photograph there, or none in the split")
    return spread(found, limit)


def _rows(out: Path, clip: _Clip, row: Mapping[str, Any]) -> Iterator[Sample]:
    if "failed" in row:
        return
    name = row["name"]
    real = _path(out, REAL_METHOD, name, ".mp4")
    told = (f"crf-{row['crf']}",)
    base = replace(clip.task.sample, path=real, label=0, video=name, landmarks=None, attributes=told)
    yield base
    for forged in row["forged"]:
        method = forged["method"]
        identities, region = tuple(forged["identities"]), _path(out, f"regions/{method}", name, ".mkv")
        path = _path(out, method, name, ".mp4")
        yield replace(base, path=path, label=1, method=method, identities=identities, region=region, original=real)


def _path(out: Path, folder: str, name: str, suffix: str) -> Path:
    (out / folder).mkdir(parents=True, exist_ok=True)
    return out / folder / (name + suffix)


def _open(out: Path, settings: Mapping[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    path, text = out / _SETTINGS, json.dumps(settings, indent=2) + "\n"
    if path.exists() and (out / _LOG).exists() and path.read_text(encoding="utf-8") != text:
        raise ForgeError(f"{out} holds clips made with other settings (see {path.name}): give another --out")
    write_text(path, text)
