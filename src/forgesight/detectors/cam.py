"""Grad-CAM: where a detector without a map of its own looks, by captum."""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor

from forgesight.detectors import zoo
from forgesight.detectors.graph import Graph
from forgesight.types import Card, CardError, ForgesightError


def grad_cam(card: Card, graph: Graph, crops: NDArray[np.uint8], layer: str = "") -> NDArray[np.float32]:
    """What speaks for the class "fake" in crops (N, S, S, 3) uint8 RGB: (N, S, S) in 0..1, each scaled to its maximum.

    Selvaraju et al., ICCV 2017: the layer's channels, weighted by the mean gradient of the fake logit, summed and cut
    off below zero; laid over the crop by bilinear interpolation. All zeros where nothing speaks for it. ``layer`` is a
    dotted name inside the net, the card's own if left out.

    Raises:
        CardError: the net has no such layer, or the layer keeps no places.
        ForgesightError: the crops are not of the card's size.
    """
    zoo.check_crops(crops, card)
    name = layer or card.cam_layer
    modules = dict(graph.net.named_modules())
    if not name or name not in modules:
        raise CardError(f"{card.name}: no layer {name!r} to look at; give the dotted name of a convolution")
    graph.eval()

    def logits(x: Tensor) -> Tensor:
        found: Tensor = graph.net(x).logits
        return found

    x = graph.normalised(torch.from_numpy(crops).permute(0, 3, 1, 2)).requires_grad_()
    heat = LayerGradCam(logits, modules[name]).attribute(x, target=1, relu_attributions=True)
    if not isinstance(heat, Tensor) or heat.ndim != 4:
        raise CardError(f"{card.name}: {name} keeps no places (its output is not (N, C, h, w))")
    side = card.crop.size_px
    planes = LayerAttribution.interpolate(heat.detach(), (side, side), "bilinear")[:, 0].float()
    most = planes.flatten(1).max(1).values.clamp_min(torch.finfo(torch.float32).tiny)
    found = (planes / most[:, None, None]).numpy()
    if not np.isfinite(found).all():
        raise ForgesightError(f"{card.name}: the gradients at {name} are not finite")
    return np.asarray(found, np.float32)
