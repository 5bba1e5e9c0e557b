"""Meso-4 (Afchar et al., WIFS 2018; layer table in architectures.md, section 1.1)."""

from __future__ import annotations

from torch import Tensor, nn

from forgesight.detectors.output import NetOutput


class Meso4(nn.Module):
    """(N, 3, 256, 256) in [0, 1] -> logits and 16 features; no map. 27,977 trainable parameters.

    The paper has one sigmoid unit for P(real); its logit z becomes the two columns (z, 0), so that soft-max gives the
    same probability with column 1 = fake.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(_block(3, 8, 3, 2), _block(8, 8, 5, 2), _block(8, 16, 5, 2), _block(16, 16, 5, 4))
        self.hidden = nn.Linear(1024, 16)
        self.activation = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(0.5)
        self.out = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        flat = self.blocks(x).permute(0, 2, 3, 1).flatten(1)  # Keras flattens with the channel fastest
        features = self.activation(self.hidden(self.dropout(flat)))
        real = self.out(self.dropout(features))
        return NetOutput(nn.functional.pad(real, (0, 1)), features)


def _block(channels: int, out: int, kernel: int, pool: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, padding=kernel // 2),
        nn.ReLU(),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.01),
        nn.MaxPool2d(pool),
    )
