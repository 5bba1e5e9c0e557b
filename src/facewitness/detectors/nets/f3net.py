"""F3-Net (Qian et al., ECCV 2020): two views of a picture's frequencies."""

import itertools
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.autocast import full_precision
from facewitness.detectors.nets.dct import FLOOR, cosines
from facewitness.detectors.nets.steganalysis import luminance
from facewitness.detectors.output import NetOutput

BANDS = ((0.0, 1 / 2.82), (1 / 2.82, 1 / 2), (1 / 2, 2.0), (0.0, 2.0))
"""Low, middle, high and all frequencies: i + j of the cosine grid, in sides of the picture."""
WINDOW, STRIDE, PADDING, LOCAL_BANDS = 10, 2, 4, 6


class F3Net(nn.Module):
    """(N, 3, S, S) in [-1, 1] -> logits, 4,096 features and no map.

    One Xception sees the picture split into four learnt frequency bands (12 channels), the other the local strength of
    six bands (at half the size, without the first stride); behind blocks 7 and 12 each looks at where the other does
    (``_Mix``, after the paper's description: the published port leaves it out).
    """

    def __init__(self, size_px: int = 299, mix: bool = True) -> None:
        super().__init__()
        self.decompose, self.local = FrequencyBands(size_px), LocalFrequencies()
        self.first, self.second = _xception(12, 2), _xception(LOCAL_BANDS, 1)
        self.mixes = nn.ModuleList([_Mix(728), _Mix(1024)] if mix else [])
        self.dropout = nn.Dropout(0.2)
        self.classify = nn.Linear(4096, 2)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        a, b = _stem(self.first, self.decompose(x)), _stem(self.second, self.local(x))
        for number in range(1, 13):
            a, b = getattr(self.first, f"block{number}")(a), getattr(self.second, f"block{number}")(b)
            if self.mixes and number in (7, 12):
                a, b = self.mixes[number == 12](a, b)
        features = torch.cat([_head(self.first, a), _head(self.second, b)], dim=1)
        return NetOutput(self.classify(self.dropout(features)), features)


class FrequencyBands(nn.Module):
    """(N, 3, S, S) to (N, 12, S, S): the picture four times, each with one band of frequencies let through."""

    matrix: Tensor
    bands: Tensor

    def __init__(self, size_px: int) -> None:
        super().__init__()
        place = (torch.arange(size_px)[:, None] + torch.arange(size_px)) / size_px
        bands = torch.stack([((place >= low) & (place < high)).float() for low, high in BANDS])
        self.register_buffer("matrix", cosines(size_px), persistent=False)
        self.register_buffer("bands", bands, persistent=False)
        self.learnt = nn.Parameter(torch.randn(4, size_px, size_px) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform, let through, transform back."""
        with full_precision(x):
            spectrum = self.matrix @ x.float() @ self.matrix.mT
            share = self.bands + 2 * torch.sigmoid(self.learnt) - 1
            return (self.matrix.mT @ (spectrum[:, None] * share[:, None]) @ self.matrix).flatten(1, 2)


class LocalFrequencies(nn.Module):
    """(N, 3, S, S) in [-1, 1] to (N, 6, S / 2, S / 2): how strong six bands are in the 10 px around each place."""

    basis: Tensor
    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        matrix = cosines(WINDOW)
        basis = torch.einsum("ia,jb->ijab", matrix, matrix).reshape(WINDOW**2, 1, WINDOW, WINDOW)
        place = (torch.arange(WINDOW)[:, None] + torch.arange(WINDOW)).flatten()
        edges = torch.linspace(0, 2 * WINDOW - 1, LOCAL_BANDS + 1)
        bands = torch.stack([((place >= a) & (place < b)).float() for a, b in itertools.pairwise(edges)])
        self.register_buffer("basis", basis, persistent=False)
        self.register_buffer("bands", (bands / bands.sum(1, keepdim=True))[..., None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Luminance, a cosine transform of every window, the mean of the logarithm over each band."""
        with full_precision(x):
            gray = luminance((x.float() + 1) / 2)
            coefficients = F.conv2d(gray, self.basis, stride=STRIDE, padding=PADDING)
            return F.conv2d(torch.log10(coefficients.abs().clamp_min(FLOOR)), self.bands)


class _Mix(nn.Module):
    """Each stream, plus what the other shows where the two agree."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ask = nn.ModuleList(nn.Conv2d(channels, channels // 8, 1) for _ in range(2))
        self.scale = nn.Parameter(torch.full((2,), 0.1))

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        there = b if b.shape == a.shape else F.interpolate(b, a.shape[-2:], mode="bilinear", align_corners=False)
        alike = torch.sigmoid((self.ask[0](a) * self.ask[1](there)).mean(1, keepdim=True))
        back = alike * a
        back = back if b.shape == a.shape else F.interpolate(back, b.shape[-2:], mode="bilinear", align_corners=False)
        return a + self.scale[0] * alike * there, b + self.scale[1] * back


def _xception(channels: int, stride: int) -> Any:
    body: Any = timm.create_model("legacy_xception", num_classes=0, pretrained=False)
    body.conv1 = nn.Conv2d(channels, 32, 3, stride, bias=False)
    return body


def _stem(body: Any, x: Tensor) -> Tensor:
    return cast(Tensor, body.act2(body.bn2(body.conv2(body.act1(body.bn1(body.conv1(x)))))))


def _head(body: Any, x: Tensor) -> Tensor:
    x = body.act4(body.bn4(body.conv4(body.act3(body.bn3(body.conv3(x))))))
    return x.mean((2, 3))
