"""A detector on onnxruntime: no torch, starts in a fraction of a second."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness import runtime
from facewitness.detectors import cards
from facewitness.detectors.base import ONNX_FILE, check_crops, joined, verify_weights
from facewitness.types import CardError, Detection, DeviceError


class OnnxDetector:
    """An exported folder: ``model.onnx`` and ``card.json``.

    Args:
        folder: the exported folder.
        threads: of one call; None leaves it to onnxruntime.
        device: see ``runtime.session``.

    Raises:
        CardError: the card or the model is missing, damaged, or not each other's.
        DeviceError: the device is not there.
    """

    def __init__(self, folder: Path, threads: int | None = None, device: str = "cpu") -> None:
        self.card = cards.read(folder)
        self.identity = cards.identity(self.card)
        path = folder / ONNX_FILE
        verify_weights(self.card, path)
        options: dict[str, Any] = {"threads": threads, "device": device, "plain_layout": self.card.plain_layout}
        try:
            self._session = runtime.session(path, **options)
        except DeviceError:
            raise
        except Exception as error:  # onnxruntime's own exceptions share no root of their own
            raise CardError(f"{path}: onnxruntime cannot load it: {error}") from error

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops."""
        check_crops(crops, self.card)
        return joined([self._session.run(None, {"crops": batch}) for batch in runtime.batches(crops)])
