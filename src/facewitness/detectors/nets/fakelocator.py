"""FakeLocator: a segmentation network that draws a gray-scale fakeness map at full resolution, and a verdict branch.

Huang et al., FakeLocator, eq. 2, 4 and 5. The limiting layer, which keeps the map in 0..1, stands behind the decoder
(the paper allows both places): it is the sigmoid that ``Graph`` lays over every map.
"""

from typing import Any, cast

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import segmentation
from torchvision.models.feature_extraction import create_feature_extractor

from facewitness.detectors.nets.residual_input import Input, InputFilter
from facewitness.detectors.output import NetOutput

SMALL = "deeplabv3_resnet18"  # ours: two stages of ResNet-18, eight times smaller than the picture
_FINE = 16  # channels of what refines the map
_BLACK = -4.0  # the logit that maps begin at: most of a crop is genuine, and forged pixels differ little
_WIDTH = 128  # of the verdict branch's convolutions; the paper gives their number and kernel only


class FakeLocator(nn.Module):
    """(N, 3, S, S) -> logits, the encoder's mean features and a map (N, 1, S, S).

    ``segmenter`` is any network of ``torchvision.models.segmentation``. The verdict branch behind the encoder has four
    3 x 3 convolutions, one max-pool 2/2 and three fully connected layers. In training, ``attention`` (N, 1, h, w) in
    0..1 may be given: it multiplies the encoder's features (eq. 5); without it they stay as they are, which is what
    the paper's white map does when testing. ``input`` is that of ``InputFilter``; the paper's is "rgb".
    With ``refine``, which is ours, three convolutions draw the map anew, on a grid of S / 2, from itself, the picture
    and its residuals, since forgeries differ from their originals at edges finer than the decoder's cells.
    """

    def __init__(
        self,
        segmenter: str = "deeplabv3_mobilenet_v3_large",
        size_px: int = 224,
        input: Input = "rgb",
        refine: bool = False,
    ) -> None:
        super().__init__()
        body = _body(segmenter)
        self.segmenter, self.input_filter = segmenter, InputFilter(input)
        self.encode, self.decode = body.backbone, body.classifier
        _widen(self.encode, self.input_filter.channels)
        channels, side = self._encoded(size_px)
        layers: list[nn.Module] = []
        for before in (channels, _WIDTH, _WIDTH, _WIDTH):
            layers += [nn.Conv2d(before, _WIDTH, 3, padding=1), nn.ReLU(inplace=True)]
        wide = _WIDTH * (side // 2) ** 2
        dense = [nn.Linear(wide, 256), nn.ReLU(inplace=True), nn.Linear(256, 64), nn.ReLU(inplace=True)]
        self.classify = nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), *dense, nn.Linear(64, 2))
        self.fine = _Fine() if refine else None
        _begin_from_nothing(self)

    def forward(self, x: Tensor, attention: Tensor | None = None) -> NetOutput:
        """One pass."""
        encoded = self.encode(self.input_filter(x))
        if attention is not None:
            encoded = {name: part * _fitted(attention, part) for name, part in encoded.items()}
        deep = _deep(encoded)
        depths = isinstance(self.decode, segmentation.lraspp.LRASPPHead)  # it reads features of several
        drawn = self.decode(encoded if depths else deep)
        plane = F.interpolate(drawn, x.shape[-2:], mode="bilinear", align_corners=False)
        if self.fine is not None:
            plane = self.fine(plane, x)
        return NetOutput(self.classify(deep), deep.mean((2, 3)), plane)

    def load_imagenet(self) -> None:
        """Take the encoder's ImageNet weights; torchvision downloads them where it has not yet."""
        body = _body(self.segmenter, "DEFAULT")
        _widen(body.backbone, self.input_filter.channels)
        self.encode.load_state_dict(body.backbone.state_dict())

    def _encoded(self, size_px: int) -> tuple[int, int]:
        """Channels and side of the encoder's deepest features."""
        training = self.encode.training
        with torch.no_grad():
            deep = _deep(self.encode.eval()(torch.zeros(1, self.input_filter.channels, size_px, size_px)))
        self.encode.train(training)
        if deep.shape[-1] < 2:
            raise TypeError(f"size_px {size_px} is too small: the encoder leaves {deep.shape[-1]} px")
        return deep.shape[1], deep.shape[-1]


class _Fine(nn.Module):
    """A map's logits (N, 1, S, S) and the picture (N, 3, S, S) -> finer logits; at first the same ones.

    The first convolution looks at every pixel, the others work on a grid of S / 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_filter = InputFilter("both")
        layers: list[nn.Module] = []
        for before, stride in ((self.input_filter.channels + 1, 2), (_FINE, 1)):
            layers += [nn.Conv2d(before, _FINE, 3, stride, padding=1, bias=False), nn.BatchNorm2d(_FINE), nn.ReLU()]
        last = nn.Conv2d(_FINE, 1, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(cast(Tensor, last.bias))
        self.layers = nn.Sequential(*layers, last)

    def forward(self, plane: Tensor, x: Tensor) -> Tensor:
        """One pass."""
        drawn = self.layers(torch.cat([plane, self.input_filter(x)], 1))
        return plane + F.interpolate(drawn, x.shape[-2:], mode="bilinear", align_corners=False)


def _body(segmenter: str, weights: str | None = None) -> Any:
    """A segmentation network with one class, its encoder with such weights."""
    if segmenter == SMALL:
        resnet = torchvision.models.get_model("resnet18", weights=weights)
        encoder = create_feature_extractor(resnet, {"layer2": "out"})
        return segmentation.DeepLabV3(encoder, segmentation.deeplabv3.DeepLabHead(128, 1, (2, 4, 8)))
    if segmenter not in torchvision.models.list_models(segmentation):
        known = ", ".join([*torchvision.models.list_models(segmentation), SMALL])
        raise TypeError(f"there is no segmentation network {segmenter!r}; torchvision and we have {known}")
    return torchvision.models.get_model(
        segmenter, weights=None, weights_backbone=weights, num_classes=1, aux_loss=False
    )


def _widen(encoder: nn.Module, channels: int) -> None:
    """Let the first convolution take more channels than three; what it makes of the others begins at random."""
    if channels == 3:
        return
    name, first = next((name, part) for name, part in encoder.named_modules() if isinstance(part, nn.Conv2d))
    shape: Any = {name: getattr(first, name) for name in ("kernel_size", "stride", "padding")}
    wide = nn.Conv2d(channels, first.out_channels, bias=first.bias is not None, **shape)
    with torch.no_grad():
        nn.init.kaiming_normal_(wide.weight, mode="fan_out")
        wide.weight[:, :3] = first.weight
    place, _, own = name.rpartition(".")
    setattr(encoder.get_submodule(place), own, wide)


def _begin_from_nothing(net: FakeLocator) -> None:
    """Settle what only matters where no weights are loaded: norms that keep up, a nearly black map, live branches."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # torchvision's MobileNet has 0.01: 500 steps until its averages are its own
    for module in list(net.classify)[:-1]:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, module.bias))
    drawn = [part for part in net.decode.modules() if isinstance(part, nn.Conv2d) and part.out_channels == 1]
    for part in drawn:  # LR-ASPP adds two
        nn.init.constant_(cast(Tensor, part.bias), _BLACK / len(drawn))


def _deep(encoded: dict[str, Tensor]) -> Tensor:
    return encoded["out"] if "out" in encoded else encoded["high"]


def _fitted(attention: Tensor, part: Tensor) -> Tensor:
    return F.interpolate(attention, part.shape[-2:], mode="bilinear", align_corners=False).to(part.dtype)
