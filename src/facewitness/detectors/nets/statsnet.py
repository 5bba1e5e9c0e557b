"""Stats-2L (Rahmouni et al., WIFS 2017), which LAE calls StatsNet."""

import math

import torch
from torch import Tensor, nn

from facewitness.detectors.output import NetOutput


class StatsNet(nn.Module):
    """(N, 3, S, S) in [0, 1], of which it sees the green channel -> logits and 256 statistics; no map.

    284,034 parameters. Two convolutions without pooling; of each of the 64 channels the mean, the least, the greatest
    and the variance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU())
        self.hidden = nn.Sequential(nn.Linear(256, 1024), nn.ReLU())
        self.dropout = nn.Dropout(0.35)
        self.classify = nn.Linear(1024, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                nn.init.trunc_normal_(module.weight, std=math.sqrt(2 / fan_in), a=-9, b=9)
                nn.init.normal_(module.get_parameter("bias"), 0.5, 0.1)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        features = statistics(self.body(x[:, 1:2]))
        return NetOutput(self.classify(self.dropout(self.hidden(features))), features)


def statistics(planes: Tensor) -> Tensor:
    """Mean, minimum, maximum and biased variance of each channel of (N, C, H, W): (N, 4 C), statistics fastest."""
    flat = planes.flatten(2)
    mean = flat.mean(2)
    variance = (flat - mean[..., None]).square().mean(2)
    return torch.stack([mean, flat.amin(2), flat.amax(2), variance], dim=2).flatten(1)
