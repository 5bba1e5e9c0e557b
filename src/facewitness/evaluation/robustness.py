"""A detector on photographs to which the world has done something: its scores and maps at every level of damage.

The face is found in the undamaged photograph and cropped from every damaged copy at the same place, so that only the
picture changes; at level 0 the crop is the one ``evaluate`` judges. The truth of a forgery is the gray-scale
fakeness (FakeLocator, eq. 7), worked out anew from the damaged photograph and its damaged original.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness import storage
from facewitness.compute.pool import map_ordered
from facewitness.compute.progress import Progress, track
from facewitness.data import manifest as manifests
from facewitness.detectors import cards, zoo
from facewitness.detectors.base import Detector, detect
from facewitness.evaluation.crops import FaceCrop, choose, region_of
from facewitness.evaluation.evaluate import limited, selected
from facewitness.forge.methods import METHODS
from facewitness.media import faces, image, parts
from facewitness.media.degrade import KNOWN, OPERATORS, degrade, shuffled
from facewitness.metrics import localization
from facewitness.types import CropProfile, Image, MediaError, Plane, Sample, Status, Views

FILE = "robustness.parquet"
UNDAMAGED, DISORGANISED = "none", "disorganised"
MAPS = ("coss", "psnr", "ssim", "iou", "dice", "pbca", "iinc")
INSIDE = ("coss_inside", "psnr_inside", "ssim_inside")
SCHEMA: Mapping[str, Any] = {
    "path": pl.String,
    "label": pl.Int8,
    "method": pl.String,
    "kinds": pl.List(pl.String),  # ``Sample.kinds``
    "dataset": pl.String,
    "person": pl.String,
    "status": pl.String,
    "note": pl.String,
    "target": pl.String,  # what the map was held against: "pair", "mask" (no original was found), "zeros", "ones", null
    "operator": pl.String,  # "none" at level 0, "disorganised", or one of ``degrade.KNOWN``
    "level": pl.Int64,
    "score": pl.Float64,
    **dict.fromkeys(MAPS, pl.Float64),
    "area": pl.Float64,  # share of the map at or above 0.1
    "forged_area": pl.Float64,  # of the truth
    "recall": pl.Float64,  # share of that which the map shows; null where it is empty
    "region_iou": pl.Float64,  # of the map at or above 0.5 and the forged region, of fakes
    "hull_iou": pl.Float64,  # of the map at or above 0.5 and the hull of the landmarks, of reals too; at level 0
    **dict.fromkeys(INSIDE, pl.Float64),  # within the part of the face that was changed the most; at level 0
}
_VERSION = 2

Target = Literal["pair", "fake"]
"""``pair``: original and forgery are both damaged; ``fake``: the forgery alone, as FakeLocator has it."""


class DegradedCrop(NamedTuple):
    """One crop to judge, and what its map should be."""

    operator: str
    level: int
    crop: Image
    truth: Plane | None
    region: NDArray[np.bool_] | None = None  # forged; None where it is not known
    part: NDArray[np.uint8] | None = None  # of the face, that which was changed the most; 0 and 1
    hull: NDArray[np.uint8] | None = None  # of the landmarks; 0 and 1
    views: Views = ()  # what further members of the detector see


@dataclass(frozen=True, slots=True)
class DegradedCrops:
    """All degraded crops of one photograph, or why there are none."""

    status: Status
    note: str
    target: str | None
    crops: list[DegradedCrop]


def measure(
    manifest: Path,
    detector: str | Path | Detector,
    out: Path,
    *,
    split: str = "test",
    methods: Sequence[str] = (),
    operators: Sequence[str] = tuple(OPERATORS),
    disorganised: bool = True,
    limit: int | None = None,
    target: Target = "pair",
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = None,
) -> Path:
    """Judge every photograph at every level; ``out/robustness.parquet`` has a row for each. Resumes.

    Args:
        manifest: Parquet or CSV.
        detector: a name of the zoo, a run folder, an exported folder, or a detector in memory.
        out: made if absent; ``robustness.jsonl`` there is what a killed run goes on from.
        split: ``train``, ``val`` or ``test``.
        methods: fakes of these alone, beside all reals; empty: of all.
        operators: of ``media.degrade.KNOWN``, at all their levels; level 0 is always there.
        disorganised: also divide every crop in four and shuffle it; what further members see stays as it is.
        limit: at most so many reals, and so many fakes of each method, drawn by the seed.
        target: what a damaged forgery is compared with for the truth of its map: ``pair``, its original damaged alike;
            ``fake``, its undamaged original.
        seed: of noise, of the shuffling and of what is drawn.
        workers: processes that damage photographs; None takes one per core.
        progress: receives events; see ``compute.progress``.

    Raises:
        ManifestError: the manifest cannot be used, or lacks a method.
        ValueError: no such operator.
        CardError: the detector cannot be loaded.
    """
    for name in operators:
        if name not in KNOWN:
            raise ValueError(f"no degradation {name!r}; there are {', '.join(KNOWN)}")
    loaded = zoo.load(detector) if isinstance(detector, str | Path) else detector
    faces.check(loaded.card.crop)
    samples = limited(selected(manifest, split, methods or None), limit, seed)
    out.mkdir(parents=True, exist_ok=True)
    plan = [(name, level) for name in operators for level in range(1, len(KNOWN[name].levels) + 1)]
    decides = {
        **{"card": cards.deciding(loaded.card), "manifest": manifests.digest(manifest), "plan": plan, "target": target},
        **{"seed": seed, "disorganised": disorganised, "version": _VERSION},
    }
    key = hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
    log = out / "robustness.jsonl"
    known = {name: entry for name, entry in storage.read_log(log).items() if entry["key"] == key}
    missing = [sample for sample in samples if str(sample.path) not in known]
    work = partial(
        degraded_crops, profile=loaded.card.crop, plan=plan, disorganised=disorganised, target=target, seed=seed
    )
    made = map_ordered(work, missing, workers)
    shown = track(made, "robustness", progress, len(missing))
    with log.open("a", encoding="utf-8") as file:
        for sample, found in zip(missing, shown, strict=True):
            entry: dict[str, Any] = {"name": str(sample.path), "key": key, "rows": list(_rows(sample, found, loaded))}
            known[entry["name"]] = entry
            file.write(json.dumps(entry) + "\n")
            file.flush()
    rows = [row for sample in samples for row in known[str(sample.path)]["rows"]]
    with storage.atomic_write(out / FILE) as part:
        pl.DataFrame(rows, SCHEMA).write_parquet(part)
    return out / FILE


def degraded_crops(
    sample: Sample,
    profile: CropProfile,
    plan: Sequence[tuple[str, int]] = (),
    disorganised: bool = False,
    target: Target = "pair",
    seed: int = 0,
) -> DegradedCrops:
    """The crops of one photograph, undamaged first, then at each (operator, level) of ``plan``, then disorganised."""
    chosen = choose(sample, profile)
    if isinstance(chosen, FaceCrop):
        return DegradedCrops(chosen.status, chosen.note, None, [])
    rgb = chosen.rgb
    matrix = faces.alignment(chosen.face.landmarks, profile)
    own = zlib.crc32(str(sample.path.name).encode()) ^ seed
    truth, kind, note = _truth(sample, rgb, target)
    region = region_of(sample, rgb.shape[:2], matrix, profile.size_px)[0] if sample.label else None

    def seen(operator: str, level: int) -> DegradedCrop:
        def damaged(picture: Image) -> Image:
            return picture if operator == UNDAMAGED else degrade(picture, operator, level, own)

        picture = damaged(rgb)
        plane = None if truth is None else faces.cut(truth(picture, damaged), matrix, profile.size_px)
        crop, views = faces.cut(picture, matrix, profile.size_px), faces.views(picture, chosen.face.landmarks, profile)
        return DegradedCrop(operator, level, crop, plane, region, views=views)

    landmarks = faces.moved(chosen.face.landmarks, matrix)
    whole = seen(UNDAMAGED, 0)._replace(hull=parts.hull(landmarks, (profile.size_px, profile.size_px)))
    if sample.label and whole.truth is not None and whole.truth.any():
        regions = parts.parts(landmarks, profile.size_px)
        whole = whole._replace(part=regions[parts.changed(regions, whole.truth)])
    found = [whole, *(seen(operator, level) for operator, level in plan)]
    if disorganised:
        pieces = shuffled([whole.crop] if whole.truth is None else [whole.crop, whole.truth], own)
        found.append(
            DegradedCrop(DISORGANISED, 1, pieces[0], pieces[1] if len(pieces) > 1 else None, views=whole.views)
        )
    return DegradedCrops(Status.OK, note, kind, found)


def _truth(sample: Sample, rgb: Image, target: Target) -> tuple[Any, str | None, str]:
    """What gives the fakeness (H, W) of a damaged copy, what it is taken from, and a note where there is none."""
    if not sample.label:
        return lambda picture, damaged: np.zeros(picture.shape[:2], np.float32), "zeros", ""
    if sample.method in METHODS and METHODS[sample.method].whole:
        return lambda picture, damaged: np.ones(picture.shape[:2], np.float32), "ones", ""
    try:
        real = None if sample.original is None else image.read(sample.original)
        if real is not None and real.shape == rgb.shape:
            pristine = real

            def anew(picture: Image, damaged: Any) -> Plane:
                gap = cv2.absdiff(pristine if target == "fake" else damaged(pristine), picture)
                gray = gap.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
                return np.asarray(gray / np.float32(255), np.float32)

            return anew, "pair", ""
        if sample.mask is not None:
            mask = image.read_plane(sample.mask)
            if mask.shape == rgb.shape[:2]:
                return lambda picture, damaged: mask, "mask", ""
    except MediaError as error:
        return None, None, f"map not judged: {error}"
    return None, None, "map not judged: neither the original nor a mask of this size is there"


def _rows(sample: Sample, found: DegradedCrops, detector: Detector) -> Iterator[dict[str, Any]]:
    known = {
        **{"path": str(sample.path), "label": sample.label, "method": sample.method, "kinds": list(sample.kinds)},
        **{"dataset": sample.dataset, "person": sample.person, "target": found.target},
        **{"status": str(found.status), "note": found.note or None},
    }
    if not found.crops:
        yield known
        return
    crops = np.stack([view.crop for view in found.crops])
    detection = detect(detector, crops, [view.views for view in found.crops])
    for number, view in enumerate(found.crops):
        row = {**known, "operator": view.operator, "level": view.level, "score": float(detection.score[number])}
        if detection.map is not None:
            side = view.crop.shape[0]
            plane = cv2.resize(np.asarray(detection.map[number], np.float32), (side, side))
            row["area"] = localization.false_positive_area(plane, None, localization.FAKE_LEVEL)
            if view.region is not None:
                row["region_iou"] = localization.iou(plane, view.region)
            if view.hull is not None and view.hull.any():
                row["hull_iou"] = localization.iou(plane, view.hull)
            if view.truth is not None and sample.label:
                row |= localization.fakeness(plane, view.truth)
                forged = view.truth >= localization.FAKE_LEVEL
                row["forged_area"] = float(forged.mean())
                if view.part is not None:
                    row |= localization.inside(plane, view.truth, view.part)
                row["recall"] = localization.recall(plane, forged, localization.FAKE_LEVEL) if forged.any() else None
        yield row
