"""Causal effects: closed form where all is linear, brute force where it is not, overlaps against chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from facewitness.detectors import zoo
from facewitness.detectors.graph import Graph, fresh
from facewitness.explain.neurons import Read, activations, by_chance, effects, effects_by_running, overlap, read, spread
from facewitness.types import CardError, CropProfile

RNG = np.random.default_rng(0)


def _read(count: int = 50, width: int = 7) -> Read:
    features = RNG.normal(size=(count, width)).astype(np.float32)
    return Read(features, RNG.normal(size=width).astype(np.float32), 0.3)


def test_on_a_linear_output_it_is_the_closed_form() -> None:
    """E[margin | do(h_i = g)] = E[margin] - w_i E[h_i] + w_i g; so the effect is w_i (g - mean of the values)."""
    given = _read()
    values = spread([given])
    found = effects(given, values, "margin")
    margin = given.features.astype(float) @ given.weight + given.bias
    held = margin.mean() - given.weight * given.features.mean(0)
    np.testing.assert_allclose(found.expected, held[:, None] + given.weight[:, None] * values, atol=1e-6)
    middle = values.mean(1, keepdims=True)
    np.testing.assert_allclose(found.effect, given.weight[:, None] * (values - middle), atol=1e-6)
    np.testing.assert_allclose(found.score("range"), np.abs(given.weight) * np.ptp(values, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.score(), found.score("range") / 2, atol=1e-6)


def test_values_reach_from_the_least_to_the_greatest_activation_of_all_sets() -> None:
    one, other = _read(), _read()
    values = spread([one, other], 5)
    both = np.concatenate([one.features, other.features])
    np.testing.assert_allclose(values[:, 0], both.min(0))
    np.testing.assert_allclose(values[:, -1], both.max(0))
    np.testing.assert_allclose(np.diff(values, axis=1), np.diff(values, axis=1)[:, :1].repeat(4, 1))


def _graph(name: str) -> Graph:
    torch.manual_seed(1)
    return fresh(zoo.resized(zoo.card(name), CropProfile(size_px=64, margin=0.3)))


@pytest.mark.parametrize(
    ("name", "layer"), [("meso4", "out"), ("shallownet-v3", "classify"), ("suppressnet", "classify")]
)
def test_it_is_what_holding_each_neuron_and_running_the_rest_says(name: str, layer: str) -> None:
    graph = _graph(name)
    crops = RNG.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    given = read(graph, crops)
    values = spread([given])
    found = effects(given, values)
    head = dict(graph.net.named_modules())[layer]
    held: dict[str, tuple[int, float]] = {}

    def hold(_: object, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        changed = inputs[0].clone()
        changed[:, held["now"][0]] = held["now"][1]
        return changed

    handle = head.register_forward_pre_hook(hold)
    for neuron in (0, 3, len(given.weight) - 1):
        for number, value in enumerate(values[neuron]):
            held["now"] = (neuron, float(value))
            with torch.no_grad():
                score = graph(torch.from_numpy(crops))[0].mean().item()
            assert found.expected[neuron, number] == pytest.approx(score, abs=1e-5)
    handle.remove()


@pytest.mark.parametrize("name", ["xception", "resnet18", "suppressnet", "shallownet-v1", "mesoinception4"])
def test_other_entries_with_a_dense_layer_can_be_read(name: str) -> None:
    given = read(_graph(name), RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    assert given.features.shape == (2, len(given.weight))


def test_a_detector_without_a_dense_layer_over_its_features_is_refused() -> None:
    with pytest.raises(CardError, match="not a dense layer over its"):
        read(_graph("forensictransfer"), RNG.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))


def test_top_and_overlap_by_hand() -> None:
    given = Read(np.array([[0.0, 0, 0], [1, 1, 1]], np.float32), np.array([1.0, -3, 2], np.float32), 0.0)
    found = effects(given, spread([given]), "margin")
    assert found.top(2).tolist() == [1, 2]
    tops = [np.array([0, 1]), np.array([1, 2]), np.array([1, 3])]
    assert overlap(tops, 5) == [1, 3, 0, 1]


def test_the_chance_level_is_the_binomial_one() -> None:
    assert [round(v) for v in by_chance(512, 1024, 5)] == [32, 160, 320, 320, 160, 32]
    drawn = np.mean([overlap([RNG.permutation(64)[:16] for _ in range(4)], 64) for _ in range(400)], axis=0)
    np.testing.assert_allclose(drawn, by_chance(16, 64, 4), atol=0.8)


def test_any_layer_can_be_held_by_running_the_net() -> None:
    """On the neurons that the verdict reads it says what the closed form says; of a convolution it holds channels."""
    graph, crops = _graph("meso4"), RNG.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    given = read(graph, crops)
    np.testing.assert_allclose(activations(graph, crops, "activation"), given.features, atol=1e-5)
    values = spread([given])
    closed = effects(given, values)
    units = [1, 7]
    slow = effects_by_running(graph, crops, "activation", values, units)
    np.testing.assert_allclose(slow.expected, closed.expected[units], atol=1e-5)
    np.testing.assert_allclose(slow.effect, closed.effect[units], atol=1e-5)
    layer = zoo.card("meso4").cam_layer
    channels = activations(graph, crops, layer)
    held = effects_by_running(graph, crops, layer, spread([Read(channels, channels[0], 0.0)]), [0])
    assert held.expected.shape == (1, 4)
    assert np.ptp(held.expected) > 0
    with pytest.raises(CardError, match="no layer 'nothing'"):
        activations(graph, crops, "nothing")
