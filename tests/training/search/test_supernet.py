"""The supernet: weights by hand, gradients by differences, what is derived, and a space that can be enumerated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.cells import Block, Cell
from facewitness.training.search.recipe import SearchSection
from facewitness.training.search.run import step
from facewitness.training.search.supernet import Supernet, derive, drawn, measured_costs
from facewitness.types import FacewitnessError

pytestmark = pytest.mark.slow


def _net(**section: object) -> Supernet:
    torch.manual_seed(0)
    small = {"channels": 2, "blocks": 1, "operations": ["zero", "identity", "max-3", "conv-3"], **section}
    return Supernet(SearchSection(**small))


def test_softmax_weighs_all_operations_of_an_edge() -> None:
    net = _net()
    alpha = torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    weights = net.weights(alpha)
    torch.testing.assert_close(weights[1], torch.full((4,), 0.25))
    torch.testing.assert_close(weights[0], torch.tensor([1, 1, torch.e, 1]) / (3 + torch.e))
    assert [tuple(alpha.shape) for alpha in net.alphas] == [(2, 4), (2, 4)]
    assert [tuple(alpha.shape) for alpha in Supernet(SearchSection(channels=2)).alphas] == [(14, 11), (14, 11)]


def test_gumbel_draws_one_operation_in_proportion_to_the_softmax() -> None:
    alpha = torch.log(torch.tensor([[0.1, 0.2, 0.7]])).requires_grad_()
    torch.manual_seed(0)
    weights = torch.stack([drawn(alpha, 1.0)[0] for _ in range(3000)])
    assert ((weights != 0).sum(1) == 1).all()
    torch.testing.assert_close(weights.detach().sum(1), torch.ones(3000))
    torch.testing.assert_close(weights.detach().mean(0), torch.tensor([0.1, 0.2, 0.7]), atol=0.03, rtol=0)
    weights[0].max().backward()
    assert alpha.grad is not None
    assert alpha.grad.abs().sum() > 0


def test_noise_that_is_not_finite_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def broken(self: Tensor) -> Tensor:
        calls.append(1)
        return self.fill_(0.0 if len(calls) == 1 else 1.0)  # the logarithm of 0 is no number to add

    monkeypatch.setattr(Tensor, "exponential_", broken)
    assert torch.isfinite(drawn(torch.zeros(2, 3), 1.0)).all()
    assert len(calls) == 2


def test_an_alpha_that_is_not_finite_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(FacewitnessError, match=r"lower search\.rate"):
        drawn(torch.tensor([[0.0, float("nan")]]), 1.0)


def test_in_evaluation_gumbel_takes_the_heaviest() -> None:
    net = _net(sampler="gumbel").eval()
    assert net.weights(torch.tensor([[0.0, 3.0, 1.0, 0.0]])).tolist() == [[0, 1, 0, 0]]


def test_alphas_gradient_is_that_of_finite_differences() -> None:
    net = _net().double().eval()
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64)

    def loss() -> Tensor:
        return F.cross_entropy(net(x).logits, torch.tensor([0, 1]))

    loss().backward()
    for alpha in net.alphas:
        assert alpha.grad is not None
        assert alpha.grad.abs().max() > 0
        for row, column in ((0, 0), (0, 3), (1, 1)):
            with torch.no_grad():
                kept = alpha[row, column].item()
                found = []
                for shift in (1e-5, -1e-5):
                    alpha[row, column] = kept + shift
                    found.append(loss().item())
                alpha[row, column] = kept
            assert alpha.grad[row, column].item() == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-3, abs=1e-9)


def test_the_two_heaviest_pairs_of_a_block_are_derived_and_never_zero() -> None:
    alpha = torch.zeros(5, 3)
    alpha[0, 0] = 9.0  # zero, whatever it weighs
    alpha[0, 2], alpha[1, 1] = 8.5, 2.0
    alpha[4, 1], alpha[4, 2] = 1.0, 3.0
    assert derive(alpha, ("zero", "identity", "conv-3")) == (
        ((1, "identity"), (0, "conv-3")),
        ((2, "conv-3"), (0, "identity")),
    )


def test_two_pairs_may_share_an_input_and_differ_in_their_operation() -> None:
    alpha = torch.zeros(2, 3)
    alpha[1] = torch.tensor([-9.0, 2.0, 2.1])
    first, second = derive(alpha, ("zero", "identity", "conv-3"))[0]
    assert {first, second} == {(1, "identity"), (1, "conv-3")}


def test_what_is_expected_to_take_long_costs_more() -> None:
    net = _net()
    costs = torch.tensor([0.0, 0.0, 0.2, 1.0])
    with torch.no_grad():
        for alpha in net.alphas:
            alpha.zero_()
    assert net.latency(costs).item() == pytest.approx(0.3)
    with torch.no_grad():
        for alpha in net.alphas:
            alpha[:, 3] = 20.0
    assert net.latency(costs).item() == pytest.approx(1.0)
    measured = measured_costs(["identity", "conv-7"], 8, 16)
    assert measured.tolist()[0] < measured.tolist()[1] == 1


def test_alpha_is_no_weight_and_a_weights_step_leaves_it_alone() -> None:
    net = _net()
    before = [alpha.detach().clone() for alpha in net.alphas]
    optimizer = torch.optim.SGD(net.operations(), 0.1)
    step(net, optimizer, lambda: net(torch.rand(2, 3, 64, 64)).logits.square().sum(), net.operations())
    assert all(torch.equal(alpha, kept) for alpha, kept in zip(net.alphas, before, strict=True))
    assert len(net.operations()) == len(list(net.parameters())) - 2


class Toy(nn.Module):
    """One open or filled cell of one block under a mean and a linear layer; six cells, where two may be taken.

    The older input is noise, the newer one the picture.
    """

    def __init__(self, cell: tuple[Block, ...] | None) -> None:
        super().__init__()
        kind = {"reduction": False, "after_reduction": False, "cell": cell, "names": NAMES, "blocks": 1}
        self.cell = Cell((1, 1), 4, **kind)
        self.alpha = nn.Parameter(1e-3 * torch.randn(2, len(NAMES)))
        self.say = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.alpha, 1) if self.cell.cell is None else None
        made = self.cell(torch.rand_like(x), x, weights)
        said: Tensor = self.say(torch.relu(made).mean((2, 3)))
        return said


NAMES = ("zero", "average-3", "conv-3")


def _pictures(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Stripes of one pixel lying or standing: averages cannot tell them, three pixels a side can."""
    labels = torch.randint(0, 2, (count,), generator=generator)
    lying = torch.arange(8).fmod(2).view(8, 1).expand(8, 8)
    stripes = torch.where(labels.view(-1, 1, 1).bool(), lying, lying.T)
    return (stripes + 0.5 * torch.randn(count, 8, 8, generator=generator))[:, None], labels


def _batches(seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield _pictures(32, generator)


def _trained(cell: tuple[Block, ...], seed: int) -> float:
    """The validation loss of a cell trained by itself."""
    torch.manual_seed(seed)
    net, batches = Toy(cell), _batches(seed)
    optimizer = torch.optim.Adam([p for n, p in net.named_parameters() if n != "alpha"], 0.02)
    for _, (x, y) in zip(range(40), batches, strict=False):
        step(net, optimizer, lambda x=x, y=y: F.cross_entropy(net(x), y), list(net.parameters()))  # type: ignore[misc]
    x, y = _pictures(256, torch.Generator().manual_seed(99))
    return F.cross_entropy(net.eval()(x), y).item()


def _searched(seed: int) -> tuple[Block, ...]:
    torch.manual_seed(seed)
    net, batches = Toy(None), _batches(seed)
    own = [p for n, p in net.named_parameters() if n != "alpha"]
    weights, architecture = torch.optim.Adam(own, 0.02), torch.optim.Adam([net.alpha], 0.02)
    for _ in range(60):
        for optimizer, parameters in ((weights, own), (architecture, [net.alpha])):
            x, y = next(batches)
            step(net, optimizer, lambda x=x, y=y: F.cross_entropy(net(x), y), parameters)  # type: ignore[misc]
    return derive(net.alpha.detach(), NAMES)


def test_in_a_space_that_can_be_enumerated_the_search_finds_the_best_or_second_best_cell() -> None:
    pairs = [(source, name) for source in range(2) for name in NAMES if name != "zero"]
    cells = [((one, other),) for one, other in combinations(pairs, 2)]
    assert len(cells) == 6
    losses = {frozenset(cell[0]): sum(_trained(cell, seed) for seed in range(2)) for cell in cells}
    best = sorted(losses, key=lambda cell: losses[cell])[:2]
    found = [frozenset(_searched(seed)[0]) for seed in range(10)]
    assert sum(cell in best for cell in found) >= 8, (losses, found)
