"""Stand-ins for what tests must not wait for: a detector without a network, and photographs without a camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from facewitness.detectors import cards
from facewitness.types import Calibration, Card, CropProfile, Detection, Image

LIGHTNING_CHATTER = [
    # it advises more workers, and uses parts of torch that torch is renaming
    pytest.mark.filterwarnings(f"ignore:.*{what}.*")
    for what in (
        "does not have many workers",
        "LeafSpec",
        "Experiment logs directory",
        "Checkpoint directory",
        "number of training batches",
    )
]

FAKE_CARD = Card(
    name="fake.brightness",
    build="tests.fakes:FakeDetector",
    crop=CropProfile(size_px=64),
    has_map=True,
    calibration=Calibration(temperature=1.0, fake_above=0.8, real_below=0.2),
    weights="0" * 64,
    licence="Apache-2.0",
    trained_on="nothing",
)


@dataclass
class FakeDetector:
    """Scores a crop by its mean brightness and maps it by its gray values, so that a test can foretell both."""

    card: Card = FAKE_CARD
    calls: list[tuple[int, ...]] = field(default_factory=list)  # the shape of each batch it was shown

    @property
    def identity(self) -> dict[str, Any]:
        return cards.identity(self.card)

    def __call__(self, crops: Image) -> Detection:
        self.calls.append(crops.shape)
        gray = crops.astype(np.float32).mean(-1) / 255  # (N, S, S)
        score = gray.mean((1, 2))
        return Detection(score=score, features=score[:, None], map=gray if self.card.has_map else None)


def texture(height: int = 48, width: int = 64, seed: int = 0) -> Image:
    """A photograph of nothing: smooth noise in which no finder sees a face, (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), np.uint8)
    return np.asarray(PillowImage.fromarray(coarse).resize((width, height), PillowImage.Resampling.BICUBIC))


@lru_cache(maxsize=1)
def astronaut() -> Image:
    """NASA's portrait of Eileen Collins, public domain, from scikit-image's wheel: one large face, (512, 512, 3)."""
    from skimage import data

    rgb = np.asarray(data.astronaut(), np.uint8)
    rgb.setflags(write=False)
    return rgb


def crowd() -> Image:
    """Two faces, side by side and of different sizes, (512, 832, 3)."""
    rgb = astronaut()
    small = np.asarray(PillowImage.fromarray(rgb).resize((320, 320), PillowImage.Resampling.LANCZOS))
    canvas = np.full((512, 832, 3), 200, np.uint8)
    canvas[:, :512] = rgb
    canvas[96:416, 512:] = small
    return canvas


def save(rgb: Image, path: Path) -> Path:
    """Write pixels with Pillow by the path's suffix, lossless for PNG; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(rgb).save(path)
    return path


def toy_training(entry: str, more: str = "", *, pairs: int = 4) -> str:
    """A training recipe that takes a second or two: one epoch at 64 px. Its data are to be laid over it."""
    return f"""
name = "{entry}"
[data]
path = "replaced"
pairs_per_epoch = {pairs}
validation_pairs = 2
workers = 0
[net]
entry = "{entry}"
[crop]
size_px = 64
[optim]
batch_pairs = 2
epochs = 1
average = 0
[trainer]
accelerator = "cpu"
threads = 1
{more}"""
