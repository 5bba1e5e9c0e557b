"""What a step of ADD's search costs: all operations at once (softmax) against one drawn for each edge (Gumbel).

In one run, with the same threads, batch, size and channels, each sampler in a process of its own, so that its peak of
memory is its own: seconds of a whole step (weights, then alpha) and how much memory it takes above what the process had
before its first step. Ends with 1 if Gumbel needs more than half the time or a quarter of the memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time

from facewitness.provenance import versions

TIME, MEMORY = 0.5, 0.25
SAMPLERS = ("softmax", "gumbel")


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--steps", type=int, default=5, help="after one that is not counted; the fastest counts")
    parser.add_argument("--size", type=int, default=256, metavar="PX")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--sampler", choices=SAMPLERS, help="of the process that measures one of them")
    options = parser.parse_args()
    if options.sampler:
        print(json.dumps(_measured(options)))
        return 0
    print(f"{options.threads} threads, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions(("torch",)).items()))
    print(
        f"{options.batch} crops of {options.size} px, {options.channels} channels; the fastest of {options.steps} steps"
    )
    found = {}
    for sampler in SAMPLERS:
        ran = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--sampler", sampler], check=True, capture_output=True, text=True
        )
        found[sampler] = json.loads(ran.stdout.splitlines()[-1])
        print(f"{sampler:10}{found[sampler]['seconds']:8.2f} s a step{found[sampler]['mib']:9.0f} MiB")
    ratios = {part: found["gumbel"][part] / found["softmax"][part] for part in ("seconds", "mib")}
    print(f"gumbel / softmax: time {ratios['seconds']:.2f} (at most {TIME}), memory {ratios['mib']:.2f} ({MEMORY})")
    return 0 if ratios["seconds"] <= TIME and ratios["mib"] <= MEMORY else 1


def _measured(options: argparse.Namespace) -> dict[str, float]:
    import torch
    from torch import Tensor
    from torch.nn import functional as F

    from facewitness.training.search.recipe import SearchSection
    from facewitness.training.search.run import step
    from facewitness.training.search.supernet import Supernet

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = Supernet(SearchSection(sampler=options.sampler, channels=options.channels))
    weights = torch.optim.SGD(net.operations(), 0.1, 0.9)
    alpha = torch.optim.Adam(net.alphas, 0.02)
    x = torch.rand(options.batch, 3, options.size, options.size)
    labels = torch.arange(options.batch) % 2

    def loss() -> Tensor:
        return F.cross_entropy(net(x).logits, labels)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = []
    for _ in range(options.steps + 1):
        began = time.perf_counter()
        step(net, weights, loss, net.operations())
        step(net, alpha, loss, list(net.alphas))
        took.append(time.perf_counter() - began)
    return {"seconds": min(took[1:]), "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


if __name__ == "__main__":
    sys.exit(main())
