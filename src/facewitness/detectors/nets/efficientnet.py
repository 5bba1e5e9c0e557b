"""EfficientNet as a plain classifier whose last layer begins as small as that of its neighbours."""

from typing import Any

from torch import nn

from facewitness.detectors.nets.backbone import Backbone


class EfficientNet(Backbone):
    """As ``Backbone``. timm draws this family's last layer from +-1 / sqrt(classes): with two, first logits of ten."""

    def __init__(self, backbone: str, outputs: int = 2, dropout: float = 0.0) -> None:
        super().__init__(backbone, outputs, dropout)
        body: Any = self.body
        head = body.get_classifier()
        bound = head.in_features**-0.5  # torch's own for a linear layer
        nn.init.uniform_(head.weight, -bound, bound)
