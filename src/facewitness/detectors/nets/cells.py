"""Searched cells: eleven operations, genotypes as data, and one class that is a cell with its slots open or filled.

ADD's search space (arXiv 2106.10705, section III-B) in the manner of DARTS and GDAS: a
cell has two inputs, the outputs of the two cells before it, and four blocks; a block sums two (input, operation) pairs
(eq. 1); the cell's output is its blocks side by side. While searching, every edge is a mixture of all operations.
"""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
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


OPERATIONS: Mapping[str, Callable[[int, int, bool], nn.Module]] = {
    "zero": lambda channels, stride, affine: Zero(stride),
    "identity": lambda channels, stride, affine: nn.Identity() if stride == 1 else Halved(channels, channels, affine),
    "average-3": lambda channels, stride, affine: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
    "max-3": lambda channels, stride, affine: nn.MaxPool2d(3, stride, 1),
    "conv-3": lambda channels, stride, affine: ReluConvNorm(channels, channels, 3, stride, affine),
    "conv-5": lambda channels, stride, affine: ReluConvNorm(channels, channels, 5, stride, affine),
    "conv-7": lambda channels, stride, affine: ReluConvNorm(channels, channels, 7, stride, affine),
    "separable-3": lambda channels, stride, affine: Separable(channels, 3, stride, 1, 2, affine),
    "separable-5": lambda channels, stride, affine: Separable(channels, 5, stride, 1, 2, affine),
    "dilated-3": lambda channels, stride, affine: Separable(channels, 3, stride, 2, 1, affine),
    "dilated-5": lambda channels, stride, affine: Separable(channels, 5, stride, 2, 1, affine),
}
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
            return cls.of(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise RecipeError(
                f"a genotype is one of {', '.join(PUBLISHED)}, or JSON with the cells 'normal' and 'reduction', each a "
                f"list of blocks of two [input, operation] pairs; got {text[:80]!r} ({error})"
            ) from error

    @classmethod
    def of(cls, cells: Mapping[str, Any]) -> "Genotype":
        """The cells "normal" and "reduction", each a list of blocks of two [input, operation] pairs."""
        both = (
            tuple(tuple((int(source), str(op)) for source, op in block) for block in cells[name])
            for name in ("normal", "reduction")
        )
        return cls(*both)  # type: ignore[arg-type]  # __post_init__ sees to it that blocks have two pairs

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


_TABLE = tomllib.loads(files("facewitness.detectors.nets").joinpath("genotypes.toml").read_text(encoding="utf-8"))
PUBLISHED: Mapping[str, Genotype] = {name: Genotype.of(cells) for name, cells in _TABLE.items()}


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
