"""Plain classifiers: counts of layers and parameters, and equality with timm and torchvision."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from facewitness.detectors import zoo
from facewitness.detectors.graph import build
from facewitness.detectors.nets.backbone import Backbone
from facewitness.detectors.nets.shallownet import ShallowNetV1, ShallowNetV2, ShallowNetV3
from facewitness.detectors.nets.statsnet import statistics
from facewitness.detectors.nets.suppressnet import SuppressNet


def _learnt(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_shallownets_have_the_published_layers_and_parameters_at_every_size() -> None:
    counts = {
        ShallowNetV1: ({64: 12_523_026, 128: 26_272_794, 256: 95_021_634}, 17),
        ShallowNetV2: ({64: 51_704_578, 128: 202_699_522, 256: 806_679_298}, 8),
        ShallowNetV3: ({64: 4_833_058, 128: 25_804_578, 256: 118_079_266}, 8),
    }
    for kind, (sizes, convolutions) in counts.items():
        for size_px, expected in sizes.items():
            with torch.device("meta"):
                net = kind(size_px=size_px)
            assert _learnt(net) == expected
            assert sum(isinstance(module, nn.Conv2d) for module in net.modules()) == convolutions


def test_shallownet_pads_strided_convolutions_right_and_below() -> None:
    net = ShallowNetV2(64)
    strided = next(
        module for module in net.body.children() if isinstance(module, nn.Conv2d) and module.stride == (2, 2)
    )
    weight = torch.zeros_like(strided.weight)
    weight[0, 0, 2, 2] = 1  # sees the pixel below and to the right of the window's middle
    strided.weight.data, strided.bias = weight, None
    planes = torch.zeros(1, 96, 4, 4)
    planes[0, 0] = torch.arange(16.0).view(4, 4)
    assert strided(planes)[0, 0].tolist() == [[10, 0], [0, 0]]


def test_the_constrained_network_at_both_papers_sizes() -> None:
    with torch.device("meta"):
        assert _learnt(SuppressNet(128)) == 45_219_998
        assert _learnt(SuppressNet(227)) == 130_154_654


def test_the_constraint_holds_from_the_start_and_is_brought_back() -> None:
    net = SuppressNet(64)
    _assert_constrained(net)
    with torch.no_grad():
        net.constrained.weight.add_(torch.randn_like(net.constrained.weight))
        net.constrained.weight[3] = 0  # nothing to scale
    net.constrain()
    _assert_constrained(net)


def _assert_constrained(net: SuppressNet) -> None:
    weight = net.constrained.weight.detach()[:, 0]
    assert torch.equal(weight[:, 2, 2], torch.full((12,), -1.0))
    torch.testing.assert_close(weight.sum((1, 2)) + 1, torch.ones(12), atol=1e-4, rtol=0)


def test_statistics_by_hand() -> None:
    planes = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 4.0]]]])
    expected = [3.0, 1.0, 6.0, 3.5, 1.0, 0.0, 4.0, 3.0]  # mean, least, greatest, variance; the channel slowest
    assert statistics(planes)[0].tolist() == expected


def test_efficientnet_and_xception_are_timms() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 96, 96)
    for entry, name in (("efficientnet-b0", "tf_efficientnet_b0"), ("xception", "legacy_xception")):
        ours, theirs = build(zoo.card(entry)).eval(), timm.create_model(name, num_classes=2).eval()
        theirs.load_state_dict({key.removeprefix("body."): value for key, value in ours.state_dict().items()})
        with torch.no_grad():
            torch.testing.assert_close(ours(x).logits, theirs(x))


def test_resnet_is_torchvisions() -> None:
    ours, theirs = Backbone("resnet18").eval(), torchvision.models.resnet18(num_classes=2).eval()
    theirs.load_state_dict({key.removeprefix("body."): value for key, value in ours.state_dict().items()})
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x).logits, theirs(x))
    with torch.device("meta"):
        assert _learnt(Backbone("resnet152")) == _learnt(torchvision.models.resnet152(num_classes=2))


@pytest.mark.slow
def test_vgg_is_torchvisions() -> None:
    ours, theirs = Backbone("vgg16").eval(), torchvision.models.vgg16(num_classes=2).eval()
    names = {"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6"}
    state = theirs.state_dict()
    for key, value in ours.state_dict().items():
        own, _, kind = key.removeprefix("body.").rpartition(".")
        name = f"{names.get(own, own)}.{kind}"
        state[name] = value.reshape(state[name].shape)
    theirs.load_state_dict(state)
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(x).logits, theirs(x), atol=1e-5, rtol=1e-4)


def test_one_unit_is_the_logit_of_forged() -> None:
    net = build(zoo.card("cnndetection")).eval()
    with torch.no_grad():
        logits = net(torch.rand(1, 3, 64, 64)).logits
    assert logits[0, 0] == 0
    assert logits[0, 1] != 0
