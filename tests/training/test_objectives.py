"""Objectives against numbers worked out by hand, on nets that answer what the test tells them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from facewitness.detectors import zoo
from facewitness.detectors.graph import Graph
from facewitness.detectors.nets.autoencoders import Decoded, SplitLatent
from facewitness.detectors.output import NetOutput
from facewitness.training.objectives import OBJECTIVES, Terms, Truth
from facewitness.training.recipe import LossSection, OptimSection
from facewitness.training.supervised import Supervised
from facewitness.types import Card, CropProfile, RecipeError

LABELS = torch.tensor([0, 1])


class _Says(nn.Module):
    def __init__(self, output: NetOutput) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: Tensor) -> NetOutput:
        return self.output


def _judged(kind: str, net: nn.Module, regions: Tensor | None = None, **section: object) -> Terms:
    truth = Truth(LABELS, torch.zeros(2, 1, 4, 4) if regions is None else regions, torch.tensor([True, True]))
    graph = Graph(Card("x", "x:Y"), net)
    return OBJECTIVES[kind](graph, torch.full((2, 3, 4, 4), 127.5), truth, LossSection(kind=kind, **section))


def _output(plane: Tensor | None = None, features: Tensor | None = None) -> NetOutput:
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])  # P(fake) = 1/2 of the real, 3/4 of the fake
    return NetOutput(logits, torch.zeros(2, 1) if features is None else features, plane)


def test_cross_entropy_without_a_map() -> None:
    terms = _judged("cross-entropy", _Says(_output()))
    assert float(terms.total) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert float(terms.region) == 0


def test_squared_error() -> None:
    assert float(_judged("squared-error", _Says(_output())).total) == pytest.approx((0.5**2 + 0.25**2) / 2)


def test_patches() -> None:
    plane = torch.zeros(2, 1, 1, 2)
    plane[1, 0, 0] = torch.tensor([math.log(3.0), -math.log(3.0)])  # 3/4, 1/4
    expected = (2 * math.log(2) + math.log(4 / 3) + math.log(4)) / 4
    assert float(_judged("patches", _Says(_output(plane))).total) == pytest.approx(expected)


def test_attention() -> None:
    plane = torch.zeros(2, 1, 2, 2)  # 1/2 everywhere
    regions = torch.zeros(2, 1, 4, 4)
    regions[1, :, :2, :] = 1
    regions[1, :, 2:, :1] = 1  # the cells of the fake: 1, 1, 1/2, 0
    terms = _judged("attention", _Says(_output(plane)), regions, map_weight=2.0)
    assert float(terms.region) == pytest.approx((4 * 0.5 + 0.5 + 0.5 + 0 + 0.5) / 8)
    assert float(terms.total) == pytest.approx(float(terms.verdict) + 2 * float(terms.region))


def test_attention_leaves_out_what_is_not_known() -> None:
    graph = Graph(Card("x", "x:Y"), _Says(_output(torch.zeros(2, 1, 2, 2))))
    for known, expected in (([True, False], 0.5), ([False, False], 0.0)):
        truth = Truth(LABELS, torch.zeros(2, 1, 4, 4), torch.tensor(known))
        found = OBJECTIVES["attention"](graph, torch.zeros(2, 3, 4, 4), truth, LossSection(kind="attention"))
        assert float(found.region) == pytest.approx(expected)


def test_capsule_sums_over_dimensions() -> None:
    features = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, math.log(3.0), 0.0, 0.0]])  # two dimensions, two classes
    expected = (2 * math.log(2) + math.log(4 / 3) + math.log(2)) / 2
    assert float(_judged("capsule", _Says(_output(features=features))).total) == pytest.approx(expected)


class _HalvesByHand(SplitLatent):
    def __init__(self, segments: bool) -> None:
        super().__init__()
        self.segments = segments
        self.seen: list[Tensor] = []

    def encode(self, x: Tensor) -> Tensor:
        latent = torch.zeros(2, 2, 1, 1)
        latent[:, 0], latent[:, 1] = 0.75, -0.5  # real, forged
        return latent

    def decode(self, latent: Tensor) -> Decoded:
        self.seen.append(latent)
        segments = torch.zeros(2, 2, 4, 4) if self.segments else None
        return Decoded(torch.full((2, 3, 4, 4), 0.25), segments)


def test_halves() -> None:
    net = _HalvesByHand(segments=False)
    terms = _judged("split-latent", net, reconstruction_weight=0.1)
    activation = ((0.5 + 0.25) + (0.5 + 0.75)) / 2
    assert float(terms.verdict) == pytest.approx(activation)
    assert float(terms.total) == pytest.approx(activation + 0.1 * 0.25)  # the input is 0.5, the picture 0.25
    assert net.seen[0].flatten().tolist() == [0.75, 0, 0, -0.5], "decoded from the half of the truth"


def test_halves_with_segmentation_goes_through_softmax_twice() -> None:
    regions = torch.zeros(2, 1, 4, 4)
    regions[1] = 1
    terms = _judged(
        "split-latent", _HalvesByHand(segments=True), regions, reconstruction="squared", reconstruction_weight=1
    )
    assert float(terms.region) == pytest.approx(math.log(2))  # of (1/2, 1/2), which soft-max leaves
    assert float(terms.total) == pytest.approx(float(terms.verdict) + 0.25**2 + math.log(2))


@pytest.mark.parametrize(
    ("kind", "message"), [("patches", "has none"), ("attention", "has none"), ("split-latent", "split-latent")]
)
def test_an_objective_that_does_not_fit_the_net_says_so(kind: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        _judged(kind, _Says(_output()))


class _Attends(nn.Module):
    """Draws what attention it is given, and says nothing."""

    def forward(self, x: Tensor, attention: Tensor | None = None) -> NetOutput:
        plane = torch.zeros(len(x), 1, 4, 4) if attention is None else torch.logit(attention)
        return _output(plane)


def test_fakeness_adds_the_verdict_and_hands_on_the_attention() -> None:
    regions = torch.tensor([0.0, 0.2]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    verdict = (math.log(2) + math.log(4 / 3)) / 2
    blind = _judged("fakeness", _Attends(), regions, verdict_weight=0.5, map_weight=2)
    assert float(blind.total) == pytest.approx(0.5 * verdict + 2 * (0.5 + 0.3) / 2)
    truth = Truth(LABELS, regions, torch.tensor([True, True]), torch.full((2, 1, 4, 4), 0.25))
    graph = Graph(Card("x", "x:Y"), _Attends())
    led = OBJECTIVES["fakeness"](graph, torch.zeros(2, 3, 4, 4), truth, LossSection(kind="fakeness"))
    assert float(led.region) == pytest.approx((0.25 + 0.05) / 2)


def test_only_the_parts_named_learn_and_the_norms_of_the_others_stay() -> None:
    torch.manual_seed(0)
    graph = Graph(zoo.resized(zoo.card("meso4"), CropProfile(size_px=64, margin=0.3)))
    module = Supervised(graph, LossSection(), OptimSection(learn=["hidden", "out"]), 10)
    net = graph.net
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {
        *("hidden.weight", "hidden.bias", "out.weight", "out.bias")
    }
    net.train()
    module.on_train_epoch_start()
    norm = next(m for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    graph.raw(torch.randint(0, 256, (4, 3, 64, 64)))
    assert torch.equal(norm.running_mean, before)
    assert net.dropout.training, "what drops out in front of a part that learns still does"
    with pytest.raises(RecipeError, match=r"no part 'head' .* it has blocks, hidden, out"):
        Supervised(graph, LossSection(), OptimSection(learn=["head"]), 10)
