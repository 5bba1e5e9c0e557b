"""A finished run becomes a folder that onnxruntime serves: ONNX, card, and a proof that both runtimes agree."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facewitness import storage
from facewitness.detectors import cards, channel_padding
from facewitness.detectors.base import ONNX_FILE, Detector
from facewitness.detectors.graph import Graph
from facewitness.detectors.onnx_backend import OnnxDetector
from facewitness.detectors.torch_backend import TorchDetector, load_run
from facewitness.types import Card, CardError

TOLERANCE = 1e-4


def export_run(run: Path, out: Path) -> Path:
    """Export a run folder.

    Raises:
        CardError: the run is not finished, or the runtimes disagree.
    """
    detector = load_run(run, "cpu")
    return export(detector.card, detector.graph, out)


def export(card: Card, graph: Graph, out: Path) -> Path:
    """Write ``model.onnx`` and ``card.json`` to ``out`` and check them against torch on random crops.

    Raises:
        CardError: scores or maps differ by more than 1e-4.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / ONNX_FILE
    size = card.crop.size_px
    crops = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    names = ["score", "features", "map"] if card.has_map else ["score", "features"]
    graph = graph.cpu().eval()
    batch = {"crops": {0: torch.export.Dim("batch", min=1)}}
    write_onnx(channel_padding.pad_channels(graph), crops, path, "crops", names, dynamic_shapes=batch)
    exported = replace(card, weights=storage.sha256(path))
    cards.write(exported, out)
    difference = parity(TorchDetector(card, graph), OnnxDetector(out), size)
    if difference > TOLERANCE:
        raise CardError(
            f"{path}: onnxruntime and torch differ by {difference:.2g}, more than {TOLERANCE}: not exported"
        )
    return out


def parity(first: Detector, second: Detector, size: int, count: int = 5) -> float:
    """Largest difference of scores and maps between two detectors on random and smooth crops."""
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    crops[0] = np.linspace(0, 255, size, dtype=np.uint8)[None, :, None]
    a, b = first(crops), second(crops)
    gaps = [np.abs(a.score - b.score).max()]
    if a.map is not None and b.map is not None:
        gaps.append(np.abs(a.map - b.map).max())
    return float(max(gaps))


def write_onnx(
    module: torch.nn.Module, example: torch.Tensor, path: Path, given: str, made: list[str], **options: Any
) -> None:
    """Write a module with one input as one ONNX file; ``given`` and ``made`` name its input and outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=[given],
            output_names=made,
            dynamo=True,
            external_data=False,
            verbose=False,
            **options,
        )


def store_half(path: Path, out: Path) -> Path:
    """Write an ONNX file again, its weights of 1 kB and more in half precision; they are widened as it is loaded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or len(tensor.raw_data) < 1024:
            continue
        narrow = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}.half")
        graph.initializer.remove(tensor)
        graph.initializer.append(narrow)
        graph.node.insert(0, helper.make_node("Cast", [narrow.name], [tensor.name], to=TensorProto.FLOAT))
    onnx.save(model, str(out))
    return out
