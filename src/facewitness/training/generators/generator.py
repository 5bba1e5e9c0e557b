"""The one generator behind all network manipulations, and the critic that trains it. No loss and no optimiser is here.

The up-sampler, the skip connections, the dilated middle, the number of decoders and the size are parameters, so that
two manipulations can differ in one of them and in nothing else.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

Upsampler = Literal["transposed", "nearest", "bilinear", "shuffle", "fir"]
UPSAMPLERS: tuple[str, ...] = get_args(Upsampler)
MAX_WIDTH = 256
LATENT = 16
"""Channels that are quantised where ``levels`` asks for it."""


class Generator(nn.Module):
    """Encoder and decoder(s): (N, inputs, S, S) to (N, decoders * 3, S, S) in 0..1.

    With ``noise`` > 0 the input is a vector (N, noise) instead, which a linear layer unfolds into a coarse picture
    (3, S / 2, S / 2) for the encoder to start from. With ``levels`` > 0 the deepest features are quantised to that
    many values in each of ``LATENT`` channels. Without ``noise`` the picture may have any sides divisible by 2^depth.
    """

    def __init__(
        self,
        size_px: int,
        inputs: int = 3,
        *,
        width: int = 24,
        depth: int = 4,
        up: Upsampler = "nearest",
        skip: bool = True,
        dilations: Sequence[int] = (),
        decoders: int = 1,
        noise: int = 0,
        levels: int = 0,
    ) -> None:
        super().__init__()
        widths = [min(width * 2**level, MAX_WIDTH) for level in range(depth + 1)]
        self.size_px, self.noise = size_px, noise
        self.unfold = nn.Linear(noise, 3 * (size_px // 2) ** 2) if noise else None
        self.stem = _block(3 if noise else inputs, widths[0])
        self.downs = nn.ModuleList(_block(a, b, stride=2) for a, b in itertools.pairwise(widths))
        middle = [_block(widths[-1], widths[-1], dilation=rate) for rate in (*dilations, 1)]
        self.middle = nn.Sequential(*middle, *([Quantizer(widths[-1], levels)] if levels else []))
        self.decoders = nn.ModuleList(Decoder(widths, up, skip=skip) for _ in range(decoders))

    def forward(self, inputs: Tensor) -> Tensor:
        """The pictures of all decoders, one after another."""
        levels = self.encode(inputs)
        return torch.cat([decoder(levels) for decoder in self.decoders], dim=1)

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """Features from full size (N, width, S, S) down to (N, C, S / 2^depth, S / 2^depth)."""
        levels = [self.stem(inputs if self.unfold is None else self.coarse(inputs))]
        for down in self.downs:
            levels.append(down(levels[-1]))
        levels[-1] = self.middle(levels[-1])
        return levels

    def coarse(self, noise: Tensor) -> Tensor:
        """What the linear layer makes of a vector: (N, 3, S, S), blurred, about 0..1."""
        if self.unfold is None:
            raise TypeError("this generator starts from a picture")
        half = self.size_px // 2
        small = self.unfold(noise).view(-1, 3, half, half)
        return nn.functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)


class Decoder(nn.Module):
    """From the deepest features up to a picture (N, 3, S, S) in 0..1; with ``skip`` each level sees the encoder's."""

    def __init__(self, widths: Sequence[int], up: Upsampler, *, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        steps = list(zip(widths[::-1], widths[-2::-1], strict=False))
        self.ups = nn.ModuleList(_up(a, b, up) for a, b in steps)
        self.blocks = nn.ModuleList(_block(b * 2 if skip else b, b) for _, b in steps)
        self.head = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Decode what ``Generator.encode`` gave."""
        value = levels[-1]
        for up, block, level in zip(self.ups, self.blocks, levels[-2::-1], strict=True):
            value = up(value)
            value = block(torch.cat([value, level], dim=1) if self.skip else value)
        return torch.sigmoid(self.head(value).float())


class Critic(nn.Module):
    """Judges pictures (N, inputs, S, S) patch by patch: logits (N, 1, h, w), high for real.

    ``spectral`` normalises every layer; without it, whoever trains it must hold its gradient down.
    """

    def __init__(self, inputs: int = 3, *, width: int = 32, depth: int = 4, spectral: bool = True) -> None:
        super().__init__()
        normed: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else lambda layer: layer
        widths = [inputs, *(min(width * 2**level, MAX_WIDTH) for level in range(depth))]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [normed(nn.Conv2d(a, b, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, normed(nn.Conv2d(widths[-1], 1, 3, 1, 1)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the patches."""
        return cast(Tensor, self.layers(images * 2 - 1))


def _block(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    size = 4 if stride == 2 else 3
    padding = dilation if stride == 1 else 1
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2))


class Quantizer(nn.Module):
    """Rounds features to a grid of ``levels`` values a channel; gradients pass through (Mentzer et al., FSQ, 2024)."""

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.reach = (levels - 1) / 2
        self.narrow, self.widen = nn.Conv2d(width, LATENT, 1), nn.Conv2d(LATENT, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """The features (N, C, h, w) that the grid's values stand for."""
        value = torch.tanh(self.narrow(features)) * self.reach
        return cast(Tensor, self.widen(value + (value.round() - value).detach()))


class FirUp(nn.Module):
    """StyleGAN2's up-sampling (Karras et al., 2020): kernel 1 3 3 1, a modulated and demodulated convolution, noise.

    The style is an affine function of the mean features; the noise is a fixed tile.
    """

    kernel: Tensor
    noise: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.style = nn.Linear(inputs, inputs)
        self.strength = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", (line[:, None] * line / 16).expand(inputs, 1, 4, 4).clone())
        self.register_buffer("noise", torch.randn(64, 64, generator=torch.Generator().manual_seed(0)))

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, inputs, h, w) at twice their size, (N, outputs, 2h, 2w)."""
        style = 1 + self.style(features.mean((2, 3)))
        scaled = features * style[:, :, None, None]
        large = F.conv_transpose2d(scaled, self.kernel, stride=2, padding=1, groups=self.kernel.shape[0])
        power = style.square() @ self.weight.square().sum((2, 3)).T
        made = F.conv2d(large, self.weight, padding=1) * torch.rsqrt(power + 1e-8)[:, :, None, None]
        rows, columns = (torch.arange(side, device=made.device) % 64 for side in made.shape[2:])
        return made + self.strength * self.noise[rows][:, columns] + self.bias


def _up(inputs: int, outputs: int, kind: Upsampler) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)
    if kind == "fir":
        return FirUp(inputs, outputs)
    if kind == "shuffle":
        return nn.Sequential(nn.Conv2d(inputs, outputs * 4, 3, padding=1), nn.PixelShuffle(2))
    options = {"align_corners": False} if kind == "bilinear" else {}
    return nn.Sequential(nn.Upsample(scale_factor=2, mode=kind, **options), nn.Conv2d(inputs, outputs, 3, padding=1))
