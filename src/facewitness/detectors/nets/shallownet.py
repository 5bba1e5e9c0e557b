"""ShallowNet V1, V2 and V3 (Tariq et al., MPS 2018 and SAC 2019).

Their last layer is two sigmoid units; here their logits are the two columns, and soft-max takes the sigmoids' place.
"""

from collections.abc import Iterator
from functools import partial

import torch
from timm.layers.create_conv2d import create_conv2d
from torch import Tensor, nn

from facewitness.detectors.output import NetOutput

DROPOUT = 0.25
_norm1d, _norm2d = (partial(kind, eps=1e-3, momentum=0.01) for kind in (nn.BatchNorm1d, nn.BatchNorm2d))  # Keras'


class _Shallow(nn.Module):
    """Convolutions, one wide layer, two units."""

    def __init__(self, body: nn.Module, hidden: nn.Module, size_px: int) -> None:
        super().__init__()
        self.body, self.hidden = body, hidden
        with torch.no_grad():
            length = body.eval()(torch.zeros(1, 3, size_px, size_px)).numel()
        body.train()
        width = next(module.num_features for module in hidden.modules() if isinstance(module, nn.BatchNorm1d))
        self.wide = nn.Linear(length, width)
        self.dropout = nn.Dropout(DROPOUT)
        self.classify = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        flat = self.body(x).permute(0, 2, 3, 1).flatten(1)  # as Keras flattens
        features = self.hidden(self.wide(flat))
        return NetOutput(self.classify(self.dropout(features)), features)


class ShallowNetV1(_Shallow):
    """(N, 3, S, S) in [0, 1] -> logits and 3,933 features; no map. 26,272,794 parameters at 128 px."""

    def __init__(self, size_px: int = 128) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for out in (96, 192, 257, 311, 396):
            for number in range(3):
                layers += [nn.Conv2d(channels, out, 3, padding=1), _norm2d(out), nn.ReLU()]
                layers += [nn.MaxPool2d(3, 2)] if number == 2 else []
                layers += [nn.Dropout(DROPOUT)]
                channels = out
        for kernel in (3, 1):
            layers += [nn.Conv2d(channels, 437, kernel, padding=kernel // 2), _norm2d(437), nn.ReLU()]
            layers += [nn.Dropout(DROPOUT)]
            channels = 437
        super().__init__(nn.Sequential(*layers), _norm1d(3933), size_px)


class ShallowNetV2(_Shallow):
    """(N, 3, S, S) in [0, 1] -> logits and 1,024 features; no map. 51,704,578 trainable parameters at 64 px."""

    def __init__(self, size_px: int = 64) -> None:
        layers: list[nn.Module] = []
        plan = [(96, 3, 1), (96, 3, 1), (96, 3, 2), (192, 3, 1), (192, 3, 1), (192, 3, 2), (192, 3, 1), (192, 1, 1)]
        channels = 3
        for out, kernel, stride in plan:
            # TensorFlow's padding: at stride 2 an even size is padded on the right and below only
            convolution = create_conv2d(channels, out, kernel, stride=stride, padding="same", bias=True)
            layers += [convolution, nn.ReLU(), nn.Dropout(DROPOUT)]
            channels = out
        super().__init__(nn.Sequential(*layers), nn.Sequential(nn.ReLU(), _norm1d(1024)), size_px)


class ShallowNetV3(_Shallow):
    """(N, 3, S, S) in [0, 1] -> logits and 1,024 features; no map. 118,079,266 parameters at 256 px."""

    def __init__(self, size_px: int = 256) -> None:
        pooled = (nn.MaxPool2d(2), nn.Dropout(DROPOUT))
        layers = [
            *_row((3, 32, 5), (32, 32, 1), (32, 32, 1)),
            *pooled,
            *_row((32, 64, 3), (64, 64, 1), (64, 64, 1)),
            *pooled,
            *_row((64, 128, 3), (128, 32, 1)),
            nn.Dropout(DROPOUT),
        ]
        super().__init__(nn.Sequential(*layers), nn.Sequential(nn.ReLU(), _norm1d(1024)), size_px)


def _row(*plan: tuple[int, int, int]) -> Iterator[nn.Module]:
    """Unpadded convolutions with ReLU, dropout between them."""
    for number, (channels, out, kernel) in enumerate(plan):
        if number:
            yield nn.Dropout(DROPOUT)
        yield nn.Conv2d(channels, out, kernel)
        yield nn.ReLU()
