"""How much faster each detector of the zoo is in our runtime than the same network in plain eager PyTorch.

In one run, with the same threads, weights and crops: the exported folder on onnxruntime, as a scan runs it, against
the same graph called eagerly in torch (evaluation mode, no gradients). Each has a process of its own, so that neither's
memory and threads are in the other's way; they take turns, spread over some seconds since a neighbour on the host may
slow any of them by half, and of each the fastest round counts. One crop at a time, as a photograph with one face comes,
decides; eight at once are shown beside it. Ends with 1 if a detector is slower in our runtime, or the median is less
than 1.5 times as fast.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from facewitness.detectors import throughput, zoo
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.detectors.base import Detector
from facewitness.provenance import versions

EACH, MEDIAN = 1.0, 1.5
TURNS = 6
BATCHES = (1, throughput.CROPS)
SPAWN = multiprocessing.get_context("spawn")


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the zoo; all if left out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn")
    options = parser.parse_args()
    print(f"{options.threads} threads, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions(("torch", "onnxruntime", "timm")).items()))
    print(f"crops/s; the fastest round of {TURNS} turns of {options.seconds:g} s each")
    print(f"{'':25}{'one at a time':>24}{f'{BATCHES[1]} at once':>24}")
    print(f"{'detector':20}{'px':>5}" + f"{'eager':>8}{'ours':>8}{'ratio':>8}" * 2, flush=True)
    ratios: list[list[float]] = []
    for name in options.names or ARCHITECTURES:
        pairs = both(name, options.threads, options.seconds)
        throughput.keep(name, pairs[1][1])
        ratios.append([ours / eager for eager, ours in pairs])
        cells = "".join(f"{eager:8.1f}{ours:8.1f}{ours / eager:8.2f}" for eager, ours in pairs)
        print(f"{name:20}{zoo.card(name).crop.size_px:5}{cells}", flush=True)
    single, together = zip(*ratios, strict=True)
    print(f"one at a time: median {statistics.median(single):.2f} ({MEDIAN} wanted), lowest {min(single):.2f} ({EACH})")
    print(f"{BATCHES[1]} at once: median {statistics.median(together):.2f}, lowest {min(together):.2f}")
    return 0 if statistics.median(single) >= MEDIAN and min(single) >= EACH else 1


def both(name: str, threads: int, seconds: float) -> list[tuple[float, float]]:
    """Crops per second in eager torch and in our runtime, for each batch."""
    with tempfile.TemporaryDirectory(prefix="facewitness-bench-") as scratch:
        where = (name, Path(scratch), threads, seconds)
        with measuring(eagerly, *where) as eager, measuring(exported, *where) as ours:
            turns = [[(eager(count), ours(count)) for count in BATCHES] for _ in range(TURNS)]
            return [(max(a for a, _ in own), max(b for _, b in own)) for own in zip(*turns, strict=True)]


@contextmanager
def measuring(opened: Callable[[str, Path, int], Detector], *where: Any) -> Iterator[Callable[[int], float]]:
    """A process with one detector in it, that answers how many crops per second it judges, so many at once."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_answer, args=(there, opened, *where), daemon=True)
    process.start()
    there.close()
    here.recv()  # it is open

    def rate(count: int) -> float:
        here.send(count)
        return float(here.recv())

    try:
        yield rate
    finally:
        here.close()
        process.join()


def _answer(
    asked: Connection,
    opened: Callable[[str, Path, int], Detector],
    name: str,
    scratch: Path,
    threads: int,
    seconds: float,
) -> None:
    detector = opened(name, scratch, threads)
    asked.send(None)
    with suppress(EOFError):
        while True:
            asked.send(throughput.rate(detector, seconds, asked.recv()))


def eagerly(name: str, scratch: Path, threads: int) -> Detector:
    """The architecture in torch, and an export of it in ``scratch``."""
    import torch

    from facewitness.detectors.export import export
    from facewitness.detectors.graph import fresh
    from facewitness.detectors.torch_backend import TorchDetector

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    card = zoo.card(name)
    graph = fresh(card)
    export(card, graph, scratch / name)
    return TorchDetector(card, graph)


def exported(name: str, scratch: Path, threads: int) -> Detector:
    """That export in our runtime."""
    return zoo.load(scratch / name, threads)


if __name__ == "__main__":
    sys.exit(main())
