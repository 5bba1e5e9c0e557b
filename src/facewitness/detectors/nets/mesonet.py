"""Meso-4 and MesoInception-4 (Afchar et al., WIFS 2018)."""

import torch
from torch import Tensor, nn

from facewitness.detectors.output import NetOutput


class _Meso(nn.Module):
    """What both have in common: four blocks, each ending in a pool, and a hidden layer of 16 units.

    The paper has one sigmoid unit for P(real); its logit z becomes the two columns (z, 0), so that soft-max gives the
    same probability with column 1 = fake.
    """

    def __init__(self, blocks: list[nn.Module], size_px: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.hidden = nn.Linear(16 * (size_px // 32) ** 2, 16)
        self.activation = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(0.5)
        self.out = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        flat = self.blocks(x).permute(0, 2, 3, 1).flatten(1)  # Keras flattens with the channel fastest
        features = self.activation(self.hidden(self.dropout(flat)))
        real = self.out(self.dropout(features))
        return NetOutput(nn.functional.pad(real, (0, 1)), features)


class Meso4(_Meso):
    """(N, 3, S, S) in [0, 1] -> logits and 16 features; no map. 27,977 parameters at 256 px."""

    def __init__(self, size_px: int = 256) -> None:
        layers = [_block(3, 8, 3, 2), _block(8, 8, 5, 2), _block(8, 16, 5, 2), _block(16, 16, 5, 4)]
        super().__init__(list(layers), size_px)


class MesoInception4(_Meso):
    """(N, 3, S, S) in [0, 1] -> logits and 16 features; no map. 28,615 parameters at 256 px.

    The last branch of the first block is two wide, as the published weights and the paper's own count have it; the
    paper's text says one.
    """

    def __init__(self, size_px: int = 256) -> None:
        first, second = _Inception(3, 1, 4, 4, 2), _Inception(11, 2, 4, 4, 2)
        layers = [_pooled(first, 11, 2), _pooled(second, 12, 2), _block(12, 16, 5, 2), _block(16, 16, 5, 4)]
        super().__init__(list(layers), size_px)


class _Inception(nn.Module):
    """Four branches on one input: 1 x 1; and 1 x 1 followed by 3 x 3 of dilation 1, 2 and 3."""

    def __init__(self, channels: int, a: int, b: int, c: int, d: int) -> None:
        super().__init__()
        dilated = enumerate((b, c, d), 1)
        wide = (nn.Sequential(_conv(channels, out, 1), _conv(out, out, 3, rate)) for rate, out in dilated)
        self.branches = nn.ModuleList([_conv(channels, a, 1), *wide])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _block(channels: int, out: int, kernel: int, pool: int) -> nn.Sequential:
    return _pooled(_conv(channels, out, kernel), out, pool)


def _pooled(body: nn.Module, out: int, pool: int) -> nn.Sequential:
    return nn.Sequential(body, nn.BatchNorm2d(out, eps=1e-3, momentum=0.01), nn.MaxPool2d(pool))


def _conv(channels: int, out: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, kernel, padding=dilation * (kernel // 2), dilation=dilation)
    return nn.Sequential(convolution, nn.ReLU())
