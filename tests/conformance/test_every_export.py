"""torch and onnxruntime say the same of every architecture of the zoo. Each export takes seconds: all of it is slow."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

from facewitness.detectors.base import ONNX_FILE
from facewitness.detectors.export import TOLERANCE, export, parity
from facewitness.detectors.graph import fresh
from facewitness.detectors.onnx_backend import OnnxDetector
from facewitness.detectors.torch_backend import TorchDetector
from tests.conformance.small import fresh_graph, random_crops, shallow_card, small_card

pytestmark = pytest.mark.slow


def test_onnx_equals_torch(name: str, tmp_path: Path) -> None:
    card = shallow_card(name)
    graph = fresh(card)
    folder = export(card, graph, tmp_path / "exported")
    served = OnnxDetector(folder)
    assert parity(TorchDetector(card, graph), served, card.crop.size_px, count=3) <= TOLERANCE
    assert served.identity["weights_sha256"] == served.card.weights
    one, two = served(random_crops(card.crop.size_px, 1)), served(random_crops(card.crop.size_px, 40))
    assert one.score.shape == (1,)
    assert two.score.shape == (40,)
    model = onnx.load(folder / ONNX_FILE).graph
    shapes = {value.name: value.dims for value in model.initializer}
    widths = [shapes[node.input[1]][0] for node in model.node if node.op_type == "Conv"]
    assert card.plain_layout == (sum(width < 8 for width in widths) > len(widths) / 2)


def test_the_parity_check_notices_other_weights(tmp_path: Path) -> None:
    card, graph = small_card("mesoinception4"), fresh_graph("mesoinception4")
    served = OnnxDetector(export(card, graph, tmp_path))
    with torch.no_grad():
        for parameter in graph.parameters():
            parameter.mul_(1.2)
    assert parity(TorchDetector(card, graph), served, card.crop.size_px) > TOLERANCE
