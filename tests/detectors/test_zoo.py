"""Loading detectors: what is refused, and in which words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from facewitness import storage
from facewitness.detectors import cards, zoo
from facewitness.detectors.base import ONNX_FILE, WEIGHTS_FILE
from facewitness.detectors.export import export, export_run
from facewitness.detectors.graph import Graph, build
from facewitness.types import Calibration, Card, CardError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder of Meso-4."""
    return _run(tmp_path_factory.mktemp("run"), "meso4")


def _run(folder: Path, architecture: str) -> Path:
    torch.manual_seed(1)
    card = zoo.card(architecture)
    save_file(Graph(card).net.state_dict(), folder / WEIGHTS_FILE)
    calibration = Calibration(temperature=2.0, fake_above=0.9, real_below=0.4, counts={"own": 3})
    cards.write(replace(card, weights=storage.sha256(folder / WEIGHTS_FILE), calibration=calibration), folder)
    return folder


@pytest.fixture(scope="module")
def exported_once(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_run(run, tmp_path_factory.mktemp("exported") / "exported")


@pytest.fixture
def exported(exported_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported_once, tmp_path / "exported"))


def test_a_run_folder_and_its_export_say_the_same(run: Path, exported: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    first, second = zoo.load(run)(crops), zoo.load(exported)(crops)
    np.testing.assert_allclose(first.score, second.score, atol=1e-5)
    assert zoo.load(exported).card.calibration == zoo.load(run).card.calibration


def test_the_temperature_is_part_of_the_exported_graph(run: Path, tmp_path: Path) -> None:
    card = cards.read(run)
    assert card.calibration is not None
    hot = replace(card, calibration=replace(card.calibration, temperature=8.0))
    crops = torch.randint(0, 256, (4, 256, 256, 3), dtype=torch.uint8)
    net = build(card).eval()
    with torch.no_grad():
        margin, cooled = (torch.logit(Graph(c, net).eval()(crops)[0]) for c in (card, hot))
    torch.testing.assert_close(margin, cooled * 4, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-such-thing", "neither in the zoo"),
        ("meso4", "without trained weights"),
    ],
)
def test_names_that_give_no_detector(name: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        zoo.load(name)


def test_a_folder_may_be_called_as_an_architecture_is(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported.rename(exported.with_name("meso4"))
    monkeypatch.chdir(exported.parent)
    assert zoo.load("meso4").card.calibration is not None


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"neither model\.onnx nor"):
        zoo.load(tmp_path)


def test_weights_of_another_detector_are_refused(run: Path, exported: Path, tmp_path: Path) -> None:
    other = export(zoo.card("meso4"), Graph(zoo.card("meso4")), tmp_path / "other")
    shutil.copy(other / ONNX_FILE, exported / ONNX_FILE)
    with pytest.raises(CardError, match="not the weights of"):
        zoo.load(exported)


def test_weights_of_another_architecture_are_refused_even_with_a_matching_hash(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(run, folder)
    save_file(Graph(zoo.card("effnet-map")).net.state_dict(), folder / WEIGHTS_FILE)
    cards.write(replace(cards.read(folder), weights=storage.sha256(folder / WEIGHTS_FILE)), folder)
    with pytest.raises(CardError, match="does not fit"):
        zoo.load(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', '{"name": "x", "build": "y", "colour": 1}'])
def test_a_damaged_card_is_refused(text: str, exported: Path) -> None:
    (exported / cards.FILE).write_text(text)
    with pytest.raises(CardError, match=cards.FILE):
        zoo.load(exported)


def test_a_damaged_model_is_refused(exported: Path) -> None:
    (exported / ONNX_FILE).write_bytes(b"not a model")
    card = cards.read(exported)
    cards.write(replace(card, weights=storage.sha256(exported / ONNX_FILE)), exported)
    with pytest.raises(CardError, match="onnxruntime cannot load"):
        zoo.load(exported)


@pytest.mark.parametrize("crops", [np.zeros((1, 128, 128, 3), np.uint8), np.zeros((1, 256, 256, 3), np.float32)])
def test_crops_of_another_profile_are_refused(crops: np.ndarray, exported: Path) -> None:
    with pytest.raises(CardError, match="crop profile"):
        zoo.load(exported)(crops)


@pytest.mark.parametrize("build_", ["nowhere:Net", "facewitness.detectors.nets.mesonet:Meso5", "builtins:dict"])
def test_a_card_that_builds_nothing_is_refused(build_: str) -> None:
    with pytest.raises(CardError):
        build(Card(name="x", build=build_))


def test_a_card_survives_the_file(tmp_path: Path) -> None:
    card = replace(zoo.card("effnet-map"), calibration=Calibration(1.5, 0.9, 0.5, {"a": 1}), weights="ab")
    cards.write(card, tmp_path)
    assert cards.read(tmp_path) == card
