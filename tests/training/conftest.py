"""A toy data set in the true layout and the recipe that trains on it in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facewitness.data import manifest
from facewitness.types import Sample
from tests.fakes import astronaut, save

RECIPE = """
name = "toy"
trained_on = "one astronaut"

[data]
path = "{data}"
pairs_per_epoch = 4
validation_pairs = 2
workers = 0

[crop]
size_px = 32

[forge]
methods = {{ selfblend = 0.5, faceswap = 0.25, inpaint-diffusion = 0.25 }}

[optim]
batch_pairs = 2
epochs = 2
warmup_steps = 1
average = 0.5

[trainer]
accelerator = "cpu"
devices = 1
threads = 1
"""


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven photographs of different 'people' (shifted and tinted), one without a face, as a manifest."""
    folder = tmp_path_factory.mktemp("toy")
    samples = []
    for number in range(6):
        tinted = np.clip(astronaut().astype(float) * (0.7 + 0.05 * number), 0, 255).astype(np.uint8)
        path = save(np.roll(tinted, 4 * number, axis=1), folder / f"{number}.png")
        split = "train" if number < 4 else "val"
        samples.append(Sample(path, 0, identities=(str(number),), dataset=f"d{number % 2}", split=split))
    blank = save(np.zeros((80, 80, 3), np.uint8), folder / "blank.png")
    samples.append(Sample(blank, 0, identities=("blank",), dataset="d0", split="train"))
    manifest.write(samples, folder / "manifest.parquet")
    return folder


@pytest.fixture
def recipe(toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy recipe; faces are cached under the test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE.format(data=toy_data / "manifest.parquet"))
    return path
