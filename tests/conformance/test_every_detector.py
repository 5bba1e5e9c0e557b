"""What every architecture of the zoo must hold, and every shipped detector. A new entry is tested by being listed."""

from __future__ import annotations

import itertools
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from facewitness.config import load
from facewitness.detectors import zoo
from facewitness.detectors.base import ONNX_FILE, detect
from facewitness.detectors.graph import Graph, with_complexity
from facewitness.detectors.torch_backend import TorchDetector
from facewitness.training.objectives import OBJECTIVES, Truth
from facewitness.training.recipe import TrainRecipe
from tests.conformance.small import SMALL, fresh_graph, random_crops, small_card

RECIPES = Path(__file__).parents[2] / "src/facewitness/recipes/zoo"
PUBLISHED = {  # parameters at the card's own size, counted by the authors, in official weight files, or in timm
    "meso4": 27_977,
    "mesoinception4": 28_615,
    "shallownet-v1": 26_272_794,
    "shallownet-v2": 51_706_626 - 2 * 1024,  # Keras counts the moving statistics of the one norm
    "shallownet-v3": 118_079_266,
    "xception": 20_811_050,
    "efficientnet-b0": 4_010_110,
    "suppressnet": 45_219_998,
    "statsnet": 284_034,
    "forensictransfer": 196_643 + 3 * 72 + 3 * 72 + 3 + 464,  # for six channels in and out, and with its norms
    "classnseg": 148_200 + 156_749,
    "ffd-xception": 20_818_330,
    "ffd-xception-mam": 21_890_684,
    "patch-xception": 191_330,
    "patch-resnet": 157_634,
    "cnndetection": 23_510_081,
    "dct": 49_153,
    "dct-cnn": 38_885,
    "capsule-v2": 3_896_638,
}
OUTPUTS: dict[str, list[float]] = json.loads(Path(__file__).with_name("outputs.json").read_text())


def test_the_card_is_complete(name: str) -> None:
    card = zoo.card(name)
    assert card.name == name
    assert card.paper
    assert card.licence
    assert card.about
    graph = Graph(card)
    assert card.cam_layer in dict(graph.net.named_modules())  # "" is the net itself: nothing in it has a place
    assert card.weights is None, "an architecture is untrained"
    counted = with_complexity(card, graph.net)
    assert (card.parameters, card.macs) == (counted.parameters, counted.macs)
    assert card.parameters == PUBLISHED.get(name, card.parameters)


def test_the_recipe_is_the_papers_and_trains_this_entry(name: str) -> None:
    path = RECIPES / f"{name}.toml"
    recipe = load(path, TrainRecipe)
    assert (recipe.name, recipe.net.entry) == (name, name)
    assert recipe.crop.size_px == zoo.card(name).crop.size_px
    assert recipe.crop.margin == zoo.card(name).crop.margin
    assert path.read_text().count("#") >= 2, "a comment says whose settings these are"


def test_shapes_types_and_ranges(name: str) -> None:
    card = small_card(name)
    detection = TorchDetector(card, fresh_graph(name))(random_crops(card.crop.size_px))
    assert detection.score.shape == (3,)
    assert detection.features.ndim == 2
    assert detection.features.shape[0] == 3
    assert (detection.map is not None) == card.has_map
    for part in (detection.score, detection.map):
        if part is not None:
            assert part.dtype == np.float32
            assert 0 <= part.min() <= part.max() <= 1
    if detection.map is not None:
        assert detection.map.ndim == 3


def test_the_function_of_the_net_is_the_one_that_finished_runs_were_trained_with(name: str) -> None:
    """Whoever changes it on purpose changes the net's entry in experiments/revisions.json, and its numbers here."""
    graph = fresh_graph(name)
    _fill(graph.net)
    crops = torch.from_numpy(random_crops(SMALL, 2)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        output = graph.eval().raw(crops)
    features = output.features.double()
    found = [*output.logits.flatten().tolist(), float(features.mean()), float(features.std())]
    if output.map is not None:
        found += [float(output.map.double().mean()), float(output.map.double().std())]
    np.testing.assert_allclose(found, OUTPUTS[name], rtol=1e-3, atol=1e-4)


def _fill(net: torch.nn.Module) -> None:
    """Give every tensor of a net values that depend on its name alone."""
    state = net.state_dict()
    for name, value in state.items():
        if value.is_floating_point():
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            if value.ndim > 1:
                data = rng.standard_normal(value.shape) / np.sqrt(max(1, value[0].numel()))
            elif name.endswith(("running_var", "weight")):
                data = rng.uniform(0.5, 1.5, value.shape)
            else:
                data = rng.uniform(-0.1, 0.1, value.shape)
            state[name] = torch.from_numpy(np.asarray(data)).to(value.dtype)
    net.load_state_dict(state)


def test_column_one_is_fake(name: str) -> None:
    graph = fresh_graph(name)
    crops = torch.from_numpy(random_crops(small_card(name).crop.size_px))
    with torch.no_grad():
        score = graph(crops)[0]
        logits = graph.raw(crops.permute(0, 3, 1, 2)).logits
    torch.testing.assert_close(score, torch.softmax(logits, 1)[:, 1])


def test_every_parameter_gets_a_gradient(name: str) -> None:
    """From what the entry's own recipe minimises."""
    graph = fresh_graph(name).train()
    with torch.no_grad():
        for parameter in graph.parameters():  # some begin at zero, and what they multiply would get no gradient
            parameter.add_(torch.randn_like(parameter) * 0.02)
        for key, parameter in graph.named_parameters():
            parameter.add_(0.3 * key.endswith("bias"))  # so that no filter begins dead
    size = small_card(name).crop.size_px
    crops = torch.from_numpy(random_crops(size, 4)).permute(0, 3, 1, 2)
    regions = torch.zeros(4, 1, size, size)
    regions[2:, :, 16:48, 16:48] = 1
    truth = Truth(torch.tensor([0, 0, 1, 1]), regions, torch.ones(4, dtype=torch.bool))
    section = load(RECIPES / f"{name}.toml", TrainRecipe).loss
    OBJECTIVES[section.kind](graph, crops, truth, section).total.backward()
    void = _taken_away(graph)
    learning = [(n, p) for n, p in graph.net.named_parameters() if p.requires_grad and n not in void]
    assert learning
    assert [n for n, p in learning if p.grad is None or not torch.isfinite(p.grad).all()] == []
    assert [n for n, p in learning if p.grad is not None and p.grad.abs().sum() == 0] == []


def _taken_away(graph: Graph) -> set[str]:
    """Biases right before a batch norm: it takes them away again, and what gradient they get is rounding."""
    found = set()
    for name, module in graph.net.named_modules():
        if isinstance(module, torch.nn.Sequential):
            for number, (layer, following) in enumerate(itertools.pairwise(module)):
                if hasattr(layer, "bias") and isinstance(following, torch.nn.modules.batchnorm._BatchNorm):
                    found.add(f"{name}.{number}.bias".lstrip("."))
    return found


def test_a_crop_scores_the_same_alone_and_in_a_batch(name: str) -> None:
    detector = TorchDetector(small_card(name), fresh_graph(name))
    crops = random_crops(detector.card.crop.size_px)
    together, alone = detector(crops), detector(crops[1:2])
    np.testing.assert_allclose(together.score[1], alone.score[0], atol=1e-5)
    if together.map is not None and alone.map is not None:
        np.testing.assert_allclose(together.map[1], alone.map[0], atol=1e-5)


def test_evaluation_is_deterministic_and_dropout_acts_in_training(name: str) -> None:
    graph = fresh_graph(name)
    crops = torch.from_numpy(random_crops(small_card(name).crop.size_px)).permute(0, 3, 1, 2)

    def alike() -> bool:
        one, other = graph.raw(crops), graph.raw(crops)
        return torch.equal(one.logits, other.logits) and (one.map is None or torch.equal(one.map, other.map))

    with torch.no_grad():
        assert alike()
        dropouts = [module for module in graph.modules() if isinstance(module, torch.nn.Dropout) and module.p > 0]
        for module in dropouts:
            module.train()
        assert alike() == (not dropouts)


def test_mixed_precision_changes_little(name: str) -> None:
    """Spectra and residuals of eight-bit mantissas would be noise: what a net is taught must be what it later sees."""
    graph = fresh_graph(name)
    crops = torch.from_numpy(random_crops(small_card(name).crop.size_px)).permute(0, 3, 1, 2)
    with torch.no_grad():
        exact = graph.raw(crops).features
        with torch.autocast("cpu", torch.bfloat16):
            mixed = graph.raw(crops).features.float()
    assert (mixed - exact).norm() < 0.1 * exact.norm()


def test_an_empty_batch_is_an_empty_detection(name: str) -> None:
    size = small_card(name).crop.size_px
    detection = TorchDetector(small_card(name), fresh_graph(name))(np.zeros((0, size, size, 3), np.uint8))
    assert detection.score.shape == (0,)


@pytest.mark.parametrize("shipped", zoo.SHIPPED)
def test_a_shipped_detector_is_whole(shipped: str) -> None:
    detector = zoo.load(shipped)
    card = detector.card
    assert card.calibration is not None
    assert card.calibration.real_below <= card.calibration.fake_above
    assert card.trained_on
    assert card.licence
    files = list(zoo.shipped_folder(shipped).rglob(ONNX_FILE))
    assert len(files) == max(1, len(card.members))
    assert sum(file.stat().st_size for file in files) <= 25 * 2**20
    views = [tuple(random_crops(one.size_px, 3) for one in card.crop.further)] * 2
    detection = detect(detector, random_crops(card.crop.size_px, 2), views)
    assert detection.score.shape == (2,)
    assert (detection.map is not None) == card.has_map
