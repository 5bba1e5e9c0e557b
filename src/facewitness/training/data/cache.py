"""Faces with their surroundings, found once and kept: what training draws its photographs from.

A face is kept as the upright window of twice the face's side, reduced to at most ``side_px``, with its landmarks:
enough for any manipulation and any jittered crop. One memory-mapped file holds them all, so that workers share it.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from facewitness import storage
from facewitness.compute.pool import map_ordered
from facewitness.compute.progress import Progress, track
from facewitness.forge.forgery import Portrait
from facewitness.forge.methods import METHODS
from facewitness.media import faces, image
from facewitness.types import FacewitnessError, Image, MediaError, Points, Sample

_KEPT_BYTES = 16 * 1024**3
_KEPT_S = 24 * 3600
_REACH = 1.0  # half of the window's side, in sides of the face


@dataclass(frozen=True, slots=True)
class FaceCache:
    """Face windows of some samples; ``sample[i]`` is the position of face i in the list they were made from."""

    pixels: NDArray[np.uint8]  # all windows, one after another
    offset: NDArray[np.int64]
    shape: NDArray[np.int32]  # (K, 2) height, width
    landmarks: NDArray[np.float32]  # (K, 68, 2)
    sample: NDArray[np.int64]  # (K,)
    regions: NDArray[np.uint8]  # at the same offsets / 3; 0 and 1, or levels of fakeness where ``gray``
    has_region: NDArray[np.bool_]  # (K,)
    gray: bool = False

    def __len__(self) -> int:
        return len(self.offset)

    def portrait(self, index: int) -> Portrait:
        """The window and its landmarks."""
        height, width = (int(v) for v in self.shape[index])
        start = int(self.offset[index])
        window = self.pixels[start : start + height * width * 3].reshape(height, width, 3)
        return Portrait(np.array(window), self.landmarks[index])

    def region(self, index: int) -> NDArray[np.uint8] | None:
        """The forged region (H, W) of 0 and 255, or its fakeness between them, or None where it is not known."""
        if not self.has_region[index]:
            return None
        height, width = (int(v) for v in self.shape[index])
        start = int(self.offset[index]) // 3
        levels = self.regions[start : start + height * width].reshape(height, width)
        return np.array(levels) if self.gray else levels * np.uint8(255)


def cached_faces(
    samples: Sequence[Sample],
    side_px: int,
    *,
    gray: bool = False,
    finder: str = faces.FINDER,
    progress: Progress = None,
) -> FaceCache:
    """Return the window of each sample's largest face, from the cache or made now. Samples without one are left out.

    ``finder`` looks for the faces of samples without landmarks; a doubtful face is none.
    ``gray`` keeps the fakeness of each (FakeLocator, eq. 7) in place of its region: its mask, or, for a picture made
    anew as a whole, ones. Where there is no mask it is not known, however well the region is.

    Raises:
        FacewitnessError: no face was found in any of them.
    """
    folder = _folder(samples, side_px, gray, finder)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # of several processes one makes it and the others wait
        if not (folder / "index.npz").exists():
            _forget_unused()
            _build(samples, side_px, folder, gray, finder, progress)
    os.utime(folder)
    index = np.load(folder / "index.npz")
    return FaceCache(
        pixels=np.memmap(folder / "pixels.bin", np.uint8, "r"),
        regions=np.memmap(folder / "regions.bin", np.uint8, "r"),
        gray=gray,
        **{name: index[name] for name in ("offset", "shape", "landmarks", "sample", "has_region")},
    )


def face_window(
    rgb: Image, landmarks: Points, side_px: int, region: Image | None = None
) -> tuple[Portrait, NDArray[np.uint8]]:
    """Crop the window of a face and, alike, of its region."""
    low, high = landmarks.min(0), landmarks.max(0)
    centre, reach = (low + high) / 2, float((high - low).max()) * _REACH
    left, top = np.maximum(np.floor(centre - reach), 0).astype(int)
    right, bottom = (np.ceil(centre + reach)).astype(int)
    window = rgb[top : min(bottom, rgb.shape[0]), left : min(right, rgb.shape[1])]
    inside = np.zeros(window.shape[:2], np.uint8) if region is None else region[top:bottom, left:right]
    scale = min(1.0, side_px / max(window.shape[:2]))
    moved = landmarks - np.array([left, top], np.float32)
    if scale < 1:
        size = (max(1, round(window.shape[1] * scale)), max(1, round(window.shape[0] * scale)))
        ratio = np.array(size, np.float32) / np.array(window.shape[1::-1], np.float32)
        moved = np.asarray((moved + 0.5) * ratio - 0.5, np.float32)
        window = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), np.uint8)
        inside = np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return Portrait(np.ascontiguousarray(window), moved), np.ascontiguousarray(inside)


def _build(samples: Sequence[Sample], side_px: int, folder: Path, gray: bool, finder: str, progress: Progress) -> None:
    rows: list[tuple[int, int, int, int, bool]] = []
    points: list[Points] = []
    offset = 0
    work = [(number, sample, side_px, gray, finder) for number, sample in enumerate(samples)]
    with open(folder / "pixels.bin", "wb") as pixels, open(folder / "regions.bin", "wb") as regions:
        made = track(map_ordered(_one, work), "finding faces", progress, len(samples))
        for number, result in made:
            if result is None:
                continue
            portrait, region, known = result
            height, width = portrait.image.shape[:2]
            rows.append((offset, height, width, number, known))
            points.append(portrait.landmarks)
            pixels.write(portrait.image.tobytes())
            regions.write(region.tobytes())
            offset += height * width * 3
    if not rows:
        raise FacewitnessError(f"no face was found in any of {len(samples)} photographs: check the data path")
    table = np.array(rows, np.int64)
    with storage.atomic_write(folder / "index.npz") as part:  # last: a half-made cache is never taken for a whole one
        np.savez(
            part,
            offset=table[:, 0],
            shape=table[:, 1:3].astype(np.int32),
            sample=table[:, 3],
            has_region=table[:, 4].astype(bool),
            landmarks=np.stack(points),
        )


Result = tuple[int, tuple[Portrait, NDArray[np.uint8], bool] | None]


def _one(work: tuple[int, Sample, int, bool, str]) -> Result:
    number, sample, side_px, gray, finder = work
    try:
        rgb = image.read(sample.path)
    except MediaError:
        return number, None
    landmarks = sample.landmarks
    if landmarks is None:
        found = faces.find(rgb, finder)
        if not found or found[0].doubtful:
            return number, None
        landmarks = found[0].landmarks
    region = _fakeness(sample) if gray else _region(sample)
    known = region is not None or sample.label == 0
    return number, (*face_window(rgb, landmarks, side_px, region), known)


def _region(sample: Sample) -> Image | None:
    if sample.region is not None:
        return (image.read(sample.region)[..., 0] > 127).astype(np.uint8)
    return None if sample.mask is None else (image.read_plane(sample.mask) > 0).astype(np.uint8)


def _fakeness(sample: Sample) -> Image | None:
    if sample.method in METHODS and METHODS[sample.method].whole:
        region = _region(sample)
        return None if region is None else region * np.uint8(255)
    return None if sample.mask is None else np.rint(image.read_plane(sample.mask) * 255).astype(np.uint8)


def _forget_unused() -> None:
    """Of the faces that no training asked for in a day, remove those that are more than 16 GiB, the oldest first."""
    used = sorted((folder.stat().st_mtime, folder) for folder in storage.cache_directory().glob("faces-*"))
    kept = 0
    for at, folder in reversed(used):
        kept += sum(file.stat().st_size for file in folder.iterdir())
        if kept > _KEPT_BYTES and time.time() - at > _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)  # another process may be at it


def _folder(samples: Sequence[Sample], side_px: int, gray: bool, finder: str) -> Path:
    asked = [2, side_px, *(["gray"] if gray else []), *([finder] if finder != faces.FINDER else [])]
    key = hashlib.sha256(json.dumps(asked).encode())
    for sample in samples:
        stat = sample.path.stat() if sample.path.exists() else None
        key.update(
            f"{sample.path.resolve()}|{stat and stat.st_size}|{stat and stat.st_mtime_ns}|{sample.region}\n".encode()
        )
    return storage.cache_directory() / f"faces-{key.hexdigest()[:16]}"
