"""A tiny set to judge on: variants of the astronaut, some brightened in a known square, for the brightness detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from facewitness.data import manifest
from facewitness.types import Image, Sample
from tests.fakes import astronaut, save

REGION = (90, 180, 170, 250)  # top, bottom, left, right: most of the face


def photograph(number: int) -> Image:
    """One of many pictures of one person: mirrored, darker, shifted."""
    rgb = astronaut()[:320, 60:400].astype(float) * (0.9 - 0.03 * number)
    rgb = rgb[:, ::-1] if number % 2 else rgb
    return np.ascontiguousarray(np.clip(rgb, 0, 255).astype(np.uint8))


def forged(rgb: Image) -> tuple[Image, Image]:
    """The photograph with its face whitened, and the region."""
    region = np.zeros(rgb.shape[:2], np.uint8)
    top, bottom, left, right = REGION
    region[top:bottom, left - 60 : right - 60] = 255
    image = rgb.copy()
    image[region > 0] = np.minimum(255, image[region > 0] // 2 + 128)
    return image, region


def pair() -> Image:
    """Two faces in one photograph, the left one half as large again, (320, 650, 3)."""
    small = astronaut()[:320, 60:400]
    large = np.asarray(PillowImage.fromarray(astronaut()[:220, 120:327]).resize((310, 330)))[:320]
    return np.hstack([large, small])


def write(folder: Path, *, people: int = 6) -> Path:
    """Reals of two data sets; ``whiten`` is applied to both, ``whiten2`` to ``studio`` alone; one file is broken."""
    samples = []
    for number in range(people):
        dataset = "studio" if number % 2 else "street"
        rgb = photograph(number)
        real = save(rgb, folder / f"real-{number}.png")
        who = (f"p{number}",)
        samples.append(Sample(real, 0, identities=who, dataset=dataset, split="test"))
        image, region = forged(rgb if number % 2 == 0 else rgb[:, ::-1])
        if number % 2:
            image, region = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(region[:, ::-1])
        fake = save(image, folder / f"fake-{number}.png")
        mask = save(region, folder / "masks" / f"fake-{number}.png")
        samples.append(Sample(fake, 1, "whiten", identities=who, dataset=dataset, split="test", region=mask))
        if dataset == "studio":
            other = save(image, folder / f"other-{number}.png")
            samples.append(Sample(other, 1, "whiten2", identities=who, dataset=dataset, split="test"))
    broken = folder / "broken.jpg"
    broken.write_text("no photograph")
    samples.append(Sample(broken, 0, identities=("nobody",), dataset="street", split="test"))
    manifest.write(samples, folder / "manifest.parquet")
    return folder / "manifest.parquet"
