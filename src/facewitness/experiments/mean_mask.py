"""What a map has to beat: one that does not look at the photograph at all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.evaluation.evaluate import limited, selected
from facewitness.evaluation.robustness import degraded_crops
from facewitness.types import Card, CropProfile, Detection, ManifestError, Plane

NAME = "mean map"


@dataclass(frozen=True, slots=True)
class MeanMap:
    """A detector whose map is always ``plane`` (S, S), and whose score is always one half."""

    card: Card
    plane: Plane

    @property
    def identity(self) -> dict[str, Any]:
        """Its name, and the hash of its plane."""
        return {"detector": self.card.name, "weights": self.card.weights}

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """The same for every crop."""
        count = len(crops)
        scores, features = np.full(count, 0.5, np.float32), np.zeros((count, 1), np.float32)
        return Detection(scores, features, np.broadcast_to(self.plane, (count, *self.plane.shape)))


def mean_map(
    manifest: Path, methods: Sequence[str], profile: CropProfile, *, most: int = 200, seed: int = 0
) -> MeanMap:
    """The mean fakeness of at most ``most`` training fakes of each method, cut with a profile.

    Raises:
        ManifestError: the manifest cannot be used, or no training fake of these methods has a known fakeness.
    """
    fakes = [sample for sample in selected(manifest, "train", methods) if sample.label]
    found = (degraded_crops(replace(sample, original=None), profile).crops[:1] for sample in limited(fakes, most, seed))
    truths = [view.truth for of in found for view in of if view.truth is not None]
    if not truths:
        raise ManifestError(f"{manifest}: no training fake of {', '.join(methods)} with a mask to take the mean of")
    plane = np.asarray(np.mean(truths, axis=0, dtype=np.float64), np.float32)
    weights = hashlib.sha256(plane.tobytes()).hexdigest()
    return MeanMap(Card(NAME, "", crop=profile, has_map=True, weights=weights), plane)
