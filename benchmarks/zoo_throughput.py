"""How much faster each detector of the zoo is in our runtime than the same network in plain eager PyTorch.

In one run, with the same threads, weights and crops: the exported folder on onnxruntime, as a scan runs it, against
the same graph called eagerly in torch (evaluation mode, no gradients). They take turns; of each the fastest batch
counts. Ends with 1 if one detector is slower in our runtime, or the median is less than 1.5 times as fast.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

import torch

from forgesight.detectors import speed, zoo
from forgesight.detectors.export import export
from forgesight.detectors.graph import Graph
from forgesight.detectors.torch_backend import TorchDetector
from forgesight.records import versions

EACH, MEDIAN = 1.0, 1.5
TURNS = 3


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the zoo; all if left out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions(("torch", "onnxruntime", "timm")).items()))
    print(f"{speed.CROPS} crops at once, the fastest batch of {TURNS} turns of {options.seconds:g} s each")
    print(f"{'detector':20}{'px':>5}{'eager crops/s':>15}{'ours crops/s':>14}{'ratio':>8}", flush=True)
    ratios = {}
    for name in options.names or zoo.ARCHITECTURES:
        eager, ours = both(name, options.threads, options.seconds)
        speed.keep(name, ours)
        ratios[name] = ours / eager
        size = zoo.card(name).crop.size_px
        print(f"{name:20}{size:5}{eager:15.1f}{ours:14.1f}{ratios[name]:8.2f}", flush=True)
    middle, lowest = statistics.median(ratios.values()), min(ratios.values())
    print(f"median {middle:.2f} (at least {MEDIAN} wanted), lowest {lowest:.2f} (at least {EACH} wanted)")
    return 0 if middle >= MEDIAN and lowest >= EACH else 1


def both(name: str, threads: int, seconds: float) -> tuple[float, float]:
    """Crops per second in eager torch and in our runtime."""
    torch.manual_seed(0)
    card = zoo.card(name)
    graph = Graph(card).eval()
    with tempfile.TemporaryDirectory(prefix="forgesight-bench-") as scratch:
        ours = zoo.load(export(card, graph, Path(scratch) / name), threads)
        eager = TorchDetector(card, graph)
        found = [(speed.rate(eager, seconds), speed.rate(ours, seconds)) for _ in range(TURNS)]
    return max(a for a, _ in found), max(b for _, b in found)


if __name__ == "__main__":
    sys.exit(main())
