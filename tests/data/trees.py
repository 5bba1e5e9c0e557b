"""Tiny data sets in the true layout of each public one: real mp4 files, real pictures, real lists."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np

from facewitness.types import Image
from tests.fakes import save, texture

SPLITS = {"train": [("000", "003")], "val": [("001", "002")], "test": [("953", "974")]}
"""Pairs of a FaceForensics++ of six videos."""


def clip(path: Path, frames: Iterable[Image] | None = None, *, rate: int = 25, crf: int = 18) -> Path:
    """Write an mp4 (H.264) of some frames, whose sides must be even; of textures if none are given."""
    frames = [texture(48, 64, seed) for seed in range(4)] if frames is None else list(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "g": "12"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return path


def faceforensics(
    root: Path,
    frames: Iterable[Image] | None = None,
    mask: Iterable[Image] | None = None,
    *,
    level: str = "c23",
    methods: tuple[str, ...] = ("Deepfakes", "FaceShifter"),
) -> Path:
    """Six real videos, both directions of three pairs by each method, masks but for FaceShifter, the split lists."""
    frames = None if frames is None else list(frames)
    for pairs in SPLITS.values():
        for one, other in pairs:
            for name in (one, other):
                clip(root / "original_sequences" / "youtube" / level / "videos" / f"{name}.mp4", frames)
            for name in (f"{one}_{other}", f"{other}_{one}"):
                for method in methods:
                    folder = root / "manipulated_sequences" / method
                    clip(folder / level / "videos" / f"{name}.mp4", frames)
                    if method != "FaceShifter":
                        clip(folder / "masks" / "videos" / f"{name}.mp4", mask)
    for split, pairs in SPLITS.items():
        (root / f"{split}.json").write_text(json.dumps(pairs))
    return root


def deepfakedetection(root: Path, frames: Iterable[Image] | None = None) -> Path:
    """Two actors, one swap of the second into the first."""
    frames = None if frames is None else list(frames)
    for name in ("01__kitchen_pan", "02__kitchen_pan"):
        clip(root / "original_sequences" / "actors" / "c23" / "videos" / f"{name}.mp4", frames)
    folder = root / "manipulated_sequences" / "DeepFakeDetection"
    clip(folder / "c23" / "videos" / "01_02__kitchen_pan__YCSEBZO4.mp4", frames)
    clip(folder / "masks" / "videos" / "01_02__kitchen_pan__YCSEBZO4.mp4")
    return root


def celebdf(root: Path, frames: Iterable[Image] | None = None) -> Path:
    """Two real people, one from YouTube, two swaps; half of it for testing. In the list, 1 means real."""
    frames = None if frames is None else list(frames)
    names = ("Celeb-real/id0_0000", "Celeb-real/id1_0000", "YouTube-real/00170", "Celeb-synthesis/id0_id1_0000")
    for name in (*names, "Celeb-synthesis/id1_id0_0000"):
        clip(root / f"{name}.mp4", frames)
    lines = ["1 Celeb-real/id1_0000.mp4", "1 YouTube-real/00170.mp4", "0 Celeb-synthesis/id1_id0_0000.mp4"]
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines) + "\n")
    return root


def uadfv(root: Path, frames: Iterable[Image] | None = None) -> Path:
    """One real video and its fake."""
    frames = None if frames is None else list(frames)
    clip(root / "real" / "0000.mp4", frames)
    clip(root / "fake" / "0000_fake.mp4", frames)
    return root


def dffd(root: Path, picture: Image | None = None) -> Path:
    """The archives: real faces, whole synthesis, and one partial manipulation with a mask."""
    picture = texture() if picture is None else picture
    for split in ("train", "validation", "test"):
        for name in ("ffhq", "stylegan_ffhq", "faceapp"):
            save(picture, root / name / split / "1.png")
        save(np.full_like(picture, 255), root / "faceapp" / "mask" / split / "1.png")
    return root


def celeba(root: Path, picture: Image | None = None) -> Path:
    """Three photographs of two people."""
    for number in (1, 2, 3):
        save(texture() if picture is None else picture, root / "img_align_celeba" / f"00000{number}.jpg")
    (root / "list_attr_celeba.txt").write_text(
        "3\nBald Eyeglasses Smiling\n000001.jpg -1  1  1\n000002.jpg -1 -1 -1\n000003.jpg  1 -1 -1\n"
    )
    (root / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    (root / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n")
    return root
