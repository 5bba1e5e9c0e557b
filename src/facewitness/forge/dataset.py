"""``facewitness forge``: photographs in, a labelled set out: images, masks, regions, a manifest.

Real and forged photographs leave through the same encoder, with as much metadata. The same seed gives the same
pictures, however many workers.

    OUT/real/ID.jpg  OUT/METHOD/ID.jpg  OUT/masks/METHOD/ID.png (16 bit)  OUT/regions/METHOD/ID.png
    OUT/manifest.parquet  OUT/forgeries.jsonl (what was done to each, written as it goes)
    OUT/summary.json (how many, what was passed over and why, how long it took)
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facewitness.compute.pool import cores, map_ordered
from facewitness.compute.progress import Progress, track
from facewitness.data import manifest, sources
from facewitness.data.splits import spread
from facewitness.forge import generators, pairing
from facewitness.forge.methods import METHODS
from facewitness.forge.render import Style, forge, in_square
from facewitness.media import faces, image
from facewitness.storage import atomic_write, paths_digest, read_log, write_text
from facewitness.types import REAL_METHOD, CropProfile, ForgeError, MediaError, Points, Sample

MANIFEST, SUMMARY = "manifest.parquet", "summary.json"
_LOG, _SETTINGS, _LANDMARKS = "forgeries.jsonl", "forge.json", "landmarks.npy"

SQUARE_MARGIN = 0.5
"""Of head squares, in sides of the face: wide enough for hair, chin and some of what is behind."""


def forge_dataset(
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
    progress: Progress = None,
) -> Path:
    """Forge the largest face of every real photograph of ``source`` by each method; return the manifest.

    ``source`` is anything that ``data.sources.read`` knows; data without splits is divided by identity before it is
    forged, so that a forgery's donor is of the same split. ``limit`` takes that
    many photographs, spread evenly. Without ``methods`` all are taken that are at hand: those whose generator was not
    trained are passed over. Started again with the same settings, it goes on where it stopped.

    Raises:
        ForgeError: an unknown method, one without its generator, nobody who may be forged, or ``out`` holds a set made
            with other settings or cannot be written.
    """
    chosen = check_methods(methods) or [
        name for name, m in METHODS.items() if not m.generator or generators.ready(name)
    ]
    samples = _photographs(source, splits, limit, seed)
    style = Style(seed, encoding, square)
    return make_set(samples, out, chosen, style, pairing.each, workers=workers, progress=progress)


def make_set(
    samples: Sequence[Sample],
    out: Path,
    methods: Sequence[str],
    style: Style,
    planned: Callable[[pairing.People, Sequence[str]], pairing.Plan],
    *,
    workers: int | None = None,
    progress: Progress = None,
) -> Path:
    """Find the faces of ``samples``, plan, forge, write; return the manifest. See ``forge_dataset``."""
    image.suffix(style.encoding)  # an unknown encoding fails here, before any work
    weights = {name: generators.identity(name) for name in methods if METHODS[name].generator}
    square = None if style.square is None else [style.square.size_px, style.square.margin]
    _open(
        out,
        {
            **{"seed": style.seed, "encoding": style.encoding, "square": square, "methods": sorted(methods)},
            **{"networks": weights, "photographs": paths_digest(s.path for s in samples)},
        },
    )
    done = read_log(out / _LOG)
    seconds: dict[str, list[float]] = defaultdict(list)
    started = time.perf_counter()
    usable = _with_landmarks(samples, out, workers, progress)
    finding_s = time.perf_counter() - started
    if not usable:
        raise ForgeError(f"no face was found in any of {len(samples)} photographs")
    made = planned(pairing.People(usable, style.seed, squares=style.square is not None), methods)
    if not any(task.donors for task in made.tasks):
        raise ForgeError(f"nothing to forge ({'; '.join(sorted(made.passed_over)) or 'no photograph left'})")
    rest = [task for task in made.tasks if task.name not in done]
    started = time.perf_counter()
    work = partial(forge, out=out, style=style)
    with open(out / _LOG, "a", encoding="utf-8") as log:
        for one in track(map_ordered(work, rest, workers), "forging", progress, len(rest)):
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


def check_methods(names: Sequence[str]) -> list[str]:
    """The names, each once.

    Raises:
        ForgeError: there is no such method.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise ForgeError(f"no method {unknown[0]!r}; there are {', '.join(METHODS)}")
    return list(dict.fromkeys(names))


def _photographs(source: Path, splits: Sequence[str] | None, limit: int | None, seed: int) -> list[Sample]:
    samples = [s for s in sources.read_divided(source, seed) if s.label == 0 and (not splits or s.split in splits)]
    if not samples:
        where = f" in split {', '.join(splits)}: leave out --split, or name another" if splits else ": check the path"
        raise ForgeError(f"{source}: no real photograph{where}")
    return spread(samples, limit)


def _open(out: Path, settings: Mapping[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    path = out / _SETTINGS
    begun = (out / _LOG).exists() or (out / _LANDMARKS).exists()
    if begun and path.exists() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise ForgeError(f"{out} holds a set made with other settings (see {path.name}): give another --out")
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _with_landmarks(samples: Sequence[Sample], out: Path, workers: int | None, progress: Progress) -> list[Sample]:
    """The samples in which a face is found, with its landmarks; found once, and kept beside the set."""
    path = out / _LANDMARKS
    if path.exists():  # complete, and of these photographs: it is written last, and the settings hold their digest
        points = np.load(path)
    else:
        nobody = np.full((68, 2), np.nan, np.float32)
        found = track(map_ordered(_find, samples, workers), "finding faces", progress, len(samples))
        points = np.stack([nobody if one is None else one for one in found])
        with atomic_write(path) as part:
            np.save(part, points)
    return [replace(s, landmarks=p) for s, p in zip(samples, points, strict=True) if np.isfinite(p).all()]


def _find(sample: Sample) -> Points | None:
    if sample.landmarks is not None:
        return sample.landmarks
    try:
        found = faces.find(image.read(sample.path))
    except MediaError:
        return None
    return found[0].landmarks if found else None


def _table(out: Path, rows: Sequence[Mapping[str, Any]], samples: Mapping[str, Sample], style: Style) -> list[Sample]:
    suffix = image.suffix(style.encoding)
    table = []
    for row in rows:
        name, sample = row["name"], samples[row["name"]]
        if style.square is not None and sample.landmarks is not None:
            sample = replace(sample, landmarks=in_square(sample.landmarks, style.square))
        if row["real"]:
            table.append(replace(sample, path=out / "real" / (name + suffix), method=REAL_METHOD, label=0))
        for forged in row["forged"]:
            method, part = forged["method"], forged["description"].get("part")
            table.append(
                replace(
                    sample,
                    path=out / method / (name + suffix),
                    label=1,
                    method=method,
                    identities=tuple(forged["identities"]),
                    attributes=(*sample.attributes, *([part] if part else [])),
                    mask=out / "masks" / method / (name + ".png"),
                    region=out / "regions" / method / (name + ".png"),
                    original=out / "real" / (name + suffix) if row["real"] else None,
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
