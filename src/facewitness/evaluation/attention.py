"""Where detectors look, as a picture: the map of those that draw one, Grad-CAM of those that do not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.data.terms import may_be_shown
from facewitness.detectors import cards
from facewitness.evaluation.crops import FaceCrop, crop_sample
from facewitness.evaluation.robustness import degraded_crops
from facewitness.media import visualize
from facewitness.types import CropProfile, Image, Sample, Status

_TILE_PX = 184  # wide enough for a heading


def attention_sheet(
    fakes: Sequence[Sample],
    detectors: Sequence[tuple[str, Path]],
    *,
    each: int = 3,
    seed: int = 0,
    fakeness: bool = False,
) -> Image | None:
    """Fakes of people who may be shown, ``each`` of every method: crop, forged region, and where every detector looks.

    ``detectors`` are (heading, run folder); their maps are laid over the crop that each of them is given. With
    ``fakeness`` the gray-scale one stands in place of the region. None if nobody may be shown.
    """
    chosen: list[tuple[str, Sample]] = []
    for method in dict.fromkeys(sample.method for sample in fakes):
        shown = [s for s in fakes if s.method == method and s.region and may_be_shown(s.dataset)]
        order = np.random.default_rng(seed).permutation(len(shown))[:each]
        chosen += [(f"{method}, {place}", shown[int(number)]) for place, number in enumerate(order, 1)]
    maps = [_maps_of(folder, [sample for _, sample in chosen]) for _, folder in detectors]
    profile = cards.read(detectors[0][1]).crop
    rows = []
    for number, (label, sample) in enumerate(chosen):
        first = maps[0][number][0]
        if first.crop is None or first.truth is None:
            continue  # no face was found in it, or nothing is known of it
        truth = _fakeness(sample, profile) if fakeness else first.truth.astype(np.float32)
        tiles: list[Image | NDArray[np.float32] | None] = [first.crop, truth]
        tiles += [_laid_over(*one[number]) for one in maps]
        rows.append((label, tiles))
    headings = ("forged", "fakeness" if fakeness else "region", *(name for name, _ in detectors))
    scale = ("nothing", "the most of that map")
    return visualize.tile_sheet(rows, headings, tile_px=_TILE_PX, scale=scale) if rows else None


def planes(folder: Path, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where the detector of a run folder looks in crops (N, S, S, 3): (N, h, w) in 0..1."""
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain.gradcam import grad_cam

    detector = load_run(folder)
    found = detector(crops).map
    return grad_cam(detector.card, detector.graph, crops) if found is None else found


def _maps_of(folder: Path, samples: Sequence[Sample]) -> list[tuple[FaceCrop, NDArray[np.float32] | None]]:
    """For each sample what a detector is given, and where it looks."""
    profile = cards.read(folder).crop
    given = [crop_sample(sample, profile) for sample in samples]
    crops = [one.crop for one in given if one.status is Status.OK and one.crop is not None]
    seen = iter(planes(folder, np.stack(crops)) if crops else ())
    return [(one, next(seen) if one.status is Status.OK else None) for one in given]


def _laid_over(given: FaceCrop, plane: NDArray[np.float32] | None) -> Image | None:
    """A map over its crop, brightest where it is brightest; how much that is stands in a corner."""
    if plane is None or given.crop is None:
        return None
    side = given.crop.shape[0]
    most = float(plane.max())
    whole = cv2.resize(plane / max(most, 1e-6), (side, side), interpolation=cv2.INTER_LINEAR)
    return visualize.noted(visualize.heat(given.crop, np.asarray(np.clip(whole, 0, 1), np.float32)), f"{most:.2f}")


def _fakeness(sample: Sample, profile: CropProfile) -> NDArray[np.float32] | None:
    """The gray-scale fakeness of a crop, as bright as it can be."""
    found = degraded_crops(replace(sample, original=None), profile).crops  # of its mask
    if not found or found[0].truth is None:
        return None
    return np.asarray(found[0].truth / max(float(found[0].truth.max()), 1e-6), np.float32)
