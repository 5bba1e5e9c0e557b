"""Channels in whole blocks: another shape, the same function."""

from __future__ import annotations

import torch
from torch import nn

from forgesight.detectors.blocks import filled


def test_a_wider_copy_computes_the_same_and_leaves_the_original_alone() -> None:
    torch.manual_seed(0)
    separable = nn.Conv2d(728, 728, 3, padding=1, groups=728, bias=False)
    net = nn.Sequential(nn.Conv2d(3, 728, 3), nn.BatchNorm2d(728), nn.ReLU(), separable, nn.Conv2d(728, 5, 1)).train()
    x = torch.randn(2, 3, 9, 9)
    net(x)  # the norm has statistics of its own
    wide = filled(net.eval())
    with torch.no_grad():
        torch.testing.assert_close(wide(x), net(x))
        assert wide[:4](x).shape == (2, 736, 7, 7)
        assert not wide[:4](x)[:, 728:].any()
    assert net[:4](x).shape == (2, 728, 7, 7)
    assert len(wide.state_dict()) == len(net.state_dict())


def test_other_widths_stay() -> None:
    net = nn.Conv2d(40, 112, 1)
    torch.testing.assert_close(filled(net).state_dict(), net.state_dict())
