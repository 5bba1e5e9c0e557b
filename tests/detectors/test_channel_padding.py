"""Channels in whole blocks: another shape, the same function."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from facewitness.detectors.channel_padding import pad_channels


def test_a_wider_copy_computes_the_same_and_leaves_the_original_alone() -> None:
    torch.manual_seed(0)
    separable = nn.Conv2d(728, 728, 3, padding=1, groups=728, bias=False)
    net = nn.Sequential(nn.Conv2d(3, 728, 3), nn.BatchNorm2d(728), nn.ReLU(), separable, nn.Conv2d(728, 5, 1)).train()
    x = torch.randn(2, 3, 9, 9)
    net(x)  # the norm has statistics of its own
    wide = pad_channels(net.eval())
    with torch.no_grad():
        torch.testing.assert_close(wide(x), net(x))
        assert wide[:4](x).shape == (2, 736, 7, 7)
        assert not wide[:4](x)[:, 728:].any()
    assert net[:4](x).shape == (2, 728, 7, 7)
    assert len(wide.state_dict()) == len(net.state_dict())


def test_a_block_before_a_convolution_is_filled_where_it_is_half_full() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(12, 24, 3), nn.BatchNorm2d(24), nn.LeakyReLU(0.1))
    net = nn.Sequential(nn.Conv2d(3, 12, 3), nn.MaxPool2d(2), block, nn.Conv2d(24, 8, 3)).train()
    x = torch.randn(2, 3, 18, 18)
    net(x)
    wide = pad_channels(net.eval())
    with torch.no_grad():
        torch.testing.assert_close(wide(x), net(x))
        assert [wide[:number](x).shape[1] for number in (1, 3, 4)] == [16, 32, 8]


@pytest.mark.parametrize(
    "net",
    [
        nn.Conv2d(40, 112, 1),
        nn.Sequential(nn.Conv2d(3, 7, 1), nn.ReLU(), nn.Conv2d(7, 8, 3)),  # less than half a block
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sigmoid(), nn.Conv2d(8, 8, 3)),  # makes something of nothing
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=2)),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 5)),
        nn.ModuleList([nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3)]),  # nobody knows their order
    ],
)
def test_what_cannot_or_need_not_be_filled_stays(net: nn.Module) -> None:
    wide = pad_channels(net)
    torch.testing.assert_close(wide.state_dict(), net.state_dict())
    assert [str(layer) for layer in wide.modules()] == [str(layer) for layer in net.modules()]
