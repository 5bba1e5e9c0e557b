"""A detector on onnxruntime: no torch, starts in a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facewitness.detectors import cards, zoo
from facewitness.types import Card, CardError, Detection

_BATCH = 32
NARROW = ("MesoInception4", "ResidualNet", "StegSvm")
"""Nets most of whose convolutions give less than half of the sixteen channels in which onnxruntime would compute them:
they are quicker without (its highest level of optimisation does nothing else)."""


class OnnxDetector:
    """An exported folder: ``model.onnx`` and ``card.json``."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self._card = cards.read(folder)
        path = folder / zoo.ONNX_FILE
        zoo.verify_weights(self._card, path)
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if self._card.build.endswith(NARROW):
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions share no root of their own
            raise CardError(f"{path}: onnxruntime cannot load it: {error}") from error

    @property
    def card(self) -> Card:
        """What it is."""
        return self._card

    @property
    def identity(self) -> dict[str, Any]:
        """What a report says of it."""
        return cards.identity(self._card)

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops."""
        zoo.check_crops(crops, self._card)
        if not len(crops):
            return Detection(np.zeros(0, np.float32), np.zeros((0, 0), np.float32), None)
        parts = [self._session.run(None, {"crops": crops[i : i + _BATCH]}) for i in range(0, len(crops), _BATCH)]
        score, features, *rest = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Detection(score, features, rest[0] if rest else None)
