"""ADD: searched cells stacked into D2 blocks, with a head for the verdict and one for the potentially forged region.

Automated Deepfake Detection (arXiv 2106.10705), sections III-B to III-D. N normal cells are a D2 block; a reduction
cell stands between two blocks. Number of blocks, stem and the heads' widths are ours (decision 0008).
"""

import functools
from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.cells import BLOCKS, OPERATIONS, Cell, Genotype
from facewitness.detectors.nets.residual_input import Input, InputFilter
from facewitness.detectors.output import NetOutput
from facewitness.types import RecipeError

STAGES = 3  # D2 blocks
_HIDDEN, _DENSE = 256, 128


class Stack(nn.Module):
    """Stem and cells: (N, inputs, S, S) -> (N, width, S / 32, S / 32), or S / 4 with the stem "cifar".

    ``genotype`` None leaves all slots open; then ``weights`` of normal and of reduction cells have to be given.
    Channels double at each of the two reductions.
    """

    def __init__(
        self,
        channels: int,
        normal: int,
        genotype: Genotype | None,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        names: tuple[str, ...] = tuple(OPERATIONS),
        blocks: int = BLOCKS,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        affine = genotype is not None
        if stem == "imagenet":
            half = max(1, channels // 2)
            first = (*_convolved(inputs, half, affine), nn.ReLU(), *_convolved(half, channels, affine))
            self.stem = nn.Sequential(*first)
            self.further: nn.Module | None = nn.Sequential(nn.ReLU(), *_convolved(channels, channels, affine))
            before = (channels, channels)
        else:
            self.stem = nn.Sequential(*_convolved(inputs, 3 * channels, affine, 1))
            self.further = None
            before = (3 * channels, 3 * channels)
        cells, after_reduction = [], stem == "imagenet"
        for stage in range(STAGES):
            kinds = [False] * normal if stage == 0 else [True] + [False] * normal
            for reduction in kinds:
                cell = Cell(
                    before,
                    channels * 2**stage,
                    reduction=reduction,
                    after_reduction=after_reduction,
                    cell=None if genotype is None else genotype.reduction if reduction else genotype.normal,
                    names=names,
                    blocks=blocks,
                )
                cells.append(cell)
                before, after_reduction = (before[1], cell.channels), reduction
        self.cells = nn.ModuleList(cells)
        self.reductions = [normal + stage * (normal + 1) for stage in range(STAGES - 1)]
        self.width = before[1]

    def forward(self, x: Tensor, weights: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """One pass."""
        older = self.stem(x)
        newer = older if self.further is None else self.further(older)
        for number, cell in enumerate(self.cells):
            given = None if weights is None else weights[number in self.reductions]
            older, newer = newer, cell(older, newer, given)
        found: Tensor = newer
        return found


class Heads(nn.Module):
    """Verdict and region from the deepest features (N, C, h, w): logits, pooled features, region logits (N, 1, h, w).

    The region's logits are a 1 x 1 convolution; with ``region`` their sigmoid multiplies the features before the
    verdict (eq. 6), which is a 1 x 1 convolution, the mean over places and two dense layers.
    """

    def __init__(self, channels: int, region: bool) -> None:
        super().__init__()
        self.locate = nn.Conv2d(channels, 1, 1) if region else None
        self.reduce = nn.Conv2d(channels, _HIDDEN, 1)
        self.classify = nn.Sequential(nn.Linear(_HIDDEN, _DENSE), nn.ReLU(), nn.Linear(_DENSE, 2))

    def forward(self, f: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """One pass."""
        region = None if self.locate is None else self.locate(f)
        gated = f if region is None else f * torch.sigmoid(region)
        features = torch.relu(self.reduce(gated)).mean((2, 3))
        return self.classify(features), features, region


class Add(nn.Module):
    """(N, 3, S, S) -> logits, 256 features and, with ``region``, a map (N, 1, S, S): where a face could be forged.

    ``genotype`` is a name of ``cells.PUBLISHED`` or JSON; ``input`` is what ``InputFilter`` shows of the picture.
    """

    def __init__(
        self, genotype: str = "gdas-v1", channels: int = 44, normal: int = 4, region: bool = True, input: Input = "rgb"
    ) -> None:
        super().__init__()
        self.input_filter = InputFilter(input)
        self.stack = Stack(channels, normal, Genotype.parse(genotype), inputs=self.input_filter.channels)
        self.norm = nn.BatchNorm2d(self.stack.width)
        self.heads = Heads(self.stack.width, region)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        logits, features, region = self.heads(torch.relu(self.norm(self.stack(self.input_filter(x)))))
        if region is not None:
            region = F.interpolate(region, x.shape[-2:], mode="bilinear", align_corners=False)
        return NetOutput(logits, features, region)


@functools.cache
def channels_for(genotype: str, budget: int, *, normal: int = 4, region: bool = True, input: Input = "rgb") -> int:
    """The most channels (an even number) with which ``Add`` has at most ``budget`` parameters.

    Raises:
        RecipeError: not even two channels fit.
    """
    size = functools.partial(parameters, genotype, normal=normal, region=region, input=input)
    widths = range(2, 1025, 2)
    fitting = bisect_right(widths, budget, key=size)  # parameters grow with the width
    if not fitting:
        raise RecipeError(f"a budget of {budget:,} parameters cannot be met: two channels take {size(2):,}; raise it")
    return widths[fitting - 1]


def parameters(genotype: str, channels: int, *, normal: int = 4, region: bool = True, input: Input = "rgb") -> int:
    """How many parameters ``Add`` has; nothing is allocated."""
    with torch.device("meta"):
        net = Add(genotype, channels, normal, region, input)
    return sum(parameter.numel() for parameter in net.parameters())


def _convolved(before: int, after: int, affine: bool, stride: int = 2) -> Iterator[nn.Module]:
    yield nn.Conv2d(before, after, 3, stride, 1, bias=False)
    yield nn.BatchNorm2d(after, affine=affine)
