"""ADD's space: parameter counts as published, operations and cells by hand, genotypes as data."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from facewitness.detectors.nets.add import Add, Heads, Stack, channels_for, parameters
from facewitness.detectors.nets.cells import OPERATIONS, PUBLISHED, Cell, Genotype, Mixture
from facewitness.detectors.nets.residual_input import InputFilter
from facewitness.types import RecipeError


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "channels", "normal", "stem", "classes", "expected"),
    [
        ("darts-v2", 36, 6, "cifar", 10, 3_349_342),
        ("gdas-v1", 36, 6, "cifar", 10, 3_368_782),
        ("darts-v2", 48, 4, "imagenet", 1000, 4_718_752),
        ("gdas-v1", 50, 4, "imagenet", 1000, 5_345_075),
    ],
)
def test_published_networks_have_their_published_parameters(
    name: str, channels: int, normal: int, stem: str, classes: int, expected: int
) -> None:
    with torch.device("meta"):
        stack = Stack(channels, normal, PUBLISHED[name], stem)
    assert _count(stack) + stack.width * classes + classes == expected


@pytest.mark.parametrize(
    ("name", "stride", "expected"),
    [
        *((name, stride, 0) for name in ("zero", "average-3", "max-3") for stride in (1, 2)),
        ("identity", 1, 0),
        ("identity", 2, 8 * 8 + 16),
        *((f"conv-{k}", stride, k * k * 64 + 16) for k in (3, 5, 7) for stride in (1, 2)),
        *((f"separable-{k}", 1, 2 * (k * k * 8 + 64 + 16)) for k in (3, 5)),
        *((f"dilated-{k}", 2, k * k * 8 + 64 + 16) for k in (3, 5)),
    ],
)
def test_operations_have_the_parameters_of_the_table_and_halve_with_stride_2(
    name: str, stride: int, expected: int
) -> None:
    operation = OPERATIONS[name](8, stride, True).eval()
    assert _count(operation) == expected
    for side in (8, 7):
        assert operation(torch.rand(1, 8, side, side)).shape == (1, 8, -(-side // stride), -(-side // stride))
    assert len(OPERATIONS) == 11


def test_pools_leave_out_the_padding() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(OPERATIONS["average-3"](1, 1, True)(ones), ones)


def test_a_block_sums_two_operations_and_a_cell_puts_blocks_side_by_side() -> None:
    blocks = (((0, "identity"), (1, "identity")), ((2, "identity"), (0, "average-3")))
    cell = Cell((6, 6), 4, reduction=False, after_reduction=False, cell=blocks).eval()
    one, other = torch.rand(2, 6, 8, 8), torch.rand(2, 6, 8, 8)
    first, second = cell.older(one), cell.newer(other)
    expected = first + second
    further = expected + nn.functional.avg_pool2d(first, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(cell(one, other), torch.cat([expected, further], 1))
    assert cell.channels == 8


def test_an_open_cell_is_the_weighted_sum_over_inputs_and_operations() -> None:
    """Eq. 2: with all the weight on what a genotype would pick, it is that cell."""
    names = ("zero", "identity", "max-3")
    cell = Cell((3, 3), 3, reduction=False, after_reduction=False, cell=None, names=names, blocks=1).eval()
    one, other = torch.rand(1, 3, 6, 6), torch.rand(1, 3, 6, 6)
    first, second = cell.older(one), cell.newer(other)
    pooled = nn.functional.max_pool2d(first, 3, 1, 1)
    weights = torch.tensor([[0.5, 0.2, 0.3], [0.0, 1.0, 0.0]])
    torch.testing.assert_close(cell(one, other, weights), 0.2 * first + 0.3 * pooled + second)
    with pytest.raises(ValueError, match="weights"):
        cell(one, other)


def test_what_has_no_weight_is_not_run() -> None:
    mixture = Mixture(2, 1, ("identity", "conv-3"))
    mixture.operations[1].register_forward_hook(lambda *_: pytest.fail("it was run"))
    x = torch.rand(1, 2, 4, 4)
    torch.testing.assert_close(mixture(x, torch.tensor([1.0, 0.0])), x)


def test_a_genotype_survives_json_and_a_random_one_is_its_seeds() -> None:
    for genotype in (*PUBLISHED.values(), Genotype.random(3)):
        assert Genotype.parse(genotype.json()) == genotype
    assert Genotype.parse("random-3") == Genotype.random(3) != Genotype.random(4)
    assert Genotype.parse("gdas-v1") is PUBLISHED["gdas-v1"]
    for seed in range(20):
        drawn = Genotype.random(seed)
        assert all(one != other for cell in (drawn.normal, drawn.reduction) for one, other in cell)
        assert all(op != "zero" for cell in (drawn.normal, drawn.reduction) for block in cell for _, op in block)


def test_the_share_of_skips() -> None:
    assert PUBLISHED["darts-v2"].skips() == (2 + 3) / 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nonsense", "a genotype is one of darts-v2, gdas-v1, or JSON"),
        ({"normal": []}, "a genotype is one of"),
        ({"normal": [], "reduction": []}, "its normal cell has no block"),
        ({"normal": [[[0, "conv-9"], [1, "max-3"]]]}, "no operation 'conv-9' .* searched in another space"),
        ({"normal": [[[2, "conv-3"], [1, "max-3"]]]}, "block 0 of the normal cell reads input 2; it may read 0 to 1"),
        ({"normal": [[[0, "conv-3"]]]}, "has 1 pairs; a block has 2"),
    ],
)
def test_a_genotype_that_does_not_fit_is_refused(change: object, message: str) -> None:
    whole = change if isinstance(change, str) else json.dumps(change)
    if isinstance(change, dict) and change.get("normal"):
        whole = json.dumps({"reduction": [[[0, "conv-3"], [1, "max-3"]]], **change})
    with pytest.raises(RecipeError, match=message):
        Genotype.parse(whole)


@pytest.mark.slow
@pytest.mark.parametrize("genotype", ["darts-v2", "gdas-v1", "random-1"])
def test_channels_meet_the_budget(genotype: str) -> None:
    channels = channels_for(genotype, 5_600_000)
    assert parameters(genotype, channels) <= 5_600_000 < parameters(genotype, channels + 2)
    assert _count(Add(genotype, 4)) == parameters(genotype, 4)


def test_a_budget_that_cannot_be_met_says_what_could() -> None:
    with pytest.raises(RecipeError, match=r"1,000 parameters cannot be met: two channels take .*raise it"):
        channels_for("gdas-v1", 1000)


def test_the_region_gates_the_features() -> None:
    """Eq. 6: where the region's logits say no, nothing reaches the verdict."""
    torch.manual_seed(0)
    heads = Heads(8, True).eval()
    assert heads.locate is not None
    f = torch.rand(1, 8, 2, 2)
    with torch.no_grad():
        heads.locate.weight.zero_()
        heads.locate.bias.fill_(-60.0)
        logits, features, region = heads(f)
        shut = heads.classify(torch.relu(heads.reduce.bias)[None])
        torch.testing.assert_close(logits, shut)
        heads.locate.bias.fill_(60.0)
        open_, _, _ = heads(f)
        torch.testing.assert_close(open_, Heads.forward(_blind(heads), f)[0])
    assert region is not None
    assert region.shape == (1, 1, 2, 2)
    assert features.shape == (1, 256)


def _blind(heads: Heads) -> Heads:
    other = Heads(8, False).eval()
    other.load_state_dict({k: v for k, v in heads.state_dict().items() if not k.startswith("locate")})
    return other


def test_without_a_region_there_is_no_map_and_a_flat_picture_has_no_high_pass() -> None:
    assert Add(channels=4, region=False).eval()(torch.rand(1, 3, 64, 64)).map is None
    net = Add(channels=4, input="high-pass").eval()
    seen: list[torch.Tensor] = []
    net.stack.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net(torch.full((1, 3, 64, 64), 0.4))
    assert seen[0][..., 1:-1, 1:-1].abs().max() < 1e-6
    both = Add(channels=4, input="both").eval()
    both.stack.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    picture = torch.rand(1, 3, 64, 64)
    both(picture)
    assert torch.equal(seen[1][:, :3], picture)
    assert torch.equal(seen[1][:, 3:], InputFilter("high-pass")(picture))
    text = Genotype.random(0).json()
    fits = channels_for(text, 200_000, normal=1, input="both")
    assert (
        parameters(text, fits, normal=1, input="both") <= 200_000 < parameters(text, fits + 2, normal=1, input="both")
    )
    with pytest.raises(RecipeError, match="'rgb', 'high-pass' or 'both'"):
        Add(input="depth")
