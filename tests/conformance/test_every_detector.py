"""What every architecture of the zoo must hold, and every shipped detector. A new entry is tested by being listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from forgesight.detectors import zoo
from forgesight.detectors.export import TOLERANCE, export, parity
from forgesight.detectors.graph import Graph
from forgesight.detectors.onnx_backend import OnnxDetector
from forgesight.detectors.torch_backend import TorchDetector

PARAMETERS = {
    "meso4": 27_977,  # Afchar et al.: the number in the paper and in the official weight files
    "effnet-map": 910_807,  # ours, pinned so that a change of timm or of the decoder shows
}
NAMES = list(zoo.ARCHITECTURES)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    torch.manual_seed(0)
    return str(request.param)


def _crops(size: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _graph(name: str) -> Graph:
    """A graph with fresh weights whose normalisation layers have seen something, as after a training."""
    card = zoo.card(name)
    graph = Graph(card)
    crops = torch.from_numpy(_crops(card.crop.size_px, 4)).permute(0, 3, 1, 2)
    with torch.no_grad():
        graph.train().raw(crops)
    return graph.eval()


def test_the_card_is_complete(name: str) -> None:
    card = zoo.card(name)
    assert card.name == name
    assert card.paper
    assert card.licence
    modules = dict(Graph(card).net.named_modules())
    assert card.cam_layer in modules
    assert card.weights is None, "an architecture is untrained"


def test_the_parameter_count_is_the_published_one(name: str) -> None:
    net = Graph(zoo.card(name)).net
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == PARAMETERS[name]


def test_shapes_types_and_ranges(name: str) -> None:
    card = zoo.card(name)
    detection = TorchDetector(card, _graph(name))(_crops(card.crop.size_px))
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


def test_column_one_is_fake(name: str) -> None:
    graph = _graph(name)
    crops = torch.from_numpy(_crops(zoo.card(name).crop.size_px))
    with torch.no_grad():
        score = graph(crops)[0]
        logits = graph.raw(crops.permute(0, 3, 1, 2)).logits
    torch.testing.assert_close(score, torch.softmax(logits, 1)[:, 1])


def test_every_parameter_gets_a_gradient(name: str) -> None:
    graph = Graph(zoo.card(name)).train()
    crops = torch.from_numpy(_crops(zoo.card(name).crop.size_px)).permute(0, 3, 1, 2)
    output = graph.raw(crops)
    loss = output.logits.square().sum() + (output.map.square().sum() if output.map is not None else 0)
    loss.backward()
    without = [n for n, p in graph.net.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []
    dead = [n for n, p in graph.net.named_parameters() if p.grad is not None and p.grad.abs().sum() == 0]
    assert dead == []


def test_a_crop_scores_the_same_alone_and_in_a_batch(name: str) -> None:
    detector = TorchDetector(zoo.card(name), _graph(name))
    crops = _crops(detector.card.crop.size_px)
    together, alone = detector(crops), detector(crops[1:2])
    np.testing.assert_allclose(together.score[1], alone.score[0], atol=1e-5)
    if together.map is not None and alone.map is not None:
        np.testing.assert_allclose(together.map[1], alone.map[0], atol=1e-5)


def test_evaluation_is_deterministic_and_dropout_acts_in_training(name: str) -> None:
    graph = _graph(name)
    crops = torch.from_numpy(_crops(zoo.card(name).crop.size_px)).permute(0, 3, 1, 2)
    with torch.no_grad():
        assert torch.equal(graph.raw(crops).logits, graph.raw(crops).logits)
        for module in graph.modules():
            module.train(isinstance(module, torch.nn.Dropout))
        assert not torch.equal(graph.raw(crops).logits, graph.raw(crops).logits)


def test_an_empty_batch_is_an_empty_detection(name: str) -> None:
    size = zoo.card(name).crop.size_px
    detection = TorchDetector(zoo.card(name), _graph(name))(np.zeros((0, size, size, 3), np.uint8))
    assert detection.score.shape == (0,)


def test_onnx_equals_torch(name: str, tmp_path: Path) -> None:
    graph, card = _graph(name), zoo.card(name)
    folder = export(card, graph, tmp_path / "exported")
    served = OnnxDetector(folder)
    assert parity(TorchDetector(card, graph), served, card.crop.size_px, count=3) <= TOLERANCE
    assert served.identity["weights_sha256"] == served.card.weights
    one, two = served(_crops(card.crop.size_px, 1)), served(_crops(card.crop.size_px, 40))
    assert one.score.shape == (1,)
    assert two.score.shape == (40,)


def test_the_parity_check_notices_other_weights(name: str, tmp_path: Path) -> None:
    card, graph = zoo.card(name), _graph(name)
    served = OnnxDetector(export(card, graph, tmp_path))
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.mul_(1.2)
    assert parity(TorchDetector(card, graph), served, card.crop.size_px) > TOLERANCE


@pytest.mark.parametrize("shipped", zoo.SHIPPED)
def test_a_shipped_detector_is_whole(shipped: str) -> None:
    detector = zoo.load(shipped)
    card = detector.card
    assert card.calibration is not None
    assert card.calibration.real_below <= card.calibration.fake_above
    assert card.trained_on
    assert card.licence
    folder = zoo.shipped_folder(shipped)
    assert (folder / zoo.ONNX_FILE).stat().st_size <= 20 * 2**20
    detection = detector(_crops(card.crop.size_px, 2))
    assert detection.score.shape == (2,)
    assert (detection.map is not None) == card.has_map
