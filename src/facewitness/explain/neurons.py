"""Which neurons of a detector's verdict contribute, by intervention: the average causal effect of do(neuron = value).

After Chattopadhyay et al., ICML 2019, as the generalizability study applies it (definition 3): the expected output with
one neuron held at a value, less its mean over the values tried, the baseline. The neurons are those that the last layer
reads (``NetOutput.features``): behind the first dense layer, its activation and its norm in the networks of the study.
A norm behind a neuron moves the values that are tried with it, so that holding either comes to the same. Any other
layer's units are held by running the net (``effects_by_running``).
"""

from collections.abc import Sequence
from math import comb
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facewitness.detectors.graph import Graph
from facewitness.types import CardError

VALUES = 4  # tried for each neuron, evenly from its least to its greatest activation, as published
_CELLS_AT_ONCE = 100_000  # what a core keeps near
_FAR = 300.0  # of logits: beyond it a probability is 0 or 1, and twice as far an exponential still fits


class Read(NamedTuple):
    """What the last layer reads of some crops, and how it reads it: margin = features @ weight + bias."""

    features: NDArray[np.float32]  # (N, D)
    weight: NDArray[np.float32]  # (D,)
    bias: float


class Effects(NamedTuple):
    """Of D neurons and G values each."""

    values: NDArray[np.float64]  # (D, G)
    expected: NDArray[np.float64]  # (D, G) the mean output with the neuron held at the value
    effect: NDArray[np.float64]  # (D, G) less the mean over the values

    def score(self, kind: Literal["effect", "range"] = "effect") -> NDArray[np.float64]:
        """(D,) how much each contributes: the greatest effect either way, or the published greatest less least."""
        if kind == "range":
            return np.asarray(np.ptp(self.expected, axis=1))
        return np.asarray(np.abs(self.effect).max(axis=1))

    def top(self, count: int, kind: Literal["effect", "range"] = "effect") -> NDArray[np.int64]:
        """The ``count`` neurons that contribute most, most first; ties go to the lower number."""
        return np.asarray(np.argsort(-self.score(kind), kind="stable")[:count], np.int64)


@torch.inference_mode()
def read(graph: Graph, crops: NDArray[np.uint8], batch: int = 64) -> Read:
    """What the last layer of a detector reads of crops (N, S, S, 3) uint8 RGB.

    Raises:
        CardError: the verdict is not one dense layer over the net's features, so that its neurons cannot be told apart.
    """
    graph.eval()
    parts = [graph.raw(part.permute(0, 3, 1, 2)) for part in torch.from_numpy(crops).split(batch)]
    features = torch.cat([part.features.float() for part in parts])
    logits = torch.cat([part.logits.float() for part in parts])
    margin = logits[:, 1] - logits[:, 0]
    for weight, bias in _candidates(graph.net, features.shape[1]):
        said = features @ weight + bias
        if torch.allclose(said, margin, rtol=1e-3, atol=1e-3):
            return Read(features.numpy(), weight.numpy(), float(bias))
    raise CardError(
        f"{type(graph.net).__name__}: its verdict is not a dense layer over its {features.shape[1]} features; "
        "the causal analysis is for detectors with one (meso4, shallownet, suppressnet, xception and the like)"
    )


def spread(sets: list[Read], values: int = VALUES) -> NDArray[np.float64]:
    """The values tried for each neuron, (D, G): evenly from its least to its greatest activation over all sets."""
    low = np.min([one.features.min(0) for one in sets], axis=0).astype(np.float64)
    high = np.max([one.features.max(0) for one in sets], axis=0).astype(np.float64)
    return np.asarray(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, values))


def effects(
    given: Read, values: NDArray[np.float64], output: Literal["probability", "margin"] = "probability"
) -> Effects:
    """The average causal effect of every neuron at every value (D, G) on P(fake), or on the margin of the logits.

    Holding a neuron changes the margin by its weight times the change; so no network is run.
    """
    weight = given.weight.astype(np.float64)
    features = np.ascontiguousarray(given.features.T, np.float64)
    margin = weight @ features + given.bias
    held = weight[:, None] * values  # what a held neuron adds
    total, count = features.shape
    expected = np.empty(values.shape)
    step = max(1, _CELLS_AT_ONCE // count)
    for start in range(0, total, step):
        part = slice(start, start + step)
        rest = margin - features[part] * weight[part, None]  # (d, N) without the neuron
        if output == "margin":
            expected[part] = rest.mean(1, keepdims=True) + held[part]
            continue
        odds = np.exp(-np.clip(rest, -_FAR, _FAR))
        for column in range(values.shape[1]):  # 1 / (1 + exp(-rest - held)), one exponential for all values
            said = odds * np.exp(-np.clip(held[part, column], -_FAR, _FAR))[:, None]
            said += 1
            expected[part, column] = np.reciprocal(said, out=said).mean(1)
    return Effects(values, expected, expected - expected.mean(1, keepdims=True))


@torch.inference_mode()
def activations(graph: Graph, crops: NDArray[np.uint8], layer: str) -> NDArray[np.float32]:
    """(N, D) what the units of any layer say of crops: of a convolution's channels the mean over their places.

    Raises:
        CardError: the net has no such layer.
    """
    kept: list[Tensor] = []
    handle = graph.layer(layer).register_forward_hook(lambda _, __, said: kept.append(said))
    try:
        graph.eval()(torch.from_numpy(crops))
    finally:
        handle.remove()
    said = kept[0].float()
    return np.asarray((said.flatten(2).mean(2) if said.ndim > 2 else said).numpy(), np.float32)


@torch.inference_mode()
def effects_by_running(
    graph: Graph, crops: NDArray[np.uint8], layer: str, values: NDArray[np.float64], units: Sequence[int] | None = None
) -> Effects:
    """``effects`` on P(fake) of the units of any layer, ``values`` (D, G): the net is run once for each unit and value.

    A convolution's channel is held at the value in all places. Slow: for a layer that the verdict does not read
    directly. ``units`` are some of the D; the rows of the answer are theirs.

    Raises:
        CardError: the net has no such layer.
    """
    graph.eval()
    given = torch.from_numpy(crops)
    chosen = range(len(values)) if units is None else units
    expected = np.empty((len(chosen), values.shape[1]))
    held: tuple[int, float] = (0, 0.0)

    def hold(_: nn.Module, __: tuple[Tensor, ...], said: Tensor) -> Tensor:
        said = said.clone()
        said[:, held[0]] = held[1]
        return said

    handle = graph.layer(layer).register_forward_hook(hold)
    try:
        for row, unit in enumerate(chosen):
            for column in range(values.shape[1]):
                held = (int(unit), float(values[unit, column]))
                expected[row, column] = float(graph(given)[0].double().mean())
    finally:
        handle.remove()
    return Effects(values[list(chosen)], expected, expected - expected.mean(1, keepdims=True))


def overlap(tops: list[NDArray[np.int64]], total: int) -> list[int]:
    """How many of ``total`` neurons are among the top of exactly 0, 1, ... of the sets."""
    hits = np.zeros(total, np.int64)
    for top in tops:
        hits[top] += 1
    return [int((hits == number).sum()) for number in range(len(tops) + 1)]


def by_chance(count: int, total: int, sets: int) -> list[float]:
    """What ``overlap`` would be expected to be, if each set drew its ``count`` of ``total`` neurons at random."""
    share = count / total
    return [total * comb(sets, k) * share**k * (1 - share) ** (sets - k) for k in range(sets + 1)]


def _candidates(net: nn.Module, width: int) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of the margin for every dense layer over so many features, the last one first."""
    found = []
    for layer in reversed([m for m in net.modules() if isinstance(m, nn.Linear) and m.in_features == width]):
        weight = layer.weight.float()
        bias = layer.bias.float() if layer.bias is not None else torch.zeros(len(weight))
        if len(weight) == 2:
            found += [(weight[1] - weight[0], bias[1] - bias[0]), (weight[0] - weight[1], bias[0] - bias[1])]
        elif len(weight) == 1:
            found += [(weight[0], bias[0]), (-weight[0], -bias[0])]
    return found
