"""How large a net is: what it learns, and what one crop costs. Counted, not looked up."""

from dataclasses import replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from facewitness.types import Card


def with_complexity(card: Card, net: nn.Module) -> Card:
    """The card with ``parameters`` and ``macs`` of its net at its crop size.

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
