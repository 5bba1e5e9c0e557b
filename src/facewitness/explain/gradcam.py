"""Grad-CAM, plain and guided: where a detector without a map of its own looks, by captum."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from captum.attr import GuidedGradCam, LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from torch import Tensor, nn

from facewitness.detectors.base import check_crops
from facewitness.detectors.graph import Graph
from facewitness.types import Card, CardError, FacewitnessError


def grad_cam(card: Card, graph: Graph, crops: NDArray[np.uint8], layer: str = "") -> NDArray[np.float32]:
    """What speaks for the class "fake" in crops (N, S, S, 3) uint8 RGB: (N, S, S) in 0..1, each scaled to its maximum.

    Selvaraju et al., ICCV 2017: the layer's channels, weighted by the mean gradient of the fake logit less the real
    one, summed and cut off below zero; laid over the crop by bilinear interpolation. (The score knows no more of the
    logits than their difference, and a net of one sigmoid has but one that is not constant.) All zeros where nothing
    speaks for a fake. ``layer`` is a dotted name inside the net, the card's own if left out.

    Raises:
        CardError: the net has no such layer, or the layer keeps no places.
        FacewitnessError: the crops are not of the card's size.
    """
    margin, layer_of, x = _opened(card, graph, crops, layer)
    heat = LayerGradCam(margin, layer_of).attribute(x, relu_attributions=True)
    _check_places(card, layer, heat)
    side = card.crop.size_px
    return _scaled(card, LayerAttribution.interpolate(heat.detach(), (side, side), "bilinear")[:, 0])


def guided_grad_cam(card: Card, graph: Graph, crops: NDArray[np.uint8], layer: str = "") -> NDArray[np.float32]:
    """``grad_cam`` times guided backpropagation, as fine as the crop: (N, S, S) in 0..1, each scaled to its maximum.

    Of the product's three colours the absolute values are summed. What is guided are the net's ReLU modules; in a net
    of other activations the gradient is taken as it is.

    Raises:
        CardError: as ``grad_cam``.
        FacewitnessError: as ``grad_cam``.
    """
    margin, layer_of, x = _opened(card, graph, crops, layer)
    with _relus_in_their_place(margin), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks")  # captum tells that it does its work
        guided = GuidedGradCam(margin, layer_of).attribute(x, interpolate_mode="bilinear")
    _check_places(card, layer, guided)
    return _scaled(card, guided.detach().abs().sum(1))


class _Margin(nn.Module):
    """A net that answers with one number for each crop, the fake logit less the real one, as captum wants it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x).logits
        return logits[:, 1] - logits[:, 0]


def _opened(card: Card, graph: Graph, crops: NDArray[np.uint8], layer: str) -> tuple[_Margin, nn.Module, Tensor]:
    check_crops(crops, card)
    looked_at = graph.layer(layer or card.cam_layer)
    x = graph.eval().normalised(torch.from_numpy(crops).permute(0, 3, 1, 2)).requires_grad_()
    return _Margin(graph.net), looked_at, x


def _check_places(card: Card, layer: str, heat: object) -> None:
    if not isinstance(heat, Tensor) or heat.ndim != 4:
        raise CardError(f"{card.name}: {layer or card.cam_layer} keeps no places (its output is not (N, C, h, w))")


def _scaled(card: Card, planes: Tensor) -> NDArray[np.float32]:
    planes = planes.float()
    most = planes.flatten(1).max(1).values.clamp_min(torch.finfo(torch.float32).tiny)
    found = (planes / most[:, None, None]).numpy()
    if not np.isfinite(found).all():
        raise FacewitnessError(f"{card.name}: the gradients are not finite")
    return np.asarray(found, np.float32)


@contextmanager
def _relus_in_their_place(net: nn.Module) -> Iterator[None]:
    """A hook cannot guide what a ReLU writes over its input: for the while none does."""
    changed = [module for module in net.modules() if isinstance(module, nn.ReLU) and module.inplace]
    for module in changed:
        module.inplace = False
    try:
        yield
    finally:
        for module in changed:
            module.inplace = True
