"""Bayar and Stamm's constrained CNN (IH&MMSec 2016), which LAE calls SuppressNet."""

import torch
from torch import Tensor, nn

from facewitness.detectors.nets.autocast import full_precision
from facewitness.detectors.output import NetOutput


class SuppressNet(nn.Module):
    """(N, 3, S, S) in [0, 1], of which it sees the green channel -> logits and 4,096 features; no map.

    45,219,998 parameters at 128 px, the centre crop of FaceForensics++; 130,154,654 at the paper's 227 px (pools round
    down). ``constrain`` must be called after every step of an optimiser: the first layer then predicts each pixel from
    its neighbours.
    """

    def __init__(self, size_px: int = 128) -> None:
        super().__init__()
        self.constrained = nn.Conv2d(1, 12, 5, bias=False)
        self.body = nn.Sequential(
            *(nn.Conv2d(12, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5)),
            *(nn.Conv2d(64, 48, 5), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5)),
        )
        side = (((size_px - 4 - 7) // 2 + 1 - 3) // 2 + 1 - 4 - 3) // 2 + 1
        self.hidden = nn.Sequential(
            *(nn.Linear(48 * side * side, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU())
        )
        self.dropout = nn.Dropout(0.5)
        self.classify = nn.Linear(4096, 2)
        self.constrain()

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        with full_precision(x):  # a pixel less what its neighbours foretell: the difference of two large numbers
            residual = self.constrained(x[:, 1:2].float())
        features = self.hidden(self.body(residual).flatten(1))
        return NetOutput(self.classify(self.dropout(features)), features)

    @torch.no_grad()
    def constrain(self) -> None:
        """Centre -1, the other taps scaled to sum to 1; where they sum to almost nothing, they become equal."""
        weight = self.constrained.weight  # (12, 1, 5, 5)
        weight[:, :, 2, 2] = 0
        total = weight.sum((2, 3), keepdim=True)
        flat = torch.full_like(weight, 1 / 24)
        weight.copy_(torch.where(total.abs() < 1e-6, flat, weight / total))
        weight[:, :, 2, 2] = -1
