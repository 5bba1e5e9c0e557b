"""Synthesis: a whole face from noise, drawn by a network trained against a spectrally normalised critic, in place of
everything that was in the picture. Mirrors PGGAN and StyleGAN. It shows nobody, and only head squares allow it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from forgesight.forge import networks
from forgesight.forge.forgery import Forgery, Portrait, finish

TRUNCATION = 0.6
"""Spread of the noise that faces are drawn from, of the spread the network was trained with."""


def synthesis(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Fill the square of ``target`` with a face of nobody's."""
    network = networks.load("synthesis")
    noise = draw(rng, int(network.card["noise"]), TRUNCATION)
    made = networks.picture(network(noise))
    height, width = target.image.shape[:2]
    drawn = cv2.resize(made, (width, height), interpolation=cv2.INTER_CUBIC)
    forged = np.asarray(np.clip(np.rint(drawn), 0, 255), np.uint8)
    return finish(target.image, forged, {"truncation": TRUNCATION})


def draw(rng: np.random.Generator, length: int, spread: float = 1.0) -> NDArray[np.float32]:
    """Noise (length,) for one face."""
    return np.asarray(rng.normal(0, spread, length), np.float32)
