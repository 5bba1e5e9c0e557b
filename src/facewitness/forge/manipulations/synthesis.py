"""Synthesis: a whole face from noise, drawn by a generator trained against a critic whose gradient is held down, in
place of everything that was in the picture. Mirrors PGGAN and StyleGAN. It shows nobody; only head squares allow it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, finish
from facewitness.types import Image

TRUNCATION = 0.5
"""Spread of the noise that faces are drawn from, of the spread the generator was trained with."""
GRAIN = 0.55
"""Of the photograph's own fine detail, as noise on what was drawn. Without it a file's size alone would tell the drawn
from the photographed, and a detector would learn that. StyleGAN's noise inputs do the same inside its generator."""


def synthesis(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Fill the square of ``target`` with a face of nobody's."""
    generator = generators.load("synthesis")
    noise = draw(rng, int(generator.card["noise"]), TRUNCATION)
    made = generators.picture(generator(noise))
    height, width = target.image.shape[:2]
    drawn = cv2.resize(made, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, GRAIN * detail(target.image), (height, width, 1))
    forged = np.asarray(np.clip(np.rint(drawn + grain), 0, 255), np.uint8)
    return finish(target.image, forged, {"truncation": TRUNCATION, "grain": GRAIN})


def draw(rng: np.random.Generator, length: int, spread: float = 1.0) -> NDArray[np.float32]:
    """Noise (length,) for one face."""
    return np.asarray(rng.normal(0, spread, length), np.float32)


def detail(image: Image) -> float:
    """Standard deviation of what a blur of one pixel takes out of a picture's luminance, of 255."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float((gray - cv2.GaussianBlur(gray, (0, 0), 1.0)).std())
