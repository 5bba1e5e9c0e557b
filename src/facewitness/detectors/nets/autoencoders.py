"""Autoencoders whose latent has a half for real and a half for forged: ForensicTransfer and ClassNSeg.

Whichever half is the more active says what a face is. ``decode`` sees one half only, the other being set to zero: in
training that of the truth, which the training hands in; here that of the verdict.
"""

import itertools
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.autocast import full_precision
from facewitness.detectors.output import NetOutput


class Decoded(NamedTuple):
    """What a decoder makes of a latent."""

    picture: Tensor  # (N, 3, S, S)
    segments: Tensor | None = None  # (N, 2, S, S) logits, channel 1 = forged


class SplitLatent(nn.Module):
    """What both have in common. ``fake_half`` says which half of the channels is that of the forged."""

    fake_half = 1

    def prepared(self, x: Tensor) -> Tensor:
        """What the decoder is to give back: the input as it is, if a net does not say otherwise."""
        return x

    def encode(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) to the latent (N, 128, S / 16, S / 16)."""
        raise NotImplementedError

    def decode(self, latent: Tensor) -> Decoded:
        """A latent with one half at zero to a picture."""
        raise NotImplementedError

    def activity(self, latent: Tensor) -> Tensor:
        """Mean absolute value of each half, (N, 2): real, forged."""
        halves: Tensor = latent.abs().unflatten(1, (2, -1)).flatten(2).mean(2)
        return halves if self.fake_half == 1 else halves.flip(1)

    def select(self, latent: Tensor, forged: Tensor) -> Tensor:
        """The latent with the half that ``forged`` (N,) bool does not ask for set to zero."""
        second = forged if self.fake_half == 1 else ~forged
        keep = torch.stack([~second, second], dim=1).to(latent.dtype)
        kept: Tensor = latent.unflatten(1, (2, -1)) * keep[:, :, None, None, None]
        return kept.flatten(1, 2)


class ForensicTransfer(SplitLatent):
    """(N, 3, S, S) in [0, 1] -> logits and features, which are the two activities; no map. 197,542 parameters.

    Input is the third-order residual along rows and along columns of each channel, or with ``residual`` False the
    picture itself. The logits are the activities: forged if that half is the more active.
    """

    def __init__(self, residual: bool = True) -> None:
        super().__init__()
        channels = 6 if residual else 3
        self.residual = residual
        taps = torch.tensor([1.0, -3.0, 3.0, -1.0]).view(1, 1, 1, 4).repeat(3, 1, 1, 1)
        self.register_buffer("taps", taps, persistent=False)
        self.taps: Tensor
        plan = [(channels, 8, 1), (8, 16, 2), (16, 32, 2), (32, 64, 2), (64, 128, 2)]
        layers: list[nn.Module] = []
        for number, (a, b, stride) in enumerate(plan):
            middle = 0 < number < len(plan) - 1
            layers += [nn.Conv2d(a, b, 3, stride, 1), *([nn.BatchNorm2d(b)] if middle else []), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        layers = []
        for a, b in ((128, 64), (64, 32), (32, 16), (16, 8)):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]
        self.decoder = nn.Sequential(*layers, nn.Conv2d(8, channels, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> NetOutput:
        """One pass of the encoder."""
        activity = self.activity(self.encode(x))
        return NetOutput(activity, activity)

    def prepared(self, x: Tensor) -> Tensor:
        """What the encoder sees and the decoder is to give back, in [-1, 1]."""
        if not self.residual:
            return x * 2 - 1
        with full_precision(x):
            rows = F.conv2d(F.pad(x, (1, 2, 0, 0), "replicate"), self.taps, groups=3)
            columns = F.conv2d(F.pad(x, (0, 0, 1, 2), "replicate"), self.taps.mT, groups=3)
        return torch.cat([rows, columns], dim=1).clamp(-1, 1)

    def encode(self, x: Tensor) -> Tensor:
        """See ``SplitLatent``."""
        return cast(Tensor, self.encoder(self.prepared(x)))

    def decode(self, latent: Tensor) -> Decoded:
        """See ``SplitLatent``."""
        return Decoded(self.decoder(latent))


class ClassNSeg(SplitLatent):
    """(N, 3, S, S) with ImageNet's mean and deviation -> logits, the two activities and a map at S.

    148,200 parameters encode, 156,749 decode. The published weights have the forged half first; ``logits`` and ``map``
    say forged in column 1 all the same.
    """

    fake_half = 0

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 8, 16, 16, 32, 32, 64, 64, 128)
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(itertools.pairwise(widths)):
            layers += _started(nn.Conv2d(a, b, 3, 2 if number % 2 else 1, 1), nn.BatchNorm2d(b))
        self.encoder = nn.Sequential(*layers)
        self.shared = nn.Sequential(*_up(128, 64, 1), *_up(64, 64, 2), *_up(64, 32, 1), *_up(32, 32, 2))
        self.segmenter, self.decoder = (
            nn.Sequential(
                *(*_up(32, 16, 1), *_up(16, 16, 2), *_up(16, 8, 1), *_up(8, 8, 2)),
                nn.ConvTranspose2d(8, out, 3, padding=1),
            )
            for out in (2, 3)
        )

    def forward(self, x: Tensor) -> NetOutput:
        """One pass; the half that is the more active is decoded."""
        latent = self.encode(x)
        activity = self.activity(latent)
        segments = self.segment(self.shared(self.select(latent, activity[:, 1] > activity[:, 0])))
        return NetOutput(activity, activity, segments[:, 1:] - segments[:, :1])

    def encode(self, x: Tensor) -> Tensor:
        """See ``SplitLatent``."""
        return cast(Tensor, self.encoder(x))

    def decode(self, latent: Tensor) -> Decoded:
        """See ``SplitLatent``."""
        shared = self.shared(latent)
        return Decoded(torch.tanh(self.decoder(shared)), self.segment(shared))

    def segment(self, shared: Tensor) -> Tensor:
        """Logits (N, 2, S, S), channel 1 = forged."""
        return cast(Tensor, self.segmenter(shared))


def _up(a: int, b: int, stride: int) -> list[nn.Module]:
    return _started(nn.ConvTranspose2d(a, b, 3, stride, 1, output_padding=stride - 1), nn.BatchNorm2d(b))


def _started(convolution: nn.Module, norm: nn.BatchNorm2d) -> list[nn.Module]:
    """A layer begun as the published code begins it."""
    nn.init.normal_(convolution.get_parameter("weight"), std=0.02)
    nn.init.normal_(norm.weight, 0.5, 0.02)
    return [convolution, norm, nn.ReLU()]
