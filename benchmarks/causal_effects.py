"""How much faster the causal effects of all neurons are in closed form than by running the rest of the net for each.

ShallowNet v3 as the generalizability study analyses it: 1,024 neurons behind the first dense layer, 4 values, 1,920
crops of each of 5 sets. In one run, with the same threads and activations: ours over everything, and over a slice of
the neurons the remainder of the network (norm, dropout, dense layer) run once for each neuron, value and batch of 64,
as published. The slice's time is scaled to all neurons. Activations are drawn, since time does not depend on them.
Ends with 1 if ours is less than 100 times as fast, or ranks the slice otherwise.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time

import numpy as np
import torch

from facewitness.detectors import zoo
from facewitness.detectors.graph import fresh
from facewitness.explain.neurons import Read, effects, spread
from facewitness.provenance import versions
from facewitness.types import CropProfile

FASTER = 100
BATCH = 64


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--crops", type=int, default=1920, help="of each set")
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--slice", type=int, default=8, metavar="NEURONS", help="held by running the remainder")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    card = zoo.resized(zoo.card("shallownet-v3"), CropProfile(size_px=64, margin=0.3))
    net = fresh(card).net
    norm, dropout, classify = (net.get_submodule(name) for name in ("hidden.1", "dropout", "classify"))
    matrix, offset = classify.get_parameter("weight").detach(), classify.get_parameter("bias").detach()
    total = matrix.shape[1]
    sets = [torch.relu(torch.randn(options.crops, total)) for _ in range(options.sets)]
    print(f"{options.threads} threads, {platform.processor() or platform.machine()}, {platform.platform()}")
    print(", ".join(f"{name} {version}" for name, version in versions(("torch", "numpy")).items()))
    print(f"{total} neurons, 4 values, {options.crops} crops of each of {options.sets} sets")

    def rest(hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = classify(dropout(norm(hidden)))
        return torch.sigmoid(logits[:, 1] - logits[:, 0])

    began = time.perf_counter()
    ours = []
    with torch.inference_mode():
        weight, bias = matrix[1] - matrix[0], offset[1] - offset[0]
        for activations in sets:
            read = Read(norm(activations).numpy(), weight.numpy(), float(bias))
            ours.append(effects(read, spread([read])))
    closed = time.perf_counter() - began

    chosen = np.random.default_rng(0).permutation(total)[: options.slice]
    same = True
    began = time.perf_counter()
    with torch.inference_mode():
        for activations, found in zip(sets, ours, strict=True):
            low, high = activations.amin(0), activations.amax(0)
            expected = np.empty((len(chosen), 4))
            for row, neuron in enumerate(chosen):
                for column, value in enumerate(torch.linspace(float(low[neuron]), float(high[neuron]), 4)):
                    parts = []
                    for batch in activations.split(BATCH):
                        held = batch.clone()
                        held[:, neuron] = value
                        parts.append(rest(held))
                    expected[row, column] = float(torch.cat(parts).double().mean())
            slow = np.abs(expected - expected.mean(1, keepdims=True)).max(1)
            same &= bool((np.argsort(-slow) == np.argsort(-found.score()[chosen])).all())
    running = (time.perf_counter() - began) * total / len(chosen)
    print(f"closed form {closed:10.2f} s for all")
    print(f"by running  {running:10.2f} s for all, from {len(chosen)} neurons")
    print(
        f"{running / closed:.0f} times as fast ({FASTER} wanted); same ranking of the slice: {'yes' if same else 'no'}"
    )
    return 0 if running >= FASTER * closed and same else 1


if __name__ == "__main__":
    sys.exit(main())
