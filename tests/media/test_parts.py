"""Parts of a face, from landmarks and from a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facewitness.media import faces, parts
from facewitness.types import CropProfile, FacewitnessError
from tests.fakes import astronaut

PROFILE = CropProfile(size_px=128, margin=0.3)


@pytest.fixture(scope="module")
def found() -> parts.Regions:
    rgb = astronaut()
    face = faces.find(rgb)[0]
    _, matrix = faces.crop(rgb, face.landmarks, PROFILE)
    return parts.parts(faces.moved(face.landmarks, matrix), 128)


def _centre(mask: np.ndarray) -> np.ndarray:
    return np.asarray(np.argwhere(mask).mean(0))


def test_every_part_is_where_it_belongs(found: parts.Regions) -> None:
    assert tuple(found) == parts.PARTS
    rows = {name: _centre(mask)[0] for name, mask in found.items()}
    assert rows["hair"] < rows["brows"] < rows["eyes"] < rows["nose"] < rows["mouth"]
    assert all(abs(_centre(found[name])[1] - 64) < 8 for name in ("nose", "mouth", "eyes", "brows"))
    assert all(mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1} for mask in found.values())
    assert not (found["skin"] & (found["eyes"] | found["mouth"] | found["nose"] | found["brows"])).any()
    assert not (found["hair"] & found["face"]).any()
    assert (found["skin"] <= found["face"]).all()


@pytest.mark.parametrize("name", parts.PARTS)
def test_a_change_is_of_the_part_that_it_lies_in(found: parts.Regions, name: str) -> None:
    noise = np.random.default_rng(0).uniform(0, 0.05, (128, 128))
    assert parts.changed(found, found[name] * 0.4 + noise) == name


def test_attention_is_brightest_in_its_part_and_fades_around_it(found: parts.Regions) -> None:
    soft = parts.attention(found["mouth"], 5)
    assert soft.max() == 1
    row, column = (round(v) for v in _centre(found["mouth"]))
    assert soft[row, column] > 0.9
    assert 0 < soft[row - 12, column] < 0.7
    assert soft[4, 4] < 1e-3
    np.testing.assert_array_equal(parts.attention(found["mouth"], 0), found["mouth"])


def test_attention_of_nothing_is_white() -> None:
    assert (parts.attention(np.zeros((8, 8), np.uint8), 2) == 1).all()


def _network(path: Path, classes: int) -> Path:
    """Says class 12 (upper lip) where the picture is red, else 0."""
    weight = np.zeros((classes, 3, 1, 1), np.float32)
    if classes > 12:
        weight[12, 0] = 1
    shape = ["n", 3, 512, 512]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "parser",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", classes, 512, 512])],
        [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.ravel())],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_a_network_of_19_classes_is_read_by_their_published_numbers(tmp_path: Path) -> None:
    crop = np.zeros((64, 64, 3), np.uint8)
    crop[40:50, 20:44, 0] = 255
    found = parts.finder(_network(tmp_path / "p.onnx", 19))(crop, np.zeros((68, 2), np.float32))
    wrong = found["mouth"] != (crop[..., 0] > 127)
    assert wrong.sum() <= 4, "but for a corner, where enlarging rounds"
    assert not found["hair"].any()


@pytest.mark.parametrize(("classes", "message"), [(5, "gives .1, 19, H, W."), (0, "no network")])
def test_another_file_is_refused(classes: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p.onnx"
    if classes:
        _network(path, classes)
    else:
        path.write_bytes(b"nothing")
    with pytest.raises(FacewitnessError, match=message):
        parts.finder(path)
