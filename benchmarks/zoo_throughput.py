"""How much faster each detector of the zoo is in our runtime than the same network in plain eager PyTorch.

In one run, with the same threads, weights and crops: the exported folder on onnxruntime, as a scan runs it, against
the same graph called eagerly in torch (evaluation mode, no gradients). They take turns; of each the fastest round
counts. One crop at a time, as a photograph with one face comes, decides; eight at once are shown beside it. Ends with 1
if a detector is slower in our runtime, or the median is less than 1.5 times as fast.
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
BATCHES = (1, speed.CROPS)


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the zoo; all if left out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions(("torch", "onnxruntime", "timm")).items()))
    print(f"crops/s; the fastest round of {TURNS} turns of {options.seconds:g} s each")
    print(f"{'':25}{'one at a time':>24}{f'{BATCHES[1]} at once':>24}")
    print(f"{'detector':20}{'px':>5}" + f"{'eager':>8}{'ours':>8}{'ratio':>8}" * 2, flush=True)
    ratios: list[list[float]] = []
    for name in options.names or zoo.ARCHITECTURES:
        pairs = both(name, options.threads, options.seconds)
        speed.keep(name, pairs[1][1])
        ratios.append([ours / eager for eager, ours in pairs])
        cells = "".join(f"{eager:8.1f}{ours:8.1f}{ours / eager:8.2f}" for eager, ours in pairs)
        print(f"{name:20}{zoo.card(name).crop.size_px:5}{cells}", flush=True)
    single, together = zip(*ratios, strict=True)
    print(f"one at a time: median {statistics.median(single):.2f} ({MEDIAN} wanted), lowest {min(single):.2f} ({EACH})")
    print(f"{BATCHES[1]} at once: median {statistics.median(together):.2f}, lowest {min(together):.2f}")
    return 0 if statistics.median(single) >= MEDIAN and min(single) >= EACH else 1


def both(name: str, threads: int, seconds: float) -> list[tuple[float, float]]:
    """Crops per second in eager torch and in our runtime, for each batch."""
    torch.manual_seed(0)
    card = zoo.card(name)
    graph = Graph(card).eval()
    with tempfile.TemporaryDirectory(prefix="forgesight-bench-") as scratch:
        ours = zoo.load(export(card, graph, Path(scratch) / name), threads)
        eager = TorchDetector(card, graph)
        found = []
        for count in BATCHES:
            turns = [(speed.rate(eager, seconds, count), speed.rate(ours, seconds, count)) for _ in range(TURNS)]
            found.append((max(a for a, _ in turns), max(b for _, b in turns)))
    return found


if __name__ == "__main__":
    sys.exit(main())
