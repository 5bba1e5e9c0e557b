"""Several detectors that judge a face together: each sees it by its own crop profile, one verdict comes out.

A folder with a ``card.json`` that names members, and an exported folder for each beside it. The card's crop profile is
the first member's; ``further`` of it are the others'. The first member gives the map.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import cards
from facewitness.detectors.onnx_backend import OnnxDetector
from facewitness.types import Card, CardError, CropProfile, Detection, Views

_EDGE = 1e-7  # of a member's score: single precision knows nothing closer to 0 or 1


class FusedDetector:
    """Members as exported folders below ``folder``, and the card that joins them.

    The logit of the score is ``fusion[0] + sum(fusion[1 + m] * logit of member m)``; where a member sees several views
    of a face, its logit is their mean.

    Args:
        folder: holds ``card.json`` and a folder for each member.
        threads: of one call; None leaves it to onnxruntime.
        device: see ``runtime.session``.

    Raises:
        CardError: the card or a member is missing, damaged, or not the one that was joined.
        DeviceError: the device is not there.
    """

    def __init__(self, folder: Path, threads: int | None = None, device: str = "cpu") -> None:
        self.card = cards.read(folder)
        self.identity = cards.identity(self.card)
        self.members = [OnnxDetector(folder / name, threads, device) for name in self.card.members]
        joined = [member.card for member in self.members]
        if self.card.weights != weights_of(joined) or self.card.crop != crop_of(joined):
            raise CardError(f"{folder}: its members are not those that were fused: fuse them again")
        if len(self.card.fusion) != 1 + len(self.members):
            raise CardError(f"{folder}: its card has not one weight for each member and a bias: fuse them again")

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """Refuse crops that come without views: see ``detect``."""
        return self.detect(crops, ())

    def detect(self, crops: NDArray[np.uint8], views: Sequence[Views]) -> Detection:
        """Judge (N, S, S, 3) uint8 RGB crops, given what the further members see of each face."""
        margins, first = member_margins(self.members, crops, views)
        scores = (1 / (1 + np.exp(-margins))).astype(np.float32)
        return Detection(fused_scores(margins, self.card.fusion), first.features, first.map, scores)


def fused_scores(margins: NDArray[np.float64], fusion: Sequence[float]) -> NDArray[np.float32]:
    """The scores (N,) that a bias and a weight for each member give to their logits (N, M)."""
    bias, *weights = fusion
    return np.asarray(1 / (1 + np.exp(-(bias + margins @ np.asarray(weights)))), np.float32)


def member_margins(
    members: Sequence[OnnxDetector], crops: NDArray[np.uint8], views: Sequence[Views]
) -> tuple[NDArray[np.float64], Detection]:
    """Logits (N, M) of each member for each face, and what the first says of the crops.

    Raises:
        CardError: there are not as many views as crops.
    """
    if len(views) != len(crops):
        raise CardError(
            f"this detector has members that see more of a face than its crop: {len(crops)} crops came with "
            f"{len(views)} views; make them with media.faces.views and its card's crop profile"
        )
    first = members[0](crops)
    columns = [_logit(first.score)]
    for number, member in enumerate(members[1:]):
        counts = [len(one[number]) for one in views]
        shown = np.concatenate([one[number] for one in views]) if views else np.zeros((0, *_shape(member)), np.uint8)
        ends = np.cumsum(counts)
        found = _logit(member(shown).score)
        columns.append(np.array([found[end - count : end].mean() for end, count in zip(ends, counts, strict=True)]))
    return np.stack(columns, axis=1) if len(crops) else np.zeros((0, len(members))), first


def crop_of(members: Sequence[Card]) -> CropProfile:
    """The crop profile of members together."""
    return replace(members[0].crop, further=tuple(member.crop for member in members[1:]))


def weights_of(members: Sequence[Card]) -> str:
    """SHA-256 over the members' own."""
    return hashlib.sha256(" ".join(str(member.weights) for member in members).encode()).hexdigest()


def _logit(score: NDArray[np.float32]) -> NDArray[np.float64]:
    inside = np.clip(score.astype(np.float64), _EDGE, 1 - _EDGE)
    return np.log(inside / (1 - inside))


def _shape(member: OnnxDetector) -> tuple[int, int, int]:
    size = member.card.crop.size_px
    return size, size, 3
