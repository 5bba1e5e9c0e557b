"""The only place that makes an ONNX session: device, threads, and how many crops go through a net at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from facewitness.types import DeviceError

if TYPE_CHECKING:
    import onnxruntime

BATCH = 16
"""Crops that go through a net at once, whichever runtime runs it."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

Array = TypeVar("Array", bound=NDArray[np.generic])


def session(
    model: Path | bytes, *, device: str = "cpu", threads: int | None = None, plain_layout: bool = False
) -> onnxruntime.InferenceSession:
    """Return a session for an ONNX model.

    Args:
        model: the file, or its content.
        device: ``cpu``, ``cuda``, or the name of another execution provider of onnxruntime, such as ``CoreML``.
        threads: of one call; None leaves it to onnxruntime.
        plain_layout: run convolutions without onnxruntime's blocked channel layout, which is slower for narrow nets.

    Raises:
        DeviceError: this installation of onnxruntime does not have the device.
        Exception: whatever onnxruntime raises for a file that is no model; its kinds share no root.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if plain_layout:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    providers = list(dict.fromkeys((provider(device), _PROVIDERS["cpu"])))  # the CPU for what a device cannot do
    found = onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=providers
    )
    if found.get_providers()[0] != providers[0]:
        raise DeviceError(f"device {device!r}: onnxruntime cannot use it (driver or library missing); say --device cpu")
    return found


def provider(device: str) -> str:
    """Return the execution provider of onnxruntime for a device.

    Raises:
        DeviceError: this installation of onnxruntime does not have it.
    """
    import onnxruntime

    name = _PROVIDERS.get(device, f"{device}ExecutionProvider")
    available = onnxruntime.get_available_providers()
    if name not in available:
        names = {value: key for key, value in _PROVIDERS.items()}
        known = ", ".join(names.get(one, one.removesuffix("ExecutionProvider")) for one in available)
        raise DeviceError(f"device {device!r}: this onnxruntime has {known}; install another build of it for more")
    return name


def batches(crops: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield crops (N, ...) in parts of at most ``BATCH``."""
    for start in range(0, len(crops), BATCH):
        yield crops[start : start + BATCH]
