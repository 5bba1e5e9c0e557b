"""Searched cells: eleven operations, genotypes as data, and one class that is a cell with its slots open or filled.

ADD's search space (arXiv 2106.10705, section III-B) in the manner of DARTS and GDAS: a
cell has two inputs, the outputs of the two cells before it, and four blocks; a block sums two (input, operation) pairs
(eq. 1); the cell's output is its blocks side by side. While searching, every edge is a mixture of all operations.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facewitness.types import RecipeError

BLOCKS = 4
Pair = tuple[int, str]  # which input (0 and 1: the two cells before; then the blocks), and the operation
Block = tuple[Pair, Pair]


class ReluConvNorm(nn.Sequential):
    """ReLU, convolution, batch norm."""

    def __init__(self, before: int, after: int, size: int, stride: int, affine: bool = True) -> None:
        convolution = nn.Conv2d(before, after, size, stride, size // 2, bias=not affine)
        super().__init__(nn.ReLU(), convolution, nn.BatchNorm2d(after, affine=affine))


class Separable(nn.Sequential):
    """``times`` x (ReLU, depthwise, pointwise, batch norm); the first has the stride."""

    def __init__(self, channels: int, size: int, stride: int, dilation: int, times: int, affine: bool) -> None:
        layers: list[nn.Module] = []
        for number in range(times):
            step = stride if number == 0 else 1
            reach = dilation * (size // 2)
            depthwise = nn.Conv2d(channels, channels, size, step, reach, dilation=dilation, groups=channels, bias=False)
            pointwise = nn.Conv2d(channels, channels, 1, bias=not affine)
            layers += [nn.ReLU(), depthwise, pointwise, nn.BatchNorm2d(channels, affine=affine)]
        super().__init__(*layers)


class Halved(nn.Module):
    """Factorised reduction: two 1 x 1 convolutions of stride 2, the second one pixel aside; batch norm.

    The stride is taken before the convolution: the backward pass of a strided 1 x 1 convolution of less than 8
    channels in the layout channels_last writes beyond its memory (torch 2.14 on CPUs without AVX-512).
    """

    def __init__(self, before: int, after: int, affine: bool = True) -> None:
        super().__init__()
        half = after // 2
        self.one = nn.Conv2d(before, half, 1, bias=not affine)
        self.other = nn.Conv2d(before, after - half, 1, bias=not affine)
        self.norm = nn.BatchNorm2d(after, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / 2, W / 2), rounded up."""
        x = torch.relu(x)
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[..., 1:, 1:]
        halves = [self.one(x[..., ::2, ::2]), self.other(shifted[..., ::2, ::2])]
        norm: Tensor = self.norm(torch.cat(halves, dim=1))
        return norm


class Zero(nn.Module):
    """Nothing, at the size that the stride leaves."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Zeros."""
        return x[..., :: self.stride, :: self.stride] * 0


def _pool(kind: type[nn.Module], **options: Any) -> Callable[[int, int, bool], nn.Module]:
    return lambda channels, stride, affine: kind(3, stride, 1, **options)


def _convolution(size: int) -> Callable[[int, int, bool], nn.Module]:
    return lambda channels, stride, affine: ReluConvNorm(channels, channels, size, stride, affine)


def _separable(size: int, dilation: int, times: int) -> Callable[[int, int, bool], nn.Module]:
    return lambda channels, stride, affine: Separable(channels, size, stride, dilation, times, affine)


def _identity(channels: int, stride: int, affine: bool) -> nn.Module:
    return nn.Identity() if stride == 1 else Halved(channels, channels, affine)


OPERATIONS: Mapping[str, Callable[[int, int, bool], nn.Module]] = MappingProxyType(
    {
        "zero": lambda channels, stride, affine: Zero(stride),
        "identity": _identity,
        "average-3": _pool(nn.AvgPool2d, count_include_pad=False),
        "max-3": _pool(nn.MaxPool2d),
        "conv-3": _convolution(3),
        "conv-5": _convolution(5),
        "conv-7": _convolution(7),
        "separable-3": _separable(3, 1, 2),
        "separable-5": _separable(5, 1, 2),
        "dilated-3": _separable(3, 2, 1),
        "dilated-5": _separable(5, 2, 1),
    }
)
"""ADD's eleven, as (channels, stride, affine) -> module."""


@dataclass(frozen=True, slots=True)
class Genotype:
    """Two cells as data: for each block two distinct (input, operation) pairs."""

    normal: tuple[Block, ...]
    reduction: tuple[Block, ...]

    def __post_init__(self) -> None:
        for name, blocks in (("normal", self.normal), ("reduction", self.reduction)):
            if not blocks:
                raise RecipeError(f"genotype: its {name} cell has no block")
            for number, block in enumerate(blocks):
                if len(block) != 2:
                    raise RecipeError(
                        f"genotype: block {number} of the {name} cell has {len(block)} pairs; a block has 2"
                    )
                for source, operation in block:
                    if operation not in OPERATIONS:
                        known = ", ".join(OPERATIONS)
                        raise RecipeError(
                            f"genotype: no operation {operation!r} in the space of ADD, which has {known}; "
                            "was it searched in another space?"
                        )
                    if not 0 <= source < number + 2:
                        raise RecipeError(
                            f"genotype: block {number} of the {name} cell reads input {source}; "
                            f"it may read 0 to {number + 1}"
                        )

    @classmethod
    def parse(cls, text: str) -> "Genotype":
        """One of ``PUBLISHED``, "random-SEED", or JSON as ``json`` writes it.

        Raises:
            RecipeError: it is neither, or does not fit the space.
        """
        if text in PUBLISHED:
            return PUBLISHED[text]
        if text.startswith("random-") and text.removeprefix("random-").isdigit():
            return cls.random(int(text.removeprefix("random-")))
        try:
            found = json.loads(text)
            cells = [
                tuple(tuple((int(source), str(op)) for source, op in block) for block in found[name])
                for name in ("normal", "reduction")
            ]
        except (ValueError, TypeError, KeyError) as error:
            raise RecipeError(
                f"a genotype is one of {', '.join(PUBLISHED)}, or JSON with the cells 'normal' and 'reduction', each a "
                f"list of blocks of two [input, operation] pairs; got {text[:80]!r} ({error})"
            ) from error
        return cls(*cells)  # type: ignore[arg-type]  # __post_init__ sees to it that blocks have two pairs

    @classmethod
    def random(cls, seed: int, blocks: int = BLOCKS) -> "Genotype":
        """Two cells drawn evenly from the space, without "zero": what a search has to beat."""
        rng = np.random.default_rng(seed)
        names = [name for name in OPERATIONS if name != "zero"]

        def cell() -> tuple[Block, ...]:
            found: list[Block] = []
            for number in range(blocks):
                pairs = [(source, name) for source in range(number + 2) for name in names]
                one, other = rng.choice(len(pairs), 2, replace=False)
                found.append((pairs[int(one)], pairs[int(other)]))
            return tuple(found)

        return cls(cell(), cell())

    def json(self) -> str:
        """As ``parse`` reads it."""
        return json.dumps({"normal": self.normal, "reduction": self.reduction})

    def skips(self) -> float:
        """The share of pairs that are the identity: searches that go wrong end in nothing else."""
        pairs = [op for cell in (self.normal, self.reduction) for block in cell for _, op in block]
        return pairs.count("identity") / len(pairs)


def _blocks(text: str) -> tuple[Block, ...]:
    short = {"sep": "separable", "dil": "dilated", "conv": "conv"}
    found = []
    for block in text.split(";"):
        pairs = []
        for pair in block.split("+"):
            name, source = pair.strip(" )").split("(")
            kind = {"skip": "identity", "max": "max-3"}.get(name) or f"{short[name[:-1]]}-{name[-1]}"
            pairs.append((int(source), kind))
        found.append((pairs[0], pairs[1]))
    return tuple(found)


PUBLISHED: Mapping[str, Genotype] = MappingProxyType(
    {
        "darts-v2": Genotype(
            _blocks("sep3(0)+sep3(1); sep3(0)+sep3(1); sep3(1)+skip(0); skip(0)+dil3(2)"),
            _blocks("max(0)+max(1); skip(2)+max(1); max(0)+skip(2); skip(2)+max(1)"),
        ),
        "gdas-v1": Genotype(
            _blocks("skip(0)+skip(1); skip(0)+sep5(2); sep3(3)+skip(0); sep5(4)+sep3(3)"),
            _blocks("sep5(0)+sep3(1); sep5(2)+sep5(1); dil5(2)+sep3(1); sep5(0)+sep5(1)"),
        ),
    }
)
"""Liu et al., DARTS, ICLR 2019; Dong & Yang, GDAS, CVPR 2019."""


class Mixture(nn.Module):
    """An open slot: all operations at once, weighted (ADD, eq. 2)."""

    def __init__(self, channels: int, stride: int, names: Sequence[str]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(OPERATIONS[name](channels, stride, False) for name in names)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """The sum under ``weights`` (operations,). An operation whose weight is exactly 0 is not run."""
        running = [number for number, weight in enumerate(weights.tolist()) if weight != 0.0]
        parts = [weights[number] * self.operations[number](x) for number in running]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


class Cell(nn.Module):
    """Two inputs to blocks side by side. With ``cell`` its slots are filled, without they are mixtures.

    ``before`` are the channels of the older and the newer input; after a reduction the older one is twice as large and
    is halved first. In a reduction cell what reads the inputs has stride 2.
    """

    def __init__(
        self,
        before: tuple[int, int],
        channels: int,
        *,
        reduction: bool,
        after_reduction: bool,
        cell: Sequence[Block] | None,
        names: Sequence[str] = tuple(OPERATIONS),
        blocks: int = BLOCKS,
    ) -> None:
        super().__init__()
        affine = cell is not None
        self.blocks = blocks if cell is None else len(cell)
        self.cell = cell
        older, newer = before
        self.older: nn.Module = (
            Halved(older, channels, affine) if after_reduction else ReluConvNorm(older, channels, 1, 1, affine)
        )
        self.newer = ReluConvNorm(newer, channels, 1, 1, affine)

        def stride(source: int) -> int:
            return 2 if reduction and source < 2 else 1

        if cell is None:
            edges = [source for number in range(blocks) for source in range(number + 2)]
            self.edges = nn.ModuleList(Mixture(channels, stride(source), names) for source in edges)
        else:
            pairs = [pair for block in cell for pair in block]
            self.edges = nn.ModuleList(OPERATIONS[op](channels, stride(source), True) for source, op in pairs)
        self.channels = channels * self.blocks

    def forward(self, older: Tensor, newer: Tensor, weights: Tensor | None = None) -> Tensor:
        """(N, C, H, W) twice, and while searching the weights (edges, operations), to (N, blocks * C', H', W')."""
        states = [self.older(older), self.newer(newer)]
        edges = iter(self.edges)
        if self.cell is not None:
            for (one, _), (other, _) in self.cell:
                states.append(next(edges)(states[one]) + next(edges)(states[other]))
        else:
            if weights is None:
                raise ValueError("an open cell has to be told the weights of its operations")
            rows = iter(weights)
            for number in range(self.blocks):
                parts = [next(edges)(states[source], next(rows)) for source in range(number + 2)]
                states.append(torch.stack(parts).sum(0))
        return torch.cat(states[2:], dim=1)
