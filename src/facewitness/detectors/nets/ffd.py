"""Xception with an attention map in its middle (Dang et al., CVPR 2020)."""

from typing import Any, Literal

import timm
import torch
from timm.models.xception import Block
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.backbone import take_imagenet
from facewitness.detectors.output import NetOutput

TEMPLATES = 10
GRID = 19  # side of the templates: the feature's size for 299 px


class FfdXception(nn.Module):
    """(N, 3, S, S) in [-1, 1] -> logits, 2,048 features and a map at S / 16 (19 x 19 for 299 px).

    The map multiplies the features behind the fourth of the eight middle blocks. ``attention`` is "regression", where a
    separable convolution draws it (20,818,330 parameters), or "mam", where it is a mean plus ten templates whose shares
    are predicted (21,890,684); the templates are principal components of the training masks (``learn_templates``).
    """

    mean: Tensor
    templates: Tensor

    def __init__(self, attention: Literal["regression", "mam"] = "regression") -> None:
        super().__init__()
        body: Any = timm.create_model("legacy_xception", num_classes=2, pretrained=False)
        self.body = body
        self.attention = attention
        if attention == "regression":
            depthwise = nn.Conv2d(728, 728, 3, padding=1, groups=728, bias=False)
            self.draw: nn.Module = nn.Sequential(depthwise, nn.Conv2d(728, 1, 1, bias=False))
        elif attention == "mam":
            block = Block(728, 364, 2, 2, start_with_relu=True, grow_first=False)
            pooled = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.draw = nn.Sequential(block, *pooled, nn.Linear(364, TEMPLATES))
            self.register_buffer("mean", torch.full((GRID, GRID), 0.5))
            self.register_buffer("templates", _waves())
        else:
            raise TypeError(f"attention is 'regression' or 'mam', not {attention!r}")

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        body = self.body
        x = body.act2(body.bn2(body.conv2(body.act1(body.bn1(body.conv1(x))))))
        for number in range(1, 8):
            x = getattr(body, f"block{number}")(x)
        logits = self._drawn(x)
        x = x * torch.sigmoid(logits)
        for number in range(8, 13):
            x = getattr(body, f"block{number}")(x)
        x = body.act4(body.bn4(body.conv4(body.act3(body.bn3(body.conv3(x))))))
        features = body.forward_head(x, pre_logits=True)
        return NetOutput(body.get_classifier()(features), features, logits)

    def _drawn(self, x: Tensor) -> Tensor:
        """The map's logits (N, 1, h, w). That of templates is cut off to 0..1, with a gradient as if it were not."""
        drawn: Tensor = self.draw(x)
        if self.attention == "regression":
            return drawn
        plane = self.mean + (drawn @ self.templates.flatten(1)).view(-1, 1, GRID, GRID)
        if x.shape[-1] != GRID:
            plane = F.interpolate(plane, x.shape[-2:], mode="bilinear", align_corners=False)
        return torch.logit(plane + (plane.clamp(1e-3, 1 - 1e-3) - plane).detach())

    @torch.no_grad()
    def learn_templates(self, masks: Tensor) -> None:
        """Mean and ten principal components of masks (N, 1, S, S) in 0..1; does nothing for the regressed map."""
        if self.attention != "mam":
            return
        small = F.adaptive_avg_pool2d(masks.float(), GRID).flatten(1)
        self.mean.copy_(small.mean(0).view(GRID, GRID))
        _, scale, axes = torch.linalg.svd(small - small.mean(0), full_matrices=False)
        spread = scale[:TEMPLATES, None] / max(1, len(small) - 1) ** 0.5
        found = (axes[:TEMPLATES] * spread).view(-1, GRID, GRID)
        self.templates[: len(found)].copy_(found)

    def load_imagenet(self) -> None:
        """Take ImageNet's weights where there are any."""
        take_imagenet(self.body, "legacy_xception")


def _waves() -> Tensor:
    """The ten slowest cosines of the grid, in place of principal components until masks have been seen."""
    line = (torch.arange(GRID) + 0.5) * torch.pi / GRID
    slow = sorted(((i, j) for i in range(4) for j in range(4)), key=lambda at: (sum(at), at))[1 : TEMPLATES + 1]
    return torch.stack([torch.cos(i * line)[:, None] * torch.cos(j * line)[None] for i, j in slow])
