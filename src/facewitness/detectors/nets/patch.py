"""Truncated classifiers that judge patches (Chai et al., ECCV 2020)."""

from typing import Any

import timm
import torch
from torch import Tensor, nn

from facewitness.detectors.output import NetOutput


class Patches(nn.Module):
    """(N, 3, S, S) in [-1, 1] -> logits, mean features, and a map: each cell judges its own receptive field.

    The image's logits are those of the mean probability over the patches ("after soft-max").
    """

    def __init__(self, stem: nn.Module, channels: int) -> None:
        super().__init__()
        self.stem = stem
        self.classify = nn.Conv2d(channels, 2, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_normal_(module.weight, gain=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        planes = self.stem(x)
        patches = self.classify(planes)
        plane = patches[:, 1:] - patches[:, :1]
        return NetOutput(aggregate(plane), planes.mean((2, 3)), plane)


def aggregate(plane: Tensor) -> Tensor:
    """Logits (N, 2) whose soft-max is the mean of sigmoid(plane) over the cells of (N, 1, h, w)."""
    cells = plane.flatten(1).float()
    both = torch.stack([nn.functional.logsigmoid(-cells), nn.functional.logsigmoid(cells)], dim=1)
    return torch.logsumexp(both, dim=2) - torch.log(torch.tensor(float(cells.shape[1])))


class PatchXception(Patches):
    """Xception up to and including one of its first five blocks: receptive field 19, 43, 91, 187 or 283 px."""

    def __init__(self, block: int = 2) -> None:
        body: Any = timm.create_model("legacy_xception", num_classes=2, pretrained=False)
        stem = nn.Sequential(*(getattr(body, f"{kind}{n}") for n in (1, 2) for kind in ("conv", "bn", "act")))
        channels = {1: 128, 2: 256}.get(block, 728)
        for number in range(1, block + 1):
            stem.append(getattr(body, f"block{number}"))
        super().__init__(stem, channels)


class PatchResnet(Patches):
    """ResNet-18 up to and including one of its layers; after the first the receptive field is 43 px."""

    def __init__(self, layer: int = 1) -> None:
        body: Any = timm.create_model("resnet18", num_classes=2, pretrained=False)
        layers = [getattr(body, f"layer{number}") for number in range(1, layer + 1)]
        stem = nn.Sequential(body.conv1, body.bn1, body.act1, body.maxpool, *layers)
        super().__init__(stem, 32 * 2**layer)
