"""Spectra as input (Frank et al., ICML 2020, "DCTA"), and the transform they need."""

import math
from collections.abc import Iterable
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.autocast import full_precision
from facewitness.detectors.output import NetOutput

FLOOR = 0.02
"""Coefficients below count as this much: what float32 leaves of a zero (2e-3 at most) must not reach the logarithm.

The published code adds 1e-12 instead and takes the logarithm of rounding errors; two runtimes then disagree.
"""


def cosines(size: int) -> Tensor:
    """The orthonormal type-II cosine transform as a matrix (size, size): ``cosines(n) @ signal``."""
    frequency, place = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi * (place + 0.5) * frequency / size) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.float()


class DctNet(nn.Module):
    """(N, 3, S, S) in [0, 1] -> logits and the features its last layer reads; no map.

    The logarithm of each coefficient, less its mean and over its deviation in the training set (``observe``), goes into
    one linear layer ("ridge": 49,153 parameters at 128 px, its weight decayed) or a small CNN (38,885).
    """

    matrix: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, size_px: int = 128, head: Literal["ridge", "cnn"] = "ridge") -> None:
        super().__init__()
        self.register_buffer("matrix", cosines(size_px), persistent=False)
        self.register_buffer("mean", torch.zeros(3, size_px, size_px))
        self.register_buffer("deviation", torch.ones(3, size_px, size_px))
        if head not in ("ridge", "cnn"):
            raise TypeError(f"head is 'ridge' or 'cnn', not {head!r}")
        layers: list[nn.Module] = []
        if head == "cnn":
            for channels, out, pool in ((3, 3, 1), (3, 8, 2), (8, 16, 2), (16, 32, 1)):
                layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(), *([nn.AvgPool2d(2)] if pool == 2 else [])]
        self.body = nn.Sequential(*layers)
        length = 3 * size_px**2 if head == "ridge" else 32 * (size_px // 4) ** 2
        self.classify = nn.Linear(length, 1)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        planes = self.body((self.spectrum(x) - self.mean) / self.deviation)
        # The weight stands on the left: as a packed right side of one column onnxruntime is slower with it.
        logits = (self.classify.weight @ planes.flatten(1).mT).mT + self.classify.bias
        return NetOutput(F.pad(logits, (1, 0)), _pooled(planes, 8).flatten(1))

    def spectrum(self, x: Tensor) -> Tensor:
        """Natural logarithm of the absolute coefficients of the 8-bit picture, (N, 3, S, S)."""
        with full_precision(x):
            # Both products have the matrix on the right, where runtimes multiply fastest.
            coefficients = ((x.float() * 255 @ self.matrix.mT).mT @ self.matrix.mT).mT
            return torch.log(coefficients.abs().clamp_min(FLOOR))

    @torch.no_grad()
    def observe(self, batches: Iterable[Tensor]) -> None:
        """Learn mean and (population) deviation of each coefficient from pictures (N, 3, S, S) in [0, 1]."""
        count, total, squares = 0, torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double()
        for batch in batches:
            spectrum = self.spectrum(batch.float()).double()
            count += len(spectrum)
            total += spectrum.sum(0)
            squares += spectrum.square().sum(0)
        mean = total / count
        self.mean.copy_(mean)
        self.deviation.copy_((squares / count - mean.square()).clamp_min(1e-12).sqrt())


def _pooled(planes: Tensor, cells: int) -> Tensor:
    """``F.adaptive_avg_pool2d`` as two means where the cells are alike: onnxruntime pools a few large cells slowly."""
    if planes.shape[-1] % cells:
        return F.adaptive_avg_pool2d(planes, cells)
    return cast(Tensor, planes.unflatten(3, (cells, -1)).mean(4).unflatten(2, (cells, -1)).mean(3))
