"""Plain classifiers: any network of timm under the house's output. Xception, EfficientNet, ResNet, VGG, CNNDetection.

Their published weights load under timm's own names; ``forgesight.detectors.official`` reads the other spellings.
"""

from __future__ import annotations

from typing import Any

import timm
from torch import Tensor, nn
from torch.nn import functional as F

from forgesight.detectors.output import NetOutput


class Backbone(nn.Module):
    """(N, 3, S, S) -> logits and the D features that the last layer reads; no map.

    ``outputs`` 1 is a net with one unit for P(fake), whose logit z becomes the columns (0, z).
    """

    def __init__(self, backbone: str, outputs: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        body: Any = timm.create_model(backbone, num_classes=outputs, pretrained=False)
        self.body = body
        self.dropout = nn.Dropout(dropout)
        if outputs == 1:
            nn.init.normal_(body.get_classifier().weight, std=0.02)  # as CNNDetection begins

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        features = self.body.forward_head(self.body.forward_features(x), pre_logits=True)
        logits = self.body.get_classifier()(self.dropout(features))
        return NetOutput(F.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits, features)

    def load_imagenet(self) -> None:
        """Take ImageNet's weights for everything but the last layer; timm downloads them where it has not yet."""
        take_imagenet(self.body, self.backbone)


def take_imagenet(body: nn.Module, backbone: str) -> None:
    """Copy into ``body`` what it shares, by name and shape, with timm's pretrained network of that name."""
    published = timm.create_model(backbone, pretrained=True).state_dict()
    own = body.state_dict()
    shared = {name: value for name, value in published.items() if name in own and own[name].shape == value.shape}
    body.load_state_dict({**own, **shared})
