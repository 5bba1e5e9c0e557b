"""How near a folder scan comes to the time its two heavy parts need: finding faces and running the detector.

In one run, on the same photographs and the same cores:

* bound: each photograph is decoded beforehand; ``faces.find`` alone is timed on one core, photograph by photograph, as
  the scan does it, and raw onnxruntime alone on the crops of all of them, with one thread. Were both parts spread over
  the cores with nothing lost and nothing else to do, a scan would take ``(t_find + t_inference) / cores``.
* scan: ``scan_paths`` on the folder as it is: hashing, decoding, finding, cropping, inference, maps, pictures, the
  store, ``results.jsonl`` and the report, with the reader processes' start.

Ends with 1 if the scan reaches less than 60 % of the bound. Needs a detector that runs on onnxruntime.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from facewitness.detectors import zoo
from facewitness.detectors.base import ONNX_FILE
from facewitness.media import faces, image
from facewitness.runtime import BATCH
from facewitness.scanning.files import collect
from facewitness.scanning.image import versions
from facewitness.scanning.pipeline import scan_paths
from facewitness.types import Image, Status

BAR = 0.6
PHOTOGRAPHS = 400


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="photographs; astronauts are made if left out")
    parser.add_argument("--photographs", type=int, default=PHOTOGRAPHS, metavar="N", help="how many are made")
    parser.add_argument("--detector", default="default", metavar="NAME|FOLDER")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="facewitness-bench-"))
    try:
        folder = options.folder or make(scratch / "photographs", options.photographs)
        return compare(folder, options.detector, scratch)
    finally:
        shutil.rmtree(scratch)


def compare(folder: Path, detector: str, scratch: Path) -> int:
    """The bound, the scan, and whether the one is near enough to the other."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    paths = [file.path for file in collect([folder]).files]
    print(f"{len(paths)} files of {folder}")
    print(f"{cores} cores, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    find_s, inference_s, crops = bound(paths, detector)
    bound_s = (find_s + inference_s) / cores
    summary = scan_paths([folder], scratch / "scan", detector)
    if summary.statuses.get(Status.OK.value, 0) == 0:
        print("no face was scored: nothing was measured", file=sys.stderr)
        return 1
    ratio = bound_s / summary.time_s
    count = len(paths)
    print(f"face finding     {find_s:7.2f} s on one core   {count / find_s:7.1f} photographs/s")
    print(f"raw onnxruntime  {inference_s:7.2f} s on one core   {crops / inference_s:7.1f} crops/s, {crops} crops")
    print(f"bound            {bound_s:7.2f} s on {cores} cores    {count / bound_s:7.1f} photographs/s")
    print(f"scan             {summary.time_s:7.2f} s on {cores} cores    {count / summary.time_s:7.1f} photographs/s")
    print(f"ratio            {ratio:7.2f}   (at least {BAR} wanted)")
    return 0 if ratio >= BAR else 1


def bound(paths: list[Path], detector: str) -> tuple[float, float, int]:
    """Seconds of face finding and of inference, each on one core, and the number of crops."""
    card = zoo.load(detector).card
    faces.load()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    find_s, crops = 0.0, list[Image]()
    for path in paths:
        rgb = image.read(path)
        began = time.perf_counter()
        found = faces.find(rgb, thorough=True)
        find_s += time.perf_counter() - began
        crops += [faces.crop(rgb, f.landmarks, card.crop)[0] for f in found if f.side_px >= card.crop.min_face_px]
    cv2.setNumThreads(threads)
    session = raw(detector)
    batches = [np.stack(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
    name = session.get_inputs()[0].name
    if batches:
        session.run(None, {name: batches[0]})  # the first run plans memory
    began = time.perf_counter()
    for batch in batches:
        session.run(None, {name: batch})
    return find_s, time.perf_counter() - began, len(crops)


def raw(detector: str) -> Any:
    """An onnxruntime session of one thread on the detector's file, without anything of ours around it."""
    folder = zoo.shipped_folder(detector) if detector in zoo.SHIPPED else Path(detector)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(folder / ONNX_FILE), settings, providers=["CPUExecutionProvider"])


def make(folder: Path, photographs: int) -> Path:
    """So many JPEGs of the astronaut, each of another size, cut and tilt, some with a patch that was painted over."""
    from skimage import data

    folder.mkdir(parents=True)
    portrait = np.asarray(data.astronaut(), np.uint8)
    rng = np.random.default_rng(0)
    for number in range(photographs):
        side = int(rng.integers(400, 1200))
        tilt: Any = cv2.getRotationMatrix2D((223.0, 130.0), float(rng.uniform(-12, 12)), side / 512)
        tilt[:, 2] = tilt[:, 2] + rng.uniform(0.3, 0.5, 2) * side - (223, 130)
        picture = np.asarray(cv2.warpAffine(portrait, tilt, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)
        if number % 2:
            x, y = (tilt @ (223.0, 150.0, 1.0)).round().astype(int)
            patch = picture[max(0, y - side // 40) : y + side // 40, max(0, x - side // 20) : x + side // 20]
            patch[:] = cv2.blur(patch, (9, 9))
        (folder / f"{number:05}.jpg").write_bytes(image.encode(picture, "jpeg:92"))
    return folder


if __name__ == "__main__":
    sys.exit(main())
