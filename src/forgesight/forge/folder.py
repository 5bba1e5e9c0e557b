"""``forgesight forge``: photographs in, a labelled set out: images, masks, regions, a manifest.

Real and forged photographs leave through the same encoder. The same seed gives the same bytes, however many workers.

    OUT/real/ID.jpg  OUT/METHOD/ID.jpg  OUT/masks/METHOD/ID.png (16 bit)  OUT/regions/METHOD/ID.png
    OUT/manifest.parquet  OUT/forgeries.jsonl (what was done to each, and what was passed over, written as it goes)
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from forgesight.data import manifest, sources
from forgesight.data.sources.faces import RULES
from forgesight.forge.forgery import Forgery, Method, Portrait, finish
from forgesight.forge.lab import METHODS
from forgesight.media import faces, image
from forgesight.processes import ordered
from forgesight.types import REAL_METHOD, ForgeError, MediaError, Points, Sample

_DONORS = 16  # drawn for each swap; the one whose face is nearest in shape gives its face
_LOG = "forgeries.jsonl"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Task:
    """One photograph with everything a worker needs to forge it."""

    name: str
    sample: Sample
    methods: tuple[str, ...]
    donors: Mapping[str, Sample]
    out: Path
    seed: int
    encoding: str


def forge_folder(
    source: Path,
    out: Path,
    methods: Sequence[str] = (),
    *,
    splits: Sequence[str] | None = None,
    seed: int = 0,
    limit: int | None = None,
    encoding: str = "jpeg:95",
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Forge the largest face of every real photograph of ``source`` by each method; return the manifest.

    ``source`` is a photograph, a folder of photographs, or anything ``data.sources.read`` knows. ``limit`` takes that
    many photographs, spread evenly. Started again with the same settings, it goes on where it stopped.

    Raises:
        ForgeError: an unknown method, nobody who may be forged, or ``out`` holds a set made with other settings.
    """
    chosen = _methods(methods)
    samples = _photographs(source, splits, limit)
    image.suffix(encoding)  # an unknown encoding fails here, before any work
    _open(out, {"seed": seed, "encoding": encoding, "methods": sorted(chosen), "photographs": _digest(samples)})
    done = _read_log(out)
    with Progress(console=Console(stderr=True), disable=not progress, transient=True) as bar:
        found = list(_counted(ordered(_find, samples, workers), bar, "finding faces", len(samples)))
        usable = [replace(s, landmarks=points) for s, points in zip(samples, found, strict=True) if points is not None]
        if not usable:
            raise ForgeError(f"{source}: no face was found in any of {len(samples)} photographs")
        tasks = list(_tasks(usable, chosen, out, seed, encoding))
        if not any(task.methods for task in tasks):
            raise ForgeError("nothing to forge: a swap needs two people whose source allows it")
        rest = [task for task in tasks if task.name not in done]
        with open(out / _LOG, "a", encoding="utf-8") as log:
            for row in _counted(ordered(_forge, rest, workers), bar, "forging", len(rest)):
                log.write(json.dumps(row) + "\n")
                log.flush()
                done[row["name"]] = row
    passed = {"no_face": len(samples) - len(usable)} | dict(
        Counter(n for t in tasks for n in chosen if n not in t.methods)
    )
    _finish(out, [done[task.name] for task in tasks], {t.name: t.sample for t in tasks}, passed)
    return out / "manifest.parquet"


def forge_one(method: Method, target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Forge one face of a photograph of any size: the method works on the window of twice the face's side."""
    low, high = target.landmarks.min(0), target.landmarks.max(0)
    centre, reach = (low + high) / 2, float((high - low).max())
    left, top = (int(v) for v in np.maximum(np.floor(centre - reach), 0))
    right, bottom = (int(v) for v in np.ceil(centre + reach))
    window = np.ascontiguousarray(target.image[top:bottom, left:right])
    made = method.make(Portrait(window, target.landmarks - np.array([left, top], np.float32)), rng, donor)
    forged = target.image.copy()
    forged[top:bottom, left:right] = made.image
    return finish(target.image, forged, made.description)


def _methods(names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise ForgeError(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    return list(dict.fromkeys(names)) or list(METHODS)


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
    path = out / "forge.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != settings:
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


def _tasks(samples: Sequence[Sample], methods: Sequence[str], out: Path, seed: int, encoding: str) -> Iterator[_Task]:
    """Settle which photograph is forged how and with whom, before any worker starts."""
    pools: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, sample in enumerate(samples):
        if _may_swap(sample):
            pools[sample.dataset, sample.split].append(number)
    shapes = [_shape(s.landmarks) for s in samples if s.landmarks is not None]
    names = _names(samples)
    for number, sample in enumerate(samples):
        usable, donors = [], {}
        for name in methods:
            if not METHODS[name].keeps_identity and not _may_swap(sample):
                continue
            if METHODS[name].needs_donor:
                rng = _generator(seed, names[number], name, "donor")
                pool = pools[sample.dataset, sample.split]
                others = [i for i in pool if not set(samples[i].identities) & set(sample.identities) and i != number]
                if not others:
                    continue
                drawn = rng.choice(others, min(_DONORS, len(others)), replace=False)
                nearest = min(drawn.tolist(), key=lambda i: float(np.abs(shapes[i] - shapes[number]).sum()))
                donors[name] = samples[nearest]
            usable.append(name)
        yield _Task(names[number], sample, tuple(usable), donors, out, seed, encoding)


def _may_swap(sample: Sample) -> bool:
    """Whether the terms of the source allow an identity swap; a source without a rule is the user's own."""
    return sample.dataset not in RULES or RULES[sample.dataset].swap_allowed


def _names(samples: Sequence[Sample]) -> list[str]:
    width = max(4, len(str(len(samples))))
    return [f"{number:0{width}d}-{sample.path.stem}" for number, sample in enumerate(samples)]


def _shape(landmarks: Points) -> Points:
    centred = landmarks - landmarks.mean(0)
    return np.asarray(centred / np.ptp(landmarks, axis=0).max(), np.float32)


def _generator(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256("/".join([str(seed), *names]).encode()).digest()))


def _find(sample: Sample) -> Points | None:
    if sample.landmarks is not None:
        return sample.landmarks
    try:
        found = faces.find(image.read(sample.path))
    except MediaError:
        return None
    return found[0].landmarks if found else None


def _forge(task: _Task) -> dict[str, Any]:
    rgb = image.read(task.sample.path)
    suffix = image.suffix(task.encoding)
    _write(task.out / "real" / (task.name + suffix), image.encode(rgb, task.encoding))
    made = []
    for name in task.methods:
        donor = task.donors.get(name)
        forgery = forge_one(
            METHODS[name],
            _portrait(task.sample, rgb),
            _generator(task.seed, task.name, name),
            _portrait(donor, image.read(donor.path)) if donor else None,
        )
        stamp = f"Synthetic: forged by forgesight, method {name}"
        _write(task.out / name / (task.name + suffix), image.encode(forgery.image, task.encoding, synthetic=stamp))
        mask, region = (task.out / kind / name / (task.name + ".png") for kind in ("masks", "regions"))
        mask.parent.mkdir(parents=True, exist_ok=True)
        image.write_plane16(mask, forgery.mask)
        _write(region, cv2.imencode(".png", forgery.region.astype(np.uint8) * 255)[1].tobytes())
        people = [*task.sample.identities, *(donor.identities if donor else ())]
        made.append({"method": name, "identities": people, "description": dict(forgery.description)})
    return {"name": task.name, "source": str(task.sample.path), "forged": made}


def _portrait(sample: Sample, rgb: Any) -> Portrait:
    if sample.landmarks is None:
        raise ForgeError(f"{sample.path}: no landmarks")
    return Portrait(rgb, sample.landmarks)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _finish(
    out: Path, rows: Sequence[dict[str, Any]], samples: Mapping[str, Sample], passed: Mapping[str, int]
) -> None:
    settings = json.loads((out / "forge.json").read_text(encoding="utf-8"))
    suffix = image.suffix(settings["encoding"])
    table = []
    for row in rows:
        name, sample = row["name"], samples[row["name"]]
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
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (out / _LOG).write_text(lines, encoding="utf-8")
    (out / "passed_over.json").write_text(json.dumps(dict(passed), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    manifest.write(table, out / "manifest.parquet")


def _counted(results: Iterable[R], bar: Progress, title: str, total: int) -> Iterator[R]:
    step = bar.add_task(title, total=total)
    for result in results:
        bar.advance(step)
        yield result
