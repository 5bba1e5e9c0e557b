"""The one place that makes ONNX sessions."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import facewitness
from facewitness import runtime
from facewitness.types import DeviceError
from tests.fakes import astronaut, save

SOURCE = Path(facewitness.__file__).parent


def test_no_other_module_makes_a_session() -> None:
    makers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("InferenceSession", "SessionOptions")
    }
    assert makers == {"runtime.py"}


@pytest.mark.parametrize("device", ["cuda", "Nonsense"])
def test_a_device_that_is_not_there_is_an_error_and_nothing_takes_its_place(device: str) -> None:
    with pytest.raises(DeviceError, match=f"device '{device}': this onnxruntime has .*cpu"):
        facewitness.load("default", device=device)


def test_the_device_of_a_detector_changes_no_score(tmp_path: Path) -> None:
    auto, cpu = (
        facewitness.scan(save(astronaut(), tmp_path / "a.png"), facewitness.load("default", device=device))
        for device in ("auto", "cpu")
    )
    assert auto.score is not None
    assert auto.score == cpu.score


def test_crops_go_through_in_batches() -> None:
    crops = np.arange(2 * runtime.BATCH + 1, dtype=np.uint8)
    parts = list(runtime.batches(crops))
    assert [len(part) for part in parts] == [runtime.BATCH, runtime.BATCH, 1]
    np.testing.assert_array_equal(np.concatenate(parts), crops)
