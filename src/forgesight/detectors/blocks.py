"""Channels in whole blocks, for onnxruntime: the same function, a little wider and a little faster."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

WIDTHS = {728: 736}
"""Xception's width, and the next that sixteen divides. onnxruntime computes in blocks of sixteen channels (AVX-512) and
copies a tensor out of them and back wherever an addition or a pool finds the last block not filled."""


def filled(module: nn.Module) -> nn.Module:
    """A copy of the module in which layers of such widths have some channels more, that are always zero."""
    module = copy.deepcopy(module)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            for name in ("in_channels", "out_channels", "groups"):
                setattr(layer, name, WIDTHS.get(getattr(layer, name), getattr(layer, name)))
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            for name, value in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
                _widen(layer, name, value)
    return module


def _widen(layer: nn.Module, name: str, value: Any) -> None:
    """Put zeros (ones, for a variance) where a parameter or buffer lacks channels."""
    wanted = [WIDTHS.get(length, length) for length in value.shape]
    if wanted == list(value.shape):
        return
    new = value.detach().new_full(wanted, float(name == "running_var"))
    new[tuple(slice(length) for length in value.shape)] = value.detach()
    setattr(layer, name, nn.Parameter(new) if isinstance(value, nn.Parameter) else new)
