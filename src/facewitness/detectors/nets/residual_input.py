"""What a network is shown of a picture: its colours, the noise residuals that a high-pass filter leaves, or both."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.types import RecipeError

_HIGH_PASS = torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]])  # the SRM filter of second order in both ways

Input = Literal["rgb", "high-pass", "both"]


class InputFilter(nn.Module):
    """What a net sees of a picture (N, 3, S, S): colours, their noise residuals (a frequency input), or both (6)."""

    high_pass: Tensor

    def __init__(self, input: Input) -> None:
        super().__init__()
        if input not in ("rgb", "high-pass", "both"):
            raise RecipeError(f"input is 'rgb', 'high-pass' or 'both', not {input!r}")
        self.input, self.channels = input, 6 if input == "both" else 3
        self.register_buffer("high_pass", _HIGH_PASS.expand(3, 1, 3, 3).clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """One pass."""
        if self.input == "rgb":
            return x
        residuals = F.conv2d(x, self.high_pass.to(x.dtype), padding=1, groups=3)
        return residuals if self.input == "high-pass" else torch.cat([x, residuals], 1)
