"""From a sample to the crop a detector judges, with the truth for its map on the same grid. No detector here.

The way is the one a scan takes: ``media.image.read``, ``media.faces.find``, ``media.faces.crop`` with the detector's
own profile. What differs is that one face of the photograph is chosen, the one the manifest speaks of. Runs in worker
processes, so everything that goes in and out can be pickled.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.compute.pool import map_ordered
from facewitness.media import faces, image
from facewitness.types import Box, CropProfile, Image, MediaError, Points, Sample, Status, Views

_SAMPLES_PER_TASK = 8
_WORTH_PROCESSES = 64  # a worker takes about a second to start; fewer samples than this are cropped in this process


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """One sample, read and cropped. ``crop`` is there if ``status`` is OK, and says nothing otherwise."""

    status: Status
    note: str = ""  # why there is no crop, or no truth
    faces: int = 0  # found in the photograph
    side_px: float | None = None  # of the chosen face
    box: Box | None = None
    crop: Image | None = None  # (S, S, 3)
    others: Image | None = None  # (K, S, S, 3) the further faces a scan of this photograph would judge
    views: tuple[Views, ...] = ()  # of the face and of the others, what further members of the detector see
    truth: NDArray[np.bool_] | None = None  # (S, S) forged; None = unknown
    mask_outside: float | None = None  # share of the forged pixels that the crop does not show


@dataclass(frozen=True, slots=True)
class Chosen:
    """A photograph and the face of it that a sample speaks of, among all that were found."""

    rgb: Image
    face: faces.Face
    found: list[faces.Face]


def crop_sample(sample: Sample, profile: CropProfile) -> FaceCrop:
    """Read a sample's photograph, choose its face, crop it and warp the truth. Failures become a status."""
    chosen = choose(sample, profile)
    if isinstance(chosen, FaceCrop):
        return chosen
    rgb, face, found = chosen.rgb, chosen.face, chosen.found
    crop, matrix = faces.crop(rgb, face.landmarks, profile)
    further = [one for one in found if one is not face and faces.status(one, profile) is Status.OK]
    others = np.stack([faces.crop(rgb, other.landmarks, profile)[0] for other in further]) if further else None
    seen = [face, *further] if profile.further else []
    views = tuple(faces.views(rgb, one.landmarks, profile) for one in seen)
    truth, outside, note = region_of(sample, rgb.shape[:2], matrix, profile.size_px)
    return FaceCrop(Status.OK, note, len(found), face.side_px, face.box, crop, others, views, truth, outside)


def choose(sample: Sample, profile: CropProfile) -> Chosen | FaceCrop:
    """Read a sample's photograph and choose its face; a ``FaceCrop`` without a crop says why there is none."""
    try:
        rgb = image.read(sample.path)
    except MediaError as error:
        return FaceCrop(error.status, str(error))
    found = faces.find(rgb, profile.finder, thorough=True)
    if not found:
        return FaceCrop(Status.NO_FACE, faces.nothing_found(rgb.shape, profile.finder))
    face = found[0] if sample.landmarks is None else match(found, sample.landmarks)
    if face is None:
        note = f"none of the {len(found)} faces found is the one the manifest gives landmarks of"
        return FaceCrop(Status.NO_FACE, note, len(found))
    status = faces.status(face, profile)
    if status is not Status.OK:
        small = f"the face is {face.side_px:.0f} px, the detector needs {profile.min_face_px}"
        note = small if status is Status.FACE_TOO_SMALL else "it may be no face"
        return FaceCrop(status, note, len(found), face.side_px, face.box)
    return Chosen(rgb, face, found)


def match(found: Sequence[faces.Face], landmarks: Points) -> faces.Face | None:
    """The found face whose 68 points lie nearest to ``landmarks``; None if even they are half a face away."""
    nearest = min(found, key=lambda face: _distance(face.landmarks, landmarks))
    side = float(np.ptp(landmarks, axis=0).max())
    return nearest if _distance(nearest.landmarks, landmarks) < side / 2 else None


def crop_samples(
    samples: Sequence[Sample], profile: CropProfile, workers: int | None = None
) -> Generator[FaceCrop, None, None]:
    """Yield ``crop_sample`` of each sample, in order, made ahead by worker processes.

    ``workers`` None takes one per core, or none if the samples are few; 0 crops in this process.

    Raises:
        FacewitnessError: a worker process died, as when memory runs out.
    """
    return map_ordered(
        partial(crop_sample, profile=profile), samples, workers, chunk=_SAMPLES_PER_TASK, at_least=_WORTH_PROCESSES
    )


def _distance(a: Points, b: Points) -> float:
    return float(np.linalg.norm(a - b, axis=1).mean())


def region_of(
    sample: Sample, shape: tuple[int, ...], matrix: NDArray[np.float64], size_px: int
) -> tuple[NDArray[np.bool_] | None, float | None, str]:
    """Return the forged region (S, S) of a crop, the share of it outside, and a note where a file does not hold it."""
    if sample.label == 0:
        return np.zeros((size_px, size_px), bool), None, ""
    file: Path | None = sample.region or sample.mask
    if file is None:
        return None, None, ""
    try:
        forged = (image.read_plane(file) > 0).astype(np.uint8)
    except MediaError as error:
        return None, None, f"map not judged: {error}"
    if forged.shape != shape:
        return None, None, f"map not judged: {file} is {forged.shape}, the photograph {shape}"
    if not forged.any():
        return None, None, f"map not judged: {file} is empty, though the sample is a fake"
    rows, columns = np.nonzero(forged)
    at = matrix[:, :2] @ np.stack([columns, rows]) + matrix[:, 2:]
    outside = float(1 - ((at >= -0.5) & (at < size_px - 0.5)).all(0).mean())
    # Mirrored at the photograph's edge like the crop itself: a mirrored forgery is shown, and forged.
    border = cv2.BORDER_REFLECT_101
    truth = cv2.warpAffine(forged, matrix, (size_px, size_px), flags=cv2.INTER_NEAREST, borderMode=border)
    if not truth.any():
        return None, outside, "map not judged: the forged region lies outside the crop"
    return truth > 0, outside, ""
