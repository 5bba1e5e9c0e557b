"""A detector on torch: a run folder as training left it, or a Graph in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from facewitness.detectors import cards, zoo
from facewitness.detectors.graph import Graph
from facewitness.types import Card, CardError, Detection

_BATCH = 64


class TorchDetector:
    """Runs a Graph eagerly, in evaluation mode."""

    def __init__(self, card: Card, graph: Graph, device: str = "cpu") -> None:
        self._card, self.device = card, device
        self.graph = graph.to(device).eval()

    @property
    def card(self) -> Card:
        """What it is."""
        return self._card

    @property
    def identity(self) -> dict[str, Any]:
        """What a report says of it."""
        return cards.identity(self._card)

    @torch.inference_mode()
    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops."""
        zoo.check_crops(crops, self._card)
        batches = torch.from_numpy(crops).split(_BATCH) if len(crops) else ()
        parts = [[part.float().cpu().numpy() for part in self.graph(batch.to(self.device))] for batch in batches]
        if not parts:
            return Detection(np.zeros(0, np.float32), np.zeros((0, 0), np.float32), None)
        score, features, *rest = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Detection(score, features, rest[0] if rest else None)


def load_run(folder: Path) -> TorchDetector:
    """The detector of a finished run folder.

    Raises:
        CardError: the card or the weights are missing, damaged, or not each other's.
    """
    card = cards.read(folder)
    path = folder / zoo.WEIGHTS_FILE
    zoo.verify_weights(card, path)
    return TorchDetector(card, load_weights(card, path), "cuda" if torch.cuda.is_available() else "cpu")


def load_weights(card: Card, path: Path) -> Graph:
    """A Graph with the weights of a safetensors file.

    Raises:
        CardError: the names or shapes in the file are not those of the card's net.
    """
    graph = Graph(card)
    try:
        state = load_file(path)
        graph.net.load_state_dict(state)
    except Exception as error:  # safetensors and torch raise kinds of their own
        first = str(error).strip().splitlines()
        raise CardError(f"{path}: does not fit {card.name} ({card.build}): {' '.join(first[:2])}") from error
    return graph
