"""FakeLocator: a segmentation network that draws a gray-scale fakeness map at full resolution, and a verdict branch.

Huang et al., FakeLocator, eq. 2, 4 and 5. The limiting layer, which keeps the map in 0..1, stands behind the decoder
(the paper allows both places): it is the sigmoid that ``Graph`` lays over every map.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import segmentation

from forgesight.detectors.output import NetOutput

_WIDTH = 128  # of the verdict branch's convolutions; the paper gives their number and kernel only


class FakeLocator(nn.Module):
    """(N, 3, S, S) -> logits, the encoder's mean features and a map (N, 1, S, S).

    ``segmenter`` is any network of ``torchvision.models.segmentation``. The verdict branch behind the encoder has four
    3 x 3 convolutions, one max-pool 2/2 and three fully connected layers. In training, ``attention`` (N, 1, h, w) in
    0..1 may be given: it multiplies the encoder's features (eq. 5); without it they stay as they are, which is what
    the paper's white map does when testing.
    """

    def __init__(self, segmenter: str = "deeplabv3_mobilenet_v3_large", size_px: int = 224) -> None:
        super().__init__()
        if segmenter not in torchvision.models.list_models(segmentation):
            known = ", ".join(torchvision.models.list_models(segmentation))
            raise TypeError(f"torchvision has no segmentation network {segmenter!r}; it has {known}")
        body: Any = torchvision.models.get_model(
            segmenter, weights=None, weights_backbone=None, num_classes=1, aux_loss=False
        )
        self.segmenter = segmenter
        self.encode, self.decode = body.backbone, body.classifier
        channels, side = self._encoded(size_px)
        layers: list[nn.Module] = []
        for before in (channels, _WIDTH, _WIDTH, _WIDTH):
            layers += [nn.Conv2d(before, _WIDTH, 3, padding=1), nn.ReLU(inplace=True)]
        wide = _WIDTH * (side // 2) ** 2
        dense = [nn.Linear(wide, 256), nn.ReLU(inplace=True), nn.Linear(256, 64), nn.ReLU(inplace=True)]
        self.classify = nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), *dense, nn.Linear(64, 2))

    def forward(self, x: Tensor, attention: Tensor | None = None) -> NetOutput:
        """One pass."""
        encoded = self.encode(x)
        if attention is not None:
            encoded = {name: part * _fitted(attention, part) for name, part in encoded.items()}
        deep = _deep(encoded)
        drawn = self.decode(encoded if self._takes_all else deep)
        plane = F.interpolate(drawn, x.shape[-2:], mode="bilinear", align_corners=False)
        return NetOutput(self.classify(deep), deep.mean((2, 3)), plane)

    def load_imagenet(self) -> None:
        """Take the encoder's ImageNet weights; torchvision downloads them where it has not yet."""
        body: Any = torchvision.models.get_model(self.segmenter, weights=None, weights_backbone="DEFAULT")
        self.encode.load_state_dict(body.backbone.state_dict())

    @property
    def _takes_all(self) -> bool:
        """Whether the decoder reads features of several depths."""
        return isinstance(self.decode, segmentation.lraspp.LRASPPHead)

    def _encoded(self, size_px: int) -> tuple[int, int]:
        """Channels and side of the encoder's deepest features."""
        training = self.encode.training
        with torch.no_grad():
            deep = _deep(self.encode.eval()(torch.zeros(1, 3, size_px, size_px)))
        self.encode.train(training)
        if deep.shape[-1] < 2:
            raise TypeError(f"size_px {size_px} is too small: the encoder leaves {deep.shape[-1]} px")
        return deep.shape[1], deep.shape[-1]


def _deep(encoded: dict[str, Tensor]) -> Tensor:
    return encoded["out"] if "out" in encoded else encoded["high"]


def _fitted(attention: Tensor, part: Tensor) -> Tensor:
    return F.interpolate(attention, part.shape[-2:], mode="bilinear", align_corners=False).to(part.dtype)
