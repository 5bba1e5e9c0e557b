"""A detector on torch: a run folder as training left it, or a Graph in memory."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from facewitness import runtime
from facewitness.detectors import cards
from facewitness.detectors.base import WEIGHTS_FILE, check_crops, joined, verify_weights
from facewitness.detectors.graph import Graph
from facewitness.types import Card, CardError, Detection, DeviceError


class TorchDetector:
    """Runs a Graph eagerly, in evaluation mode."""

    def __init__(self, card: Card, graph: Graph, device: str = "cpu") -> None:
        self.card, self.identity, self.device = card, cards.identity(card), device
        self.graph = graph.to(device).eval()

    @torch.inference_mode()
    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops."""
        check_crops(crops, self.card)
        batches = (torch.from_numpy(batch).to(self.device) for batch in runtime.batches(crops))
        return joined([[part.float().cpu().numpy() for part in self.graph(batch)] for batch in batches])


def load_run(folder: Path, device: str = "auto") -> TorchDetector:
    """Open the detector of a finished run folder; ``auto`` takes CUDA where torch has it.

    Raises:
        CardError: the card or the weights are missing, damaged, or not each other's.
        DeviceError: the device is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise DeviceError(f"device {device!r}: torch does not have it here; say --device cpu")
    card = cards.read(folder)
    path = folder / WEIGHTS_FILE
    verify_weights(card, path)
    return TorchDetector(card, load_weights(card, path), device)


def load_weights(card: Card, path: Path) -> Graph:
    """A Graph with the weights of a safetensors file.

    Raises:
        CardError: the names or shapes in the file are not those of the card's net.
    """
    graph = Graph(card)
    try:
        graph.net.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise kinds of their own
        first = str(error).strip().splitlines()
        raise CardError(f"{path}: does not fit {card.name} ({card.build}): {' '.join(first[:2])}") from error
    return graph
