"""What a map at full resolution costs: FakeLocator against the shipped detector's architecture, per photograph.

In one run, on the same photographs, one after another and in turns: ``facewitness.scan`` from the file to score and map
at the photograph's resolution, both networks exported to ONNX. Faces are found anew each time, as in any scan; beside
it stands what the network alone takes for a crop. Weights do not matter to time: fresh ones are taken unless folders
are given. Reports a ratio; nothing is demanded of it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import facewitness
from facewitness.detectors.base import Detector
from facewitness.provenance import versions
from facewitness.types import Report, Status

NAMES = ("fakelocator-mobilenet", "effnet-map")


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="two exported detectors")
    parser.add_argument("--photographs", type=int, default=60, metavar="N", help="how many are made")
    options = parser.parse_args()
    if len(options.folders) not in (0, 2):
        parser.error("give two folders or none")
    with tempfile.TemporaryDirectory(prefix="facewitness-bench-") as scratch:
        folders = options.folders or [fresh(name, Path(scratch)) for name in NAMES]
        return compare(
            [facewitness.load(folder) for folder in folders], photographs(Path(scratch), options.photographs)
        )


def compare(detectors: list[Detector], files: list[Path]) -> int:
    """Time them in turns and print."""
    for detector in detectors:
        facewitness.scan(files[0], detector)  # the first plans memory
    whole: list[list[float]] = [[], []]
    alone: list[list[float]] = [[], []]
    found = 0
    for file in files:
        for number, detector in enumerate(detectors):
            began = time.perf_counter()
            report = facewitness.scan(file, detector)
            whole[number].append(time.perf_counter() - began)
            found += _has_map(report)
            size = detector.card.crop.size_px
            crop = np.zeros((1, size, size, 3), np.uint8)
            began = time.perf_counter()
            detector(crop)
            alone[number].append(time.perf_counter() - began)
    if found < 2 * len(files):
        print(f"only {found} of {2 * len(files)} scans gave a map: nothing was measured", file=sys.stderr)
        return 1
    print(f"{len(files)} photographs, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions(("onnxruntime",)).items()))
    print(f"{'detector':32}{'px':>5}{'ms a photograph':>18}{'ms the net alone':>18}   (medians)")
    for detector, one, other in zip(detectors, whole, alone, strict=True):
        times = f"{statistics.median(one) * 1e3:18.1f}{statistics.median(other) * 1e3:18.1f}"
        print(f"{detector.card.name:32}{detector.card.crop.size_px:5}{times}")
    print(f"ratio {statistics.median(whole[0]) / statistics.median(whole[1]):.2f} a photograph")
    return 0


def _has_map(report: Report) -> bool:
    return report.status == Status.OK and any(finding.map is not None for finding in report.findings)


def fresh(name: str, scratch: Path) -> Path:
    """An export of an architecture with the weights it begins with."""
    from facewitness.detectors import zoo
    from facewitness.detectors.export import export
    from facewitness.detectors.graph import fresh as graph

    card = zoo.card(name)
    return export(card, graph(card), scratch / name)


def photographs(scratch: Path, count: int) -> list[Path]:
    """JPEGs of the astronaut of different sizes."""
    from scan_throughput import make  # type: ignore[import-not-found]  # beside this file

    return sorted(make(scratch / "photographs", count).glob("*.jpg"))


if __name__ == "__main__":
    sys.exit(main())
