"""``effnet-map``: timm's EfficientNet-B0 as encoder, a light decoder to a fakeness map, a head that reads both.

Three departures from a plain classifier, with reasons in docs/decisions/0003: the input carries its own high-pass
residual; the encoder ends at stride 16; the head compares what lies inside the predicted map with what lies outside.
"""

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.backbone import take_imagenet
from facewitness.detectors.output import NetOutput


class EffnetMap(nn.Module):
    """(N, 3, S, S) normalised to [-1, 1] -> logits, 258 features and a map at S / 2. S must be a multiple of 16.

    ``backbone`` is any timm network with four feature levels at strides 2, 4, 8 and 16.
    """

    def __init__(
        self,
        backbone: str = "efficientnet_b0",
        width: int = 128,
        dropout: float = 0.2,
        activation: str = "relu",
        mirror: bool = False,
    ) -> None:
        super().__init__()
        encoder: Any = timm.create_model(
            backbone, features_only=True, out_indices=(0, 1, 2, 3), in_chans=6, pretrained=False, act_layer=activation
        )
        # timm builds the stages behind the last feature level too, and never runs them.
        deepest = int(encoder.feature_info.module_name()[-1].split(".")[-1])
        encoder.blocks = encoder.blocks[: deepest + 1]
        channels = encoder.feature_info.channels()
        self.backbone = backbone
        self.encoder = encoder
        self.residual_gain = 4.0
        self.mirror = mirror
        self.up8 = _Up(channels[3], channels[2], 48)
        self.up4 = _Up(48, channels[1], 32)
        self.up2 = _Up(32, channels[0], 16)
        self.to_map = nn.Conv2d(16, 1, 1)
        self.neck = nn.Sequential(nn.Conv2d(channels[3], width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(2 * width + 2, 2)
        assert self.to_map.bias is not None
        nn.init.constant_(self.to_map.bias, -2.0)  # most pixels of most photographs are not forged

    def forward(self, x: Tensor) -> NetOutput:
        """The map is returned as logits. With ``mirror``, evaluation is the mean over the crop and its mirror image."""
        if self.training or not self.mirror:
            return NetOutput(*self._once(x))
        here, there = self._once(x), self._once(x.flip(-1))
        logits, features, plane = ((a + b) / 2 for a, b in zip(here, (*there[:2], there[2].flip(-1)), strict=True))
        return NetOutput(logits, features, plane)

    def load_imagenet(self) -> None:
        """Take ImageNet's weights for the encoder, its first layer widened for the residual channels."""
        take_imagenet(self.encoder, self.backbone)

    def _once(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        residual = (x - F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)) * self.residual_gain
        levels = self.encoder(torch.cat([x, residual], dim=1))
        plane = self.to_map(self.up2(self.up4(self.up8(levels[3], levels[2]), levels[1]), levels[0]))
        features = self._features(self.neck(levels[3]), plane)
        return self.classify(self.dropout(features)), features, plane

    def _features(self, deep: Tensor, plane: Tensor) -> Tensor:
        """Mean features, inside minus outside of the predicted region, and the map's soft maximum and mean."""
        weight = F.adaptive_avg_pool2d(torch.sigmoid(plane), (deep.shape[-2], deep.shape[-1]))  # (N, 1, h, w)
        inside = (deep * weight).sum((2, 3)) / (weight.sum((2, 3)) + 1.0)
        outside = (deep * (1 - weight)).sum((2, 3)) / ((1 - weight).sum((2, 3)) + 1.0)
        flat = F.avg_pool2d(plane, 4).flatten(1)
        peak = torch.logsumexp(flat, dim=1, keepdim=True)
        return torch.cat([deep.mean((2, 3)), inside - outside, peak, flat.mean(1, keepdim=True)], dim=1)


class _Up(nn.Module):
    """Enlarge the deep features twice, add the skip connection, mix."""

    def __init__(self, deep: int, skip: int, out: int) -> None:
        super().__init__()
        self.deep = nn.Conv2d(deep, out, 1)
        self.skip = nn.Conv2d(skip, out, 1)
        self.mix = nn.Sequential(nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        large = F.interpolate(self.deep(deep), scale_factor=2.0, mode="bilinear", align_corners=False)
        mixed: Tensor = self.mix(large + self.skip(skip))
        return mixed
