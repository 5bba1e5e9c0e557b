"""A pack holds what a training needs of its photographs, in archives of a bounded size."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from facewitness.data import manifest, sources
from facewitness.training.data import pack as packing
from facewitness.training.data.cache import cached_faces


def test_a_pack_is_a_data_set_with_the_same_faces(toy_data: Path, tmp_path: Path) -> None:
    kept = [s for s in manifest.read(toy_data / "manifest.parquet") if s.split != "test"]
    limit = 40_000
    archives = packing.pack([toy_data], tmp_path / "pack", side_px=200, finder="dlib-hog", limit_bytes=limit)
    assert len(archives) > 1
    assert all(path.stat().st_size <= limit + 10_240 for path in archives)  # tar ends in empty blocks
    (tmp_path / "there").mkdir()
    for path in archives:
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / "there", filter="data")
    samples = sources.read(tmp_path / "there")
    own = cached_faces(kept, 200, progress=None)
    there = cached_faces(samples, 200, finder="none is needed")
    assert len(there) == len(samples) == len(own)
    assert sorted(s.dataset for s in samples) == sorted(kept[int(i)].dataset for i in own.sample)
    assert {s.split for s in samples} == {s.split for s in kept}
    side = np.ptp(there.portrait(0).landmarks, axis=0).max()
    assert 60 < side < 140  # half of a window
