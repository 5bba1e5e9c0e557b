"""The supernet: ADD's network with all slots open, and the architecture parameters that weigh what stands in them."""

import timeit
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.add import Heads, Stack
from facewitness.detectors.nets.cells import OPERATIONS, Block, Genotype, Pair
from facewitness.detectors.nets.residual_input import InputFilter
from facewitness.detectors.output import NetOutput
from facewitness.training.search.recipe import SearchSection
from facewitness.types import FacewitnessError

_START = 1e-3  # of the normal distribution alpha is drawn from


class Supernet(nn.Module):
    """(N, 3, S, S) -> NetOutput, as ``Add``. ``alphas`` are (edges, operations), of normal and reduction cells."""

    def __init__(self, section: SearchSection) -> None:
        super().__init__()
        self.section = section
        names = tuple(section.operations)
        self.input_filter = InputFilter(section.input)
        options: dict[str, Any] = {"names": names, "blocks": section.blocks, "inputs": self.input_filter.channels}
        self.stack = Stack(section.channels, section.normal, None, **options)
        self.norm = nn.BatchNorm2d(self.stack.width, affine=False)
        self.heads = Heads(self.stack.width, section.region)
        edges = sum(number + 2 for number in range(section.blocks))
        self.alphas = nn.ParameterList(nn.Parameter(_START * torch.randn(edges, len(names))) for _ in range(2))
        self.temperature = section.first_temperature

    def forward(self, x: Tensor) -> NetOutput:
        """One pass. In evaluation, and with the sampler "softmax", all operations take part."""
        normal, reduction = (self.weights(alpha) for alpha in self.alphas)
        logits, features, region = self.heads(
            torch.relu(self.norm(self.stack(self.input_filter(x), (normal, reduction))))
        )
        if region is not None:
            region = F.interpolate(region, x.shape[-2:], mode="bilinear", align_corners=False)
        return NetOutput(logits, features, region)

    def weights(self, alpha: Tensor) -> Tensor:
        """How much each operation of each edge counts: softmax (eq. 2), or one operation an edge by Gumbel (GDAS).

        A drawn weight is 1 or 0, and its gradient that of the softmax with noise at the temperature.
        """
        if self.section.sampler == "softmax":
            return torch.softmax(alpha, 1)
        if not self.training:
            return F.one_hot(alpha.argmax(1), alpha.shape[1]).to(alpha.dtype)
        return drawn(alpha, self.temperature)

    def operations(self) -> list[nn.Parameter]:
        """What a training of weights changes: everything but alpha."""
        own = {id(alpha) for alpha in self.alphas}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def genotype(self) -> Genotype:
        """The cells that alpha stands for now."""
        normal, reduction = (derive(alpha.detach(), self.section.operations) for alpha in self.alphas)
        return Genotype(normal, reduction)

    def latency(self, costs: Tensor) -> Tensor:
        """The expected cost of an edge, between 0 and 1 for ``costs`` (operations,) that are at most 1."""
        return torch.stack([(torch.softmax(alpha, 1) @ costs).mean() for alpha in self.alphas]).mean()


def drawn(alpha: Tensor, temperature: float) -> Tensor:
    """One operation for each edge, (edges, operations), 0 for all others, with a straight-through gradient.

    Drawn again where noise or softmax leave the finite numbers, as they do about once in a million draws.
    """
    if not bool(torch.isfinite(alpha).all()):
        raise FacewitnessError("the search has left the finite numbers: lower search.rate or optim.rate")
    while True:
        weights = F.gumbel_softmax(torch.log_softmax(alpha, 1), temperature, hard=True)
        if bool(torch.isfinite(weights).all()):
            return weights


def derive(alpha: Tensor, names: Sequence[str]) -> tuple[Block, ...]:
    """For each block the two different (input, operation) pairs with the largest weights; "zero" is never one."""
    weights: list[list[float]] = torch.softmax(alpha, 1).tolist()
    blocks: list[Block] = []
    while weights:
        inputs = len(blocks) + 2
        found: list[tuple[float, Pair]] = [
            (weight, (source, name))
            for source, row in enumerate(weights[:inputs])
            for weight, name in zip(row, names, strict=True)
            if name != "zero"
        ]
        (_, one), (_, other) = sorted(found, key=lambda pair: -pair[0])[:2]
        blocks.append((one, other))
        del weights[:inputs]
    return tuple(blocks)


def measured_costs(names: Sequence[str], channels: int, side: int = 32) -> Tensor:
    """How long each operation takes here on (1, channels, side, side), as a share of the slowest, (operations,)."""
    x = torch.rand(1, channels, side, side)
    seconds = []
    with torch.no_grad():
        for name in names:
            operation = OPERATIONS[name](channels, 1, False).eval()
            operation(x)
            seconds.append(min(timeit.repeat(partial(operation, x), number=1, repeat=5)))
    return torch.tensor(seconds) / max(seconds)
