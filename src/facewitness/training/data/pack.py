"""Face windows of some data as a few archives, for training on a machine that data travels to slowly.

Unpacked together, the archives are a data set that ``facewitness train`` takes: windows as JPEG, and a manifest with
their landmarks, so that no face finder is needed there.
"""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facewitness import storage
from facewitness.compute.progress import Progress, track
from facewitness.data import manifest, sources
from facewitness.media import image
from facewitness.training.data.cache import cached_faces
from facewitness.types import Sample

ENCODING = "jpeg:90"
MANIFEST = sources.MANIFESTS[1]


def pack(
    data: Sequence[Path],
    out: Path,
    *,
    side_px: int,
    finder: str,
    limit_bytes: int,
    seed: int = 0,
    progress: Progress = None,
) -> list[Path]:
    """Write ``pack-1.tar`` and so on to ``out``, each of at most ``limit_bytes``, and return their paths.

    Packed are the largest face of each photograph of the splits ``train`` and ``val``, in random order: any archive is
    a fair sample. Masks and regions are left behind. The first archive also holds the manifest.

    Raises:
        ManifestError: some of the data is no data.
        FacewitnessError: no face was found.
    """
    samples = [s for one in data for s in sources.read_divided(one, seed) if s.split in ("train", "val")]
    faces = cached_faces(samples, side_px, finder=finder, progress=progress)
    order = np.random.default_rng(seed).permutation(len(faces))
    names = {samples[int(faces.sample[i])].path: Path(f"{number:06d}.jpg") for number, i in enumerate(order)}
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Sample] = []
    members: list[tuple[str, bytes]] = []
    for i in track(order, "packing", progress, len(order)):
        sample, portrait = samples[int(faces.sample[i])], faces.portrait(int(i))
        original = None if sample.original is None else names.get(sample.original)
        kept = replace(
            sample, path=out / names[sample.path], landmarks=np.round(portrait.landmarks, 1), mask=None, region=None
        )
        rows.append(replace(kept, original=None if original is None else out / original))
        members.append((str(names[sample.path]), image.encode(portrait.image, ENCODING)))
    manifest.write(rows, out / MANIFEST)
    members.insert(0, (MANIFEST, (out / MANIFEST).read_bytes()))
    return _archives(members, out, limit_bytes)


def _archives(members: Sequence[tuple[str, bytes]], out: Path, limit_bytes: int) -> list[Path]:
    parts: list[list[tuple[str, bytes]]] = [[]]
    size = 0
    for name, content in members:
        needed = len(content) + 1024  # a header, and filling up to whole blocks
        if size + needed > limit_bytes and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append((name, content))
        size += needed
    paths = []
    for number, part in enumerate(parts, start=1):
        paths.append(out / f"pack-{number}.tar")
        with storage.atomic_write(paths[-1]) as written, tarfile.open(written, "w") as archive:
            for name, content in part:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return paths
