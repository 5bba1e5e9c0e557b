"""``forgesight forge``: photographs in, a labelled set out: images, masks, regions, a manifest.

Real and forged photographs leave through the same encoder, with as much metadata. The same seed gives the same
pictures, however many workers.

    OUT/real/ID.jpg  OUT/METHOD/ID.jpg  OUT/masks/METHOD/ID.png (16 bit)  OUT/regions/METHOD/ID.png
    OUT/manifest.parquet  OUT/forgeries.jsonl (what was done to each, written as it goes)
    OUT/summary.json (how many, what was passed over and why, how long it took)
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from forgesight.data import manifest, sources
from forgesight.forge import networks, plan
from forgesight.forge.forgery import Forgery, Method, Portrait, finish
from forgesight.forge.lab import METHODS
from forgesight.media import faces, image
from forgesight.processes import cores, ordered
from forgesight.records import write_text
from forgesight.types import REAL_METHOD, CropProfile, ForgeError, MediaError, Points, Sample

MANIFEST, SUMMARY = "manifest.parquet", "summary.json"
_LOG, _SETTINGS, _LANDMARKS = "forgeries.jsonl", "forge.json", "landmarks.npy"
_PHOTOGRAPH = "Photograph, not forged; re-encoded by forgesight"
_FORGED = "Synthetic: forged by forgesight, method {}"
_STAMP_LENGTH = 64  # of either: no file is larger for what is written in it

SQUARE_MARGIN = 0.5
"""Of head squares, in sides of the face: wide enough for hair, chin and some of what is behind."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Style:
    """How everything in a set is made. ``square`` None forges whole photographs, otherwise aligned head squares."""

    seed: int
    encoding: str
    square: CropProfile | None = None


class _Made(NamedTuple):
    """What a worker says of one photograph: the row of the log, and seconds by method."""

    row: dict[str, Any]
    seconds: dict[str, float]


def forge_folder(
    source: Path,
    out: Path,
    methods: Sequence[str] = (),
    *,
    splits: Sequence[str] | None = None,
    seed: int = 0,
    limit: int | None = None,
    encoding: str = "jpeg:95",
    square: CropProfile | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Forge the largest face of every real photograph of ``source`` by each method; return the manifest.

    ``source`` is a photograph, a folder of photographs, or anything ``data.sources.read`` knows. ``limit`` takes that
    many photographs, spread evenly. Without ``methods`` all are taken that are at hand: those whose network was not
    fitted are passed over. Started again with the same settings, it goes on where it stopped.

    Raises:
        ForgeError: an unknown method, one without its network, nobody who may be forged, or ``out`` holds a set made
            with other settings or cannot be written.
    """
    chosen = check_methods(methods) or [name for name, m in METHODS.items() if not m.network or networks.ready(name)]
    samples = _photographs(source, splits, limit)
    style = Style(seed, encoding, square)
    return make_set(samples, out, chosen, style, plan.each, workers=workers, progress=progress)


def make_set(
    samples: Sequence[Sample],
    out: Path,
    methods: Sequence[str],
    style: Style,
    planned: Callable[[plan.People, Sequence[str]], plan.Plan],
    *,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Find the faces of ``samples``, plan, forge, write; return the manifest. See ``forge_folder``."""
    image.suffix(style.encoding)  # an unknown encoding fails here, before any work
    weights = {name: networks.identity(name) for name in methods if METHODS[name].network}
    square = None if style.square is None else [style.square.size_px, style.square.margin]
    _open(
        out,
        {
            **{"seed": style.seed, "encoding": style.encoding, "square": square, "methods": sorted(methods)},
            **{"networks": weights, "photographs": _digest(samples)},
        },
    )
    done = _read_log(out)
    seconds: dict[str, list[float]] = defaultdict(list)
    with Progress(console=Console(stderr=True), disable=not progress, transient=True) as bar:
        started = time.perf_counter()
        usable = _with_landmarks(samples, out, workers, bar)
        finding_s = time.perf_counter() - started
        if not usable:
            raise ForgeError(f"no face was found in any of {len(samples)} photographs")
        made = planned(plan.People(usable, style.seed, squares=style.square is not None), methods)
        if not any(task.donors for task in made.tasks):
            raise ForgeError(f"nothing to forge ({'; '.join(sorted(made.passed_over)) or 'no photograph left'})")
        rest = [task for task in made.tasks if task.name not in done]
        started = time.perf_counter()
        work = partial(_forge, out=out, style=style)
        with open(out / _LOG, "a", encoding="utf-8") as log:
            for one in _counted(ordered(work, rest, workers), bar, "forging", len(rest)):
                log.write(json.dumps(one.row) + "\n")
                log.flush()
                done[one.row["name"]] = one.row
                for name, value in one.seconds.items():
                    seconds[name].append(value)
        forging_s = time.perf_counter() - started
    rows = [done[task.name] for task in made.tasks]
    passed = {"no face found": len(samples) - len(usable), **made.passed_over}
    table = _table(out, rows, {task.name: task.sample for task in made.tasks}, style)
    manifest.write(table, out / MANIFEST)
    _summarise(out, rows, table, passed, seconds, finding_s, forging_s, workers)
    return out / MANIFEST


def forge_one(method: Method, target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Forge one face of a photograph of any size: the method works on the window of twice the face's side."""
    if method.whole:
        return method.make(target, rng, donor)
    low, high = target.landmarks.min(0), target.landmarks.max(0)
    centre, reach = (low + high) / 2, float((high - low).max())
    left, top = (int(v) for v in np.maximum(np.floor(centre - reach), 0))
    right, bottom = (int(v) for v in np.ceil(centre + reach))
    window = np.ascontiguousarray(target.image[top:bottom, left:right])
    made = method.make(Portrait(window, target.landmarks - np.array([left, top], np.float32)), rng, donor)
    forged = target.image.copy()
    forged[top:bottom, left:right] = made.image
    return finish(target.image, forged, made.description)


def check_methods(names: Sequence[str]) -> list[str]:
    """The names, each once.

    Raises:
        ForgeError: there is no such method.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise ForgeError(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    return list(dict.fromkeys(names))


def _photographs(source: Path, splits: Sequence[str] | None, limit: int | None) -> list[Sample]:
    if source.is_file() and source.suffix.lower() in image.SUFFIXES:
        samples = [Sample(source, 0, identities=(source.stem,), dataset="own")]
    elif source.is_dir() and not _is_data(source):
        files = sorted(p for p in source.rglob("*") if p.suffix.lower() in image.SUFFIXES)
        samples = [Sample(p, 0, identities=(p.relative_to(source).as_posix(),), dataset=source.name) for p in files]
    else:
        samples = sources.read(source)
    samples = [s for s in samples if s.label == 0 and (not splits or s.split in splits)]
    if not samples:
        where = f" in split {', '.join(splits)}: leave out --split, or name another" if splits else ": check the path"
        raise ForgeError(f"{source}: no real photograph{where}")
    if limit and limit < len(samples):
        samples = [samples[i] for i in np.linspace(0, len(samples) - 1, limit).round().astype(int)]
    return samples


def _is_data(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("faces.csv", "real", "fake", "manifest.parquet"))


def _digest(samples: Sequence[Sample]) -> str:
    return hashlib.sha256("\n".join(str(s.path.resolve()) for s in samples).encode()).hexdigest()


def _open(out: Path, settings: Mapping[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    path = out / _SETTINGS
    begun = (out / _LOG).exists() or (out / _LANDMARKS).exists()
    if begun and path.exists() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise ForgeError(f"{out} holds a set made with other settings (see {path.name}): give another --out")
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _read_log(out: Path) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    if (out / _LOG).exists():
        for line in (out / _LOG).read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:  # the line a kill cut short: its photograph is forged again
                continue
            rows[row["name"]] = row
    return rows


def _with_landmarks(samples: Sequence[Sample], out: Path, workers: int | None, bar: Progress) -> list[Sample]:
    """The samples in which a face is found, with its landmarks; found once, and kept beside the set."""
    path = out / _LANDMARKS
    if path.exists():  # complete, and of these photographs: it is written last, and the settings hold their digest
        points = np.load(path)
    else:
        nobody = np.full((68, 2), np.nan, np.float32)
        found = _counted(ordered(_find, samples, workers), bar, "finding faces", len(samples))
        points = np.stack([nobody if one is None else one for one in found])
        with open(path.with_suffix(".part"), "wb") as file:
            np.save(file, points)
        path.with_suffix(".part").replace(path)
    return [replace(s, landmarks=p) for s, p in zip(samples, points, strict=True) if np.isfinite(p).all()]


def _find(sample: Sample) -> Points | None:
    if sample.landmarks is not None:
        return sample.landmarks
    try:
        found = faces.find(image.read(sample.path))
    except MediaError:
        return None
    return found[0].landmarks if found else None


def _forge(task: plan.Task, out: Path, style: Style) -> _Made:
    row: dict[str, Any] = {"name": task.name, "source": str(task.sample.path), "real": task.real, "forged": []}
    failed: dict[str, str] = {}
    seconds: dict[str, float] = {}
    file = task.name + image.suffix(style.encoding)
    try:
        target = _portrait(plan.Donor(task.sample), style)
    except MediaError as error:  # it could be read when its face was found
        return _Made({**row, "real": False, "failed": {"real": str(error)}}, {})
    if task.real:
        picture = image.encode(target.image, style.encoding, genuine=_PHOTOGRAPH.ljust(_STAMP_LENGTH))
        _write(out / "real" / file, picture)
    for name, donor in task.donors.items():
        started = time.perf_counter()
        try:
            rng = plan.generator(style.seed, task.name, name)
            forgery = forge_one(METHODS[name], target, rng, _portrait(donor, style) if donor else None)
        except (ForgeError, MediaError) as error:
            failed[name] = str(error)
            continue
        seconds[name] = time.perf_counter() - started
        stamp = _FORGED.format(name).ljust(_STAMP_LENGTH)
        _write(out / name / file, image.encode(forgery.image, style.encoding, synthetic=stamp))
        _write(out / "masks" / name / (task.name + ".png"), image.encode_plane16(forgery.mask))
        region = cv2.imencode(".png", forgery.region.astype(np.uint8) * 255)[1].tobytes()
        _write(out / "regions" / name / (task.name + ".png"), region)
        people = dict.fromkeys((*task.sample.identities, *(donor.sample.identities if donor else ())))
        description = dict(forgery.description)
        row["forged"].append({"method": name, "identities": list(people), "description": description})
    return _Made({**row, "failed": failed} if failed else row, seconds)


def _portrait(one: plan.Donor, style: Style) -> Portrait:
    rgb, landmarks = image.read(one.sample.path), one.sample.landmarks
    if landmarks is None:
        raise ForgeError(f"{one.sample.path}: no landmarks")
    if style.square is None:
        return Portrait(rgb, landmarks, one.neutral)
    return Portrait(faces.crop(rgb, landmarks, style.square)[0], _in_square(landmarks, style.square), one.neutral)


def _in_square(landmarks: Points, square: CropProfile) -> Points:
    return faces.moved(landmarks, faces.alignment(landmarks, square))


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ForgeError(
            f"{path} cannot be written ({error.strerror or error}); what is finished is kept: make room and start again"
        ) from error


def _table(out: Path, rows: Sequence[Mapping[str, Any]], samples: Mapping[str, Sample], style: Style) -> list[Sample]:
    suffix = image.suffix(style.encoding)
    table = []
    for row in rows:
        name, sample = row["name"], samples[row["name"]]
        if style.square is not None and sample.landmarks is not None:
            sample = replace(sample, landmarks=_in_square(sample.landmarks, style.square))
        if row["real"]:
            table.append(replace(sample, path=out / "real" / (name + suffix), method=REAL_METHOD, label=0))
        for forged in row["forged"]:
            method = forged["method"]
            table.append(
                replace(
                    sample,
                    path=out / method / (name + suffix),
                    label=1,
                    method=method,
                    identities=tuple(forged["identities"]),
                    mask=out / "masks" / method / (name + ".png"),
                    region=out / "regions" / method / (name + ".png"),
                )
            )
    return table


def _summarise(
    out: Path,
    rows: Sequence[Mapping[str, Any]],
    table: Sequence[Sample],
    passed: Mapping[str, int],
    seconds: Mapping[str, Sequence[float]],
    finding_s: float,
    forging_s: float,
    workers: int | None,
) -> None:
    """Write the log in order and the summary. Speed is that of the last start that made something, and of it alone."""
    write_text(out / _LOG, "".join(json.dumps(row) + "\n" for row in rows))
    made = sum(map(len, seconds.values()))
    speed = {
        "forgeries": made,
        "finding_s": round(finding_s, 1),
        "forging_s": round(forging_s, 1),
        "forgeries_per_s": round(made / max(forging_s, 1e-9), 2),
        "workers": cores() if workers is None else workers,
        "ms_per_forgery": {name: round(1e3 * sum(v) / len(v), 1) for name, v in sorted(seconds.items()) if v},
    }
    if not made and (out / SUMMARY).exists():
        speed = json.loads((out / SUMMARY).read_text(encoding="utf-8"))["speed"]
    failed = Counter(f"{name}: {why}" for row in rows for name, why in row.get("failed", {}).items())
    summary = {
        "counts": _counts(table),
        "passed_over": {reason: count for reason, count in sorted(passed.items()) if count},
        "failed": dict(failed),
        "speed": speed,
    }
    write_text(out / SUMMARY, json.dumps(summary, indent=2) + "\n")


def _counts(table: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """Pictures by method and split."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in table:
        counts[sample.method][sample.split] += 1
    return {name: dict(counts[name]) for name in (REAL_METHOD, *METHODS) if name in counts}


def _counted(results: Iterable[R], bar: Progress, title: str, total: int) -> Iterator[R]:
    step = bar.add_task(title, total=total)
    for result in results:
        bar.advance(step)
        yield result
