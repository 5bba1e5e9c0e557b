"""Which faces each finder finds: portraits by source, scenes with known faces, and what it takes by the megapixel.

Our two finders beside OpenCV's YuNet, where its file is given. Portraits come from tables with the columns path, source
and, if there are forged ones, label (`../shared/faces/faces.csv`, `../shared/wild/wild.csv`); scenes are made by
`tests/scenes.py` with the faces of those who agreed to be shown. Writes a report.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facewitness.media import faces, image
from facewitness.metrics.intervals import wilson
from facewitness.reporting import report
from facewitness.reporting.markdown import table
from facewitness.types import Image
from tests import scenes

SHOWN = ("london", "canada")  # sources whose people agreed to be shown
SEED = 1
TIMED = ((0.3, 1), (0.3, 24), (6, 24), (24, 24), (48, 24), (100, 24))  # megapixels and faces
TIMES = 5

SMALL, LARGE = (24.0, 40.0), (40.0, 400.0)
SCENES: Mapping[str, tuple[int, Callable[[np.random.Generator, Sequence[scenes.Portrait]], scenes.Scene]]] = {
    "upright, 40 to 400 px": (100, lambda rng, heads: _scene(rng, heads, LARGE)),
    "upright, 24 to 40 px": (60, lambda rng, heads: _scene(rng, heads, SMALL)),
    "turned by any angle": (100, lambda rng, heads: _scene(rng, heads, LARGE, turn=rng.uniform(0, 360), lean=0)),
    "covered by glasses, a hand or a hat": (60, lambda rng, heads: _scene(rng, heads, LARGE, covered=True)),
    "dark (a sixth of the light)": (200, lambda rng, heads: _scene(rng, heads, LARGE, brightness=1 / 6)),
    "JPEG 30": (200, lambda rng, heads: _scene(rng, heads, LARGE, quality=30)),
    "no face": (200, lambda rng, heads: scenes.scene(rng, heads, _size(rng), 0, LARGE)),
}

Found = tuple[np.ndarray, np.ndarray]  # centres (N, 2) and sides (N,) of faces, px


def main() -> int:
    """Measure and write; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path, metavar="CSV", help="tables of portraits")
    parser.add_argument("--yunet", type=Path, metavar="ONNX", help="face_detection_yunet_2023mar.onnx")
    parser.add_argument("--limit", type=int, default=200, metavar="N", help="portraits of each source and label")
    parser.add_argument("--report", type=Path, required=True, metavar="MD", help="the report to write")
    options = parser.parse_args()
    finders = [name for name in ("mtcnn", "dlib-hog", "yunet") if name != "yunet" or options.yunet]
    portraits = dict(_portraits(options.tables, options.limit))
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        by_source, by_scene = {}, {}
        for name, files in portraits.items():
            by_source[name] = list(pool.map(partial(_judge, finders, options.yunet), files))
            print(f"{', '.join(name)}: {len(files)} photographs", file=sys.stderr)
        heads = [file for (source, _), files in portraits.items() if source in SHOWN for file in files][:60]
        for kind, (count, _) in SCENES.items():
            judge = partial(_judge_scene, finders, options.yunet, heads, kind)
            by_scene[kind] = list(pool.map(judge, range(count)))
            print(f"{kind}: {count} scenes", file=sys.stderr)
    costs = list(_costs(finders, options.yunet))
    report.write(
        options.report,
        "Face finders",
        "`mtcnn` is the finder of the default detector, `dlib-hog` that of the 0.1 weights"
        + (", `yunet` the yardstick." if options.yunet else "."),
        [
            report.section(
                "Portraits",
                "Share of the photographs with a face that was found and is not doubtful; 95 % intervals.",
                table(["source", "photographs", *finders], _portrait_rows(by_source, finders)),
            ),
            report.section(
                "Scenes with known faces",
                "Share of the faces that were found, and false faces in a photograph. "
                "The limits of `mtcnn` were chosen on other scenes with the same people.",
                table(["scenes", "photographs", "faces", *finders], _scene_rows(by_scene, finders)),
            ),
            report.section(
                "Cost",
                "Seconds on one core for one photograph (0.3 megapixels are 640 x 480), the fastest of "
                f"{TIMES} up to 6 megapixels; the most megabytes that a process held which read and searched the file.",
                table(["megapixels", "faces", *(f"{name}: s, MB" for name in finders)], costs),
            ),
        ],
        [f"Seed: {SEED}; at most {options.limit} portraits of a source"],
        ["python", *sys.argv],
    )
    print(f"report: {options.report}")
    return 0


def _portraits(tables: Sequence[Path], limit: int) -> Iterator[tuple[tuple[str, str], list[Path]]]:
    """Yield the photographs of each source and label, drawn anew with the same seed."""
    for path in tables:
        by: dict[tuple[str, str], list[Path]] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                by.setdefault((row["source"], row.get("label", "real")), []).append(path.parent / row["path"])
        for name, files in sorted(by.items()):
            yield name, random.Random(SEED).sample(files, min(limit, len(files)))


def _find(name: str, rgb: Image, yunet: Path | None) -> Found:
    """The faces that a finder is sure of."""
    if name != "yunet":
        found = [face for face in faces.find(rgb, name, thorough=True) if not face.doubtful]
        centres = np.array([face.landmarks.mean(0) for face in found])
        return centres.reshape(-1, 2), np.array([face.side_px for face in found])
    net = _yunet(str(yunet))
    net.setInputSize(rgb.shape[1::-1])
    boxes = net.detect(np.ascontiguousarray(rgb[:, :, ::-1]))[1]
    boxes = np.zeros((0, 15)) if boxes is None else boxes
    return boxes[:, :2] + boxes[:, 2:4] / 2, boxes[:, 3] * 0.85


@lru_cache(maxsize=1)
def _yunet(path: str) -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(path, "", (320, 320), 0.6)


def _judge(finders: Sequence[str], yunet: Path | None, path: Path) -> dict[str, bool]:
    cv2.setNumThreads(1)
    rgb = image.read(path)
    return {name: len(_find(name, rgb, yunet)[0]) > 0 for name in finders}


def _judge_scene(
    finders: Sequence[str], yunet: Path | None, heads: Sequence[Path], kind: str, number: int
) -> tuple[int, dict[str, tuple[int, int]]]:
    cv2.setNumThreads(1)
    made = SCENES[kind][1](np.random.default_rng([SEED, list(SCENES).index(kind), number]), _heads(tuple(heads)))
    return len(made.sides), {name: made.found(*_find(name, made.rgb, yunet)) for name in finders}


@lru_cache(maxsize=1)
def _heads(paths: tuple[Path, ...]) -> tuple[scenes.Portrait, ...]:
    read = [image.read(path) for path in paths]
    return tuple(scenes.Portrait(rgb, found[0].landmarks) for rgb in read if (found := faces.find(rgb)))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(640, 2400)), int(rng.integers(480, 1800))


def _scene(
    rng: np.random.Generator, heads: Sequence[scenes.Portrait], sides: tuple[float, float], **options: Any
) -> scenes.Scene:
    """Between one and a hundred faces, as many as fit, of sizes within a part of the range."""
    smallest = float(np.exp(rng.uniform(*np.log(sides))))
    largest = min(sides[1], smallest * 2)
    return scenes.scene(
        rng, heads, _size(rng), int(np.exp(rng.uniform(0, np.log(100)))), (smallest, largest), **options
    )


def _portrait_rows(
    by_source: Mapping[tuple[str, str], Sequence[Mapping[str, bool]]], finders: Sequence[str]
) -> Iterator[list[str]]:
    for (source, label), rows in by_source.items():
        shares = [wilson(sum(row[name] for row in rows), len(rows)) for name in finders]
        yield [f"{source}, {label}", str(len(rows)), *(f"{s.value:.3f} ({s.low:.3f}-{s.high:.3f})" for s in shares)]


def _scene_rows(
    by_scene: Mapping[str, Sequence[tuple[int, Mapping[str, tuple[int, int]]]]], finders: Sequence[str]
) -> Iterator[list[str]]:
    for kind, rows in by_scene.items():
        total = sum(count for count, _ in rows)
        cells = []
        for name in finders:
            hits, false = (sum(found[name][part] for _, found in rows) for part in (0, 1))
            share = wilson(hits, total) if total else None
            recall = "" if share is None else f"{share.value:.3f} ({share.low:.3f}-{share.high:.3f}), "
            cells.append(f"{recall}{false / len(rows):.3f}")
        yield [kind, str(len(rows)), str(total), *cells]


def _costs(finders: Sequence[str], yunet: Path | None) -> Iterator[list[str]]:
    """Each in a process of its own, which reads the photograph from a file as any scan does."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="facewitness-finders-") as scratch:
        for megapixels, count in TIMED:
            path, cells = Path(scratch) / f"{megapixels:g}-{count}.jpg", []
            with ProcessPoolExecutor(1, mp_context=spawn) as alone:
                alone.submit(_photograph, path, megapixels, count).result()
            for name in finders:
                with ProcessPoolExecutor(1, mp_context=spawn) as alone:
                    seconds, megabytes = alone.submit(_cost, name, yunet, path).result()
                cells.append(f"{seconds:.3f}, {megabytes:.0f}")
            yield [f"{megapixels:g}", str(count), *cells]


def _photograph(path: Path, megapixels: float, count: int) -> None:
    """Write a scene of faces of a fourteenth of its width, or of one that fills a third of it."""
    width = int(np.sqrt(megapixels * 1e6 * 4 / 3))
    size, side = (width, width * 3 // 4), width / (14 if count > 1 else 3)
    made = scenes.scene(np.random.default_rng(SEED), scenes.astronauts(), size, count, (0.7 * side, side))
    path.write_bytes(image.encode(made.rgb, "jpeg:90"))


def _cost(name: str, yunet: Path | None, path: Path) -> tuple[float, float]:
    cv2.setNumThreads(1)
    rgb = image.read(path)
    taken = []
    for _ in range(TIMES if rgb.size < 2e7 else 1):
        began = time.process_time()  # not the clock's: other programs may run beside this one
        _find(name, rgb, yunet)
        taken.append(time.process_time() - began)
    return min(taken), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
