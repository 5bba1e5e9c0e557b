"""Stand-ins for fitted networks: tiny ONNX files with fixed random weights, made on the spot. They draw, if badly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facewitness.forge import generators
from facewitness.forge.manipulations import attribute, mouth
from facewitness.forge.manipulations.reconstruction import RECONSTRUCT

SIZE = 48
NOISE = 6
INPUTS = {
    "deepfake": 3,
    "neuraltextures": mouth.INPUTS,
    "attribute-transposed": attribute.INPUTS,
    "attribute-nearest": attribute.INPUTS,
    "attribute-bilinear": attribute.INPUTS,
    "inpaint-conv": 4,
    "synthesis": 0,
    **dict.fromkeys(RECONSTRUCT, 3),
}
GROUPS = 3  # decoders of the stand-in for deepfake


def install(home: Path) -> None:
    """Put a stand-in for each network where the forge looks when ``XDG_CACHE_HOME`` is ``home``."""
    for number, (method, inputs) in enumerate(INPUTS.items()):
        folder = home / "facewitness" / "forge" / method
        folder.mkdir(parents=True)
        content = (_from_noise(number) if not inputs else _from_square(inputs, method, number)).SerializeToString()
        (folder / generators.MODEL).write_bytes(content)
        card = {
            **{"version": generators.VERSION, "method": method, "weights": hashlib.sha256(content).hexdigest()},
            **{"size_px": SIZE, "margin": 0.3, "noise": NOISE, "trained_on": {"nobody": 0}},
            "recipe": {"optim": {"epochs": 0, "steps": 0, "batch": 0}},
        }
        (folder / generators.CARD).write_text(json.dumps(card))


def _from_square(inputs: int, method: str, seed: int) -> onnx.ModelProto:
    """A mean over 5 x 5 pixels and a random mixture of the channels; of any size where a reconstruction is wanted."""
    rng = np.random.default_rng(seed)
    outputs = 3 * GROUPS if method == "deepfake" else 3
    kernel = rng.uniform(0, 0.02, (outputs, inputs, 5, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["mixed"], pads=[2, 2, 2, 2]),
        helper.make_node("Sigmoid", ["mixed"], ["made"]),
    ]
    sides: tuple[int | str, ...] = ("height", "width") if method in RECONSTRUCT else (SIZE, SIZE)
    return _model(nodes, (1, inputs, *sides), (1, outputs, *sides), {"kernel": kernel})


def _from_noise(seed: int) -> onnx.ModelProto:
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 1, (NOISE, 3 * SIZE * SIZE)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["input", "weight"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["levels"]),
        helper.make_node("Reshape", ["levels", "shape"], ["made"]),
    ]
    shape = np.array([1, 3, SIZE, SIZE], np.int64)
    return _model(nodes, (1, NOISE), (1, 3, SIZE, SIZE), {"weight": weight, "shape": shape})


def _model(
    nodes: list[onnx.NodeProto],
    given: tuple[int | str, ...],
    made: tuple[int | str, ...],
    values: dict[str, np.ndarray],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
