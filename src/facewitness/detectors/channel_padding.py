"""Channels in whole blocks, for onnxruntime: the same function, a little wider and faster.

onnxruntime computes in blocks of sixteen channels (AVX-512), and copies a tensor out of them and back wherever the last
block is not filled: before a pool, an addition or the next convolution.
"""

import copy
from collections.abc import Iterator

from torch import nn

BLOCK = 16
WIDTHS = {728: 736}
"""Xception's width, which is all over its body, and the next in whole blocks."""
ZERO_STAYS = (nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AvgPool2d)
"""What may stand between two convolutions: it takes each channel by itself, and makes zeros of zeros."""


def pad_channels(module: nn.Module) -> nn.Module:
    """A copy of the module in which layers have some channels more, that are always zero.

    They get them where they are as wide as Xception, and before a 3 x 3 convolution of a ``Sequential`` where the last
    block of channels is at least half full. (The larger ones lose more than the copy costs, and 1 x 1 gain nothing.)
    """
    module = copy.deepcopy(module)
    layers = list(module.modules())
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            _take(layer, WIDTHS.get(layer.in_channels, layer.in_channels))
            _give(layer, WIDTHS.get(layer.out_channels, layer.out_channels))
        elif isinstance(layer, nn.BatchNorm2d):
            _give(layer, WIDTHS.get(layer.num_features, layer.num_features))
    for first, between, last in (three for layer in layers for three in _neighbours(layer)):
        width = first.out_channels
        if width % BLOCK >= BLOCK // 2 and last.kernel_size == (3, 3):
            width += -width % BLOCK
            for layer in (first, *between):
                _give(layer, width)
            _take(last, width)
    return module


def _neighbours(chain: nn.Module) -> Iterator[tuple[nn.Conv2d, list[nn.Module], nn.Conv2d]]:
    """Convolutions that follow each other in a ``Sequential``, and what is between them."""
    first: nn.Conv2d | None = None
    between: list[nn.Module] = []
    for layer in _flat(chain):
        if isinstance(layer, nn.Conv2d) and layer.groups == 1:
            if first:
                yield first, between, layer
            first, between = layer, []
        elif isinstance(layer, ZERO_STAYS):
            between.append(layer)
        else:
            first = None


def _flat(layer: nn.Module) -> Iterator[nn.Module]:
    """What a ``Sequential`` does, one after the other, with the steps of those that are in it."""
    if isinstance(layer, nn.Sequential):
        for step in layer:
            yield from _flat(step)
    else:
        yield layer


def _give(layer: nn.Module, width: int) -> None:
    """Let a layer give so many channels; one that takes them one by one takes as many."""
    _widen(layer, 0, width)
    if isinstance(layer, nn.Conv2d):
        if layer.groups == layer.out_channels:
            layer.groups = width
        layer.out_channels = width


def _take(layer: nn.Conv2d, width: int) -> None:
    """Let a convolution take so many channels."""
    if layer.groups == 1:
        _widen(layer, 1, width)
    layer.in_channels = width


def _widen(layer: nn.Module, axis: int, width: int) -> None:
    """Put zeros (ones, for a variance) where a layer's parameters and buffers are shorter."""
    for name, value in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
        if value.dim() > axis and value.shape[axis] < width:
            shape = [width if place == axis else length for place, length in enumerate(value.shape)]
            new = value.detach().new_full(shape, float(name == "running_var"))
            new[tuple(slice(length) for length in value.shape)] = value.detach()
            setattr(layer, name, nn.Parameter(new) if isinstance(value, nn.Parameter) else new)
