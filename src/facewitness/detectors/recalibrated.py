"""A detector with other thresholds than its card's: the same scores, other verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import base, cards
from facewitness.types import Calibration, Card, Detection, Views

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector


class Recalibrated:
    """A detector whose card has another calibration. Its temperature is that of the weights and stays."""

    def __init__(self, detector: Detector, calibration: Calibration) -> None:
        self._detector = detector
        self.card: Card = replace(detector.card, calibration=calibration)

    @property
    def identity(self) -> dict[str, Any]:
        """What a report says of it, with the thresholds that count."""
        return cards.identity(self.card)

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Judge crops as the detector does."""
        return self._detector(crops)

    def detect(self, crops: NDArray[np.uint8], views: Sequence[Views]) -> Detection:
        """Judge crops and views as the detector does."""
        return base.detect(self._detector, crops, views)
