"""``Graph`` = normalise + net + squash in one module: what torch runs is what ONNX exports, so the two cannot drift."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from facewitness.detectors.output import NetOutput
from facewitness.types import Card, CardError


class Graph(nn.Module):
    """(N, S, S, 3) uint8 RGB crops -> score (N,), features (N, D) and, if the card has a map, map (N, h, w) in 0..1."""

    scale: Tensor
    shift: Tensor

    def __init__(self, card: Card, net: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net if net is not None else build(card)
        self.has_map = card.has_map
        self.temperature = card.calibration.temperature if card.calibration else 1.0
        mean, std = (torch.tensor(three, dtype=torch.float64).view(1, 3, 1, 1) for three in (card.mean, card.std))
        self.register_buffer("scale", (1 / (255 * std)).float(), persistent=False)
        self.register_buffer("shift", (-mean / std).float(), persistent=False)
        self.is_shifted = bool(mean.any())

    def raw(self, crops: Tensor) -> NetOutput:
        """Crops (N, 3, S, S), uint8 or float in 0..255, to the net's own output. Training starts here."""
        output: NetOutput = self.net(self.normalised(crops))
        return output

    def normalised(self, crops: Tensor) -> Tensor:
        """Crops (N, 3, S, S), uint8 or float in 0..255, as the net wants them."""
        scaled = crops.float() * self.scale
        return scaled + self.shift if self.is_shifted else scaled

    def layer(self, name: str) -> nn.Module:
        """A part of the net by its dotted name.

        Raises:
            CardError: the net has none of that name.
        """
        modules = dict(self.net.named_modules())
        if not name or name not in modules:
            raise CardError(f"{type(self.net).__name__}: no layer {name!r}; give the dotted name of one")
        found: nn.Module = modules[name]
        return found

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """The exported pass."""
        output = self.raw(crops.permute(0, 3, 1, 2))
        margin = (output.logits[:, 1] - output.logits[:, 0]) / self.temperature
        results = (torch.sigmoid(margin), output.features)
        if not self.has_map or output.map is None:
            return results
        return (*results, torch.sigmoid(output.map[:, 0]))


def fresh(card: Card) -> Graph:
    """A graph with fresh weights whose norms have seen one batch of noise: numbers as large as after a training."""
    graph = Graph(card)
    side = card.crop.size_px
    with torch.no_grad():
        graph.train().raw(torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8))
    return graph.eval()


def build(card: Card) -> nn.Module:
    """The net a card describes, with fresh weights.

    Raises:
        CardError: ``card.build`` names nothing, or its arguments do not fit.
    """
    module_name, _, class_name = card.build.partition(":")
    try:
        kind: Any = getattr(import_module(module_name), class_name)
        net = kind(**card.args)
    except (ImportError, AttributeError, TypeError) as error:
        raise CardError(f"card {card.name!r}: cannot build {card.build!r} with {dict(card.args)}: {error}") from error
    if not isinstance(net, nn.Module):
        raise CardError(f"card {card.name!r}: {card.build!r} is not a torch module")
    return net


def with_complexity(card: Card, net: nn.Module) -> Card:
    """The card with ``parameters`` and ``macs`` of its net at its crop size. Counted, not looked up.

    Frozen parameters count: they are part of the weights. Additions without a multiplication, such as pooling, do not.
    """
    parameters = sum(parameter.numel() for parameter in net.parameters())
    was_training = net.training
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    crop = torch.zeros(1, 3, card.crop.size_px, card.crop.size_px, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(crop)
    net.train(was_training)
    return replace(card, parameters=parameters, macs=counter.get_total_flops() // 2)
