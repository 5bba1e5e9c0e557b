"""Where detectors look, as a picture: the map of those that draw one, Grad-CAM of those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from forgesight.data.sources.faces import may_be_shown
from forgesight.detectors import cards
from forgesight.evaluation.crops import Cut, cut
from forgesight.media import sheet
from forgesight.types import Image, Sample, Status

_TILE_PX = 184  # wide enough for a heading


def attention_sheet(
    fakes: Sequence[Sample], detectors: Sequence[tuple[str, Path]], *, each: int = 3, seed: int = 0
) -> Image | None:
    """Fakes of people who may be shown, ``each`` of every method: crop, forged region, and where every detector looks.

    ``detectors`` are (heading, run folder); their maps are laid over the crop that each of them is given. None if
    nobody may be shown.
    """
    chosen: list[tuple[str, Sample]] = []
    for method in dict.fromkeys(sample.method for sample in fakes):
        shown = [s for s in fakes if s.method == method and s.region and may_be_shown(s.dataset)]
        order = np.random.default_rng(seed).permutation(len(shown))[:each]
        chosen += [(f"{method}, {place}", shown[int(number)]) for place, number in enumerate(order, 1)]
    looks = [_looks(folder, [sample for _, sample in chosen]) for _, folder in detectors]
    rows = []
    for number, (label, _) in enumerate(chosen):
        first = looks[0][number][0]
        if first.crop is None or first.truth is None:
            continue  # no face was found in it, or nothing is known of it
        tiles: list[Image | NDArray[np.float32] | None] = [first.crop, first.truth.astype(np.float32)]
        tiles += [_laid_over(*look[number]) for look in looks]
        rows.append((label, tiles))
    return sheet.sheet(rows, ("forged", "region", *(name for name, _ in detectors)), tile_px=_TILE_PX) if rows else None


def planes(folder: Path, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where the detector of a run folder looks in crops (N, S, S, 3): (N, h, w) in 0..1."""
    from forgesight.detectors.cam import grad_cam
    from forgesight.detectors.torch_backend import load_run

    detector = load_run(folder)
    found = detector(crops).map
    return grad_cam(detector.card, detector.graph, crops) if found is None else found


def _looks(folder: Path, samples: Sequence[Sample]) -> list[tuple[Cut, NDArray[np.float32] | None]]:
    """For each sample what a detector is given, and where it looks."""
    profile = cards.read(folder).crop
    given = [cut(sample, profile) for sample in samples]
    crops = [one.crop for one in given if one.status is Status.OK and one.crop is not None]
    seen = iter(planes(folder, np.stack(crops)) if crops else ())
    return [(one, next(seen) if one.status is Status.OK else None) for one in given]


def _laid_over(given: Cut, plane: NDArray[np.float32] | None) -> Image | None:
    """A map over its crop, brightest where it is brightest: what counts is where, not how much."""
    if plane is None or given.crop is None:
        return None
    side = given.crop.shape[0]
    whole = cv2.resize(plane / max(float(plane.max()), 1e-6), (side, side), interpolation=cv2.INTER_LINEAR)
    return sheet.heat(given.crop, np.asarray(np.clip(whole, 0, 1), np.float32))
