"""Nets with a map, with halves, and with capsules: what sets them apart, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from facewitness.detectors import zoo
from facewitness.detectors.graph import build
from facewitness.detectors.nets.autoencoders import ClassNSeg, ForensicTransfer
from facewitness.detectors.nets.capsule import CapsuleV2, squash
from facewitness.detectors.nets.fakelocator import FakeLocator
from facewitness.detectors.nets.ffd import FfdXception
from facewitness.detectors.nets.patch import Patches, PatchResnet, PatchXception, aggregate
from facewitness.detectors.nets.residual_input import InputFilter
from facewitness.types import RecipeError


@pytest.mark.parametrize("attention", ["regression", "mam"])
def test_the_attention_map_is_19_by_19_at_299_px(attention: str) -> None:
    net = build(zoo.card("ffd-xception" if attention == "regression" else "ffd-xception-mam")).eval()
    with torch.no_grad():
        output = net(torch.rand(1, 3, 299, 299))
    assert output.map is not None
    assert output.map.shape == (1, 1, 19, 19)


def test_the_map_multiplies_what_comes_after_it() -> None:
    torch.manual_seed(0)
    net = FfdXception().eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = net(x).features
        next(iter(net.draw.children())).weight.zero_()  # the map becomes 0.5 everywhere
        assert not torch.allclose(net(x).features, before)
        assert torch.equal(torch.sigmoid(net(x).map), torch.full((1, 1, 4, 4), 0.5))


def test_templates_are_the_principal_components_of_the_masks() -> None:
    net = FfdXception("mam").eval()
    masks = torch.zeros(8, 1, 38, 38)
    masks[:4, :, :, :19] = 1  # left halves, and right halves
    masks[4:, :, :, 19:] = 1
    net.learn_templates(masks)
    assert float(net.mean[0, 0]) == pytest.approx(0.5)
    left = net.templates[0]
    assert float(left[3, 2]) == pytest.approx(-float(left[5, 16]), abs=1e-5)
    assert float(left[3, 2].abs()) == pytest.approx(0.5 * math.sqrt(8 / 7), abs=1e-4)  # one deviation
    assert net.templates[1].abs().max() < 1e-4


def test_a_map_of_templates_keeps_its_gradient_where_it_is_cut_off() -> None:
    net = FfdXception("mam").eval()
    linear = list(net.draw.children())[-1]
    assert isinstance(linear, torch.nn.Linear)
    linear.bias.data[0] = 100.0  # far outside of 0..1
    torch.sigmoid(net(torch.rand(1, 3, 64, 64)).map).sum().backward()
    assert linear.bias.grad is not None
    assert torch.isfinite(linear.bias.grad).all()
    assert linear.bias.grad.abs().sum() > 0


def _reach(net: Patches, size: int) -> int:
    """Over how many columns a pixel can be seen by the cell in the middle of the map: NaN goes wherever it is seen."""
    net.eval()
    columns = []
    for column in range(size):
        x = torch.zeros(1, 3, size, size)
        x[..., column] = math.nan
        with torch.no_grad():
            cells = net(x).map[0, 0]
        columns.append(bool(cells[len(cells) // 2, len(cells) // 2].isnan()))
    assert columns.index(True) > 0, "the picture is too small to tell"
    assert not columns[-1]
    return sum(columns)


@pytest.mark.parametrize(
    ("net", "size", "reach"),
    [
        (lambda: PatchXception(block=1), 61, 19),
        (lambda: PatchXception(block=2), 101, 43),
        (lambda: PatchResnet(layer=1), 101, 43),
    ],
)
def test_a_patch_sees_as_far_as_published(net: object, size: int, reach: int) -> None:
    assert callable(net)
    assert _reach(net(), size) == reach


def test_truncated_networks_have_the_published_parameters() -> None:
    counts = {1: 55_010, 2: 191_330, 3: 1_108_218, 4: 2_722_194, 5: 4_336_170}
    for block, expected in counts.items():
        with torch.device("meta"):
            assert sum(p.numel() for p in PatchXception(block).parameters()) == expected


def test_a_picture_is_the_mean_of_its_patches() -> None:
    plane = torch.tensor([[[[0.0, math.log(3.0)], [-math.log(3.0), math.log(9.0)]]]])  # 0.5, 0.75, 0.25, 0.9
    assert float(torch.softmax(aggregate(plane), 1)[0, 1]) == pytest.approx(0.6)


def test_halves_by_hand() -> None:
    latent = torch.zeros(2, 128, 2, 2)
    latent[0, :64], latent[0, 64:] = 1.0, -3.0
    latent[1, :64, 0, 0] = 4.0
    second_is_fake, first_is_fake = ForensicTransfer(), ClassNSeg()
    assert second_is_fake.activity(latent).tolist() == [[1.0, 3.0], [1.0, 0.0]]
    assert first_is_fake.activity(latent).tolist() == [[3.0, 1.0], [0.0, 1.0]]
    forged = torch.tensor([True, False])
    kept = second_is_fake.select(latent, forged)
    assert kept[0, :64].abs().sum() == 0
    assert torch.equal(kept[0, 64:], latent[0, 64:])
    assert torch.equal(kept[1, :64], latent[1, :64])
    assert torch.equal(first_is_fake.select(latent, forged), second_is_fake.select(latent, ~forged))


def test_residuals_of_a_ramp_are_nothing_and_of_a_step_are_the_taps() -> None:
    net = ForensicTransfer()
    ramp = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)
    assert net.prepared(ramp)[..., 2:-3].abs().max() < 1e-6
    step = torch.zeros(1, 3, 16, 16)
    step[..., 8:] = 1
    rows, columns = net.prepared(step).split(3, dim=1)
    assert rows[0, 0, 4].unique().tolist() == [-1, 0, 1]  # -1, 2 cut off at 1, -1
    assert columns.abs().max() == 0


def test_squash_by_hand() -> None:
    torch.testing.assert_close(squash(torch.tensor([[3.0, 4.0]]), 1), torch.tensor([[3.0, 4.0]]) / 5 * 25 / 26)


def test_capsules_have_the_published_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in CapsuleV2().parameters()) == 3_896_638
        assert sum(p.numel() for p in CapsuleV2(capsules=3).parameters()) == 2_796_889


@pytest.mark.slow
def test_a_frozen_trunk_stays_as_it_is_in_training() -> None:
    net = CapsuleV2(capsules=2).train()
    assert not net.vgg.training
    assert not any(parameter.requires_grad for parameter in net.vgg.parameters())
    assert CapsuleV2(capsules=2, frozen=False).train().vgg.training


def test_routing_by_hand() -> None:
    """One capsule, whose votes are their own mean whatever the routing: squashed once for each class."""
    net = CapsuleV2(capsules=1).eval()
    pose = torch.arange(8.0)[None, None]
    votes = torch.einsum("kde,e->kd", net.routes[:, 0], pose[0, 0])
    with torch.no_grad():
        torch.testing.assert_close(net._route(pose)[0], squash(votes, 1).T)


@pytest.mark.parametrize(
    ("segmenter", "features"),
    [
        ("deeplabv3_mobilenet_v3_large", 960),
        ("lraspp_mobilenet_v3_large", 960),
        ("fcn_resnet50", 2048),
        ("deeplabv3_resnet18", 128),
    ],
)
def test_fakelocator_draws_at_the_inputs_own_resolution_with_any_segmenter(segmenter: str, features: int) -> None:
    net = FakeLocator(segmenter, 64).eval()
    with torch.no_grad():
        output = net(torch.rand(2, 3, 64, 64))
    assert output.map is not None
    assert output.map.shape == (2, 1, 64, 64)
    assert output.logits.shape == (2, 2)
    assert output.features.shape == (2, features)


def test_fakelocators_branch_is_the_papers() -> None:
    layers = [type(layer).__name__ for layer in FakeLocator(size_px=64).classify]
    assert [name for name in layers if name != "ReLU"] == ["Conv2d"] * 4 + ["MaxPool2d", "Flatten"] + ["Linear"] * 3
    assert {layer.kernel_size for layer in FakeLocator(size_px=64).classify if isinstance(layer, nn.Conv2d)} == {(3, 3)}


@pytest.mark.parametrize("segmenter", ["deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_fakelocator_begins_from_nothing_with_a_nearly_black_map(segmenter: str) -> None:
    net = FakeLocator(segmenter, 64)
    output = net(torch.rand(4, 3, 64, 64))
    assert output.map is not None
    assert 0.005 < torch.sigmoid(output.map).mean().item() < 0.05
    assert {norm.momentum for norm in net.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.1}


@pytest.mark.slow
def test_fakelocator_sees_colours_residuals_or_both() -> None:
    x = torch.rand(2, 3, 64, 64)
    flat = torch.full_like(x, 0.3)
    assert InputFilter("high-pass")(flat)[..., 1:-1, 1:-1].abs().max() < 1e-5
    assert torch.equal(InputFilter("both")(x)[:, :3], x)
    for shown, channels in (("rgb", 3), ("high-pass", 3), ("both", 6)):
        for segmenter in ("deeplabv3_resnet50", "deeplabv3_resnet18", "lraspp_mobilenet_v3_large"):
            net = FakeLocator(segmenter, 64, shown).eval()
            first = next(part for part in net.encode.modules() if isinstance(part, nn.Conv2d))
            assert first.in_channels == channels
            assert net(x).map.shape == (2, 1, 64, 64)
    with pytest.raises(RecipeError, match="high-pass"):
        FakeLocator(size_px=64, input="infrared")


def test_a_refined_map_begins_as_the_coarse_one_and_learns_to_follow_edges() -> None:
    torch.manual_seed(0)
    net = FakeLocator("lraspp_mobilenet_v3_large", 64, refine=True)
    assert net.fine is not None
    x = torch.zeros(1, 3, 64, 64)
    x[..., 31:33] = 1  # a line
    coarse = torch.zeros(1, 1, 64, 64)
    assert torch.equal(net.fine(coarse, x), coarse)
    wanted = torch.zeros(1, 1, 64, 64)
    wanted[..., 31:33] = 1
    descent = torch.optim.Adam(net.fine.parameters(), 0.02)
    for _ in range(150):
        loss = (net.fine(coarse, x) - wanted).square().mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
    drawn = net.fine(coarse, x)[0, 0]
    assert drawn[:, 31:33].mean() > 0.6, drawn[32]
    assert drawn[:, :28].abs().mean() < 0.1


def test_attention_multiplies_the_encoders_features() -> None:
    torch.manual_seed(0)
    net = FakeLocator(size_px=64).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        plain, white, half = net(x), net(x, torch.ones(1, 1, 64, 64)), net(x, torch.full((1, 1, 64, 64), 0.5))
        left = torch.zeros(1, 1, 64, 64)
        left[..., :32] = 1
        led = net(x, left)
    torch.testing.assert_close(plain, white)
    torch.testing.assert_close(half.features, plain.features / 2)
    torch.testing.assert_close(led.features, net.encode(x)["out"][..., :2].sum((2, 3)) / 16, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "message"), [({"segmenter": "unet"}, "no segmentation network"), ({"size_px": 16}, "too small")]
)
def test_fakelocator_says_what_it_cannot_be_built_of(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        FakeLocator(**given)
