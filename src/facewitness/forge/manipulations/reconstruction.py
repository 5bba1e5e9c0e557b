"""Reconstruction: the photograph as an autoencoder draws it, everywhere or in the face alone.

What is left of it is what a decoder leaves in any picture it draws. Mirrors what AlignedForensics, DDA (photographs and
their reconstructions, aligned in compression and spectrum) and FIA-USA (pasted into the face) train on.
"""

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, blend, blur, finish
from facewitness.media.parts import hull, with_forehead
from facewitness.types import Image, Plane

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
BANDS = 24
_RATIO = (0.25, 2.0)  # what a band of a copy may lack or have too much of to be mended
_STEP = 8  # the sides of what a decoder is given are multiples of it
_BLOCK, _BORDER = 512, 32  # px, of what it is given at once, and of what it sees around that


def _reconstruct(name: str, target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    generator = generators.load(name)
    ratio = float(rng.choice(RATIOS))
    weight = _face(target, rng) if rng.random() < 0.5 else None
    left, top, width, height = (
        (0, 0, *target.image.shape[1::-1]) if weight is None else cv2.boundingRect((weight > 0).astype(np.uint8))
    )
    where = (slice(top, top + height), slice(left, left + width))
    forged = target.image.copy()
    if width and height:
        original = target.image[where]
        made = match_spectrum(drawn(generator, original), original.astype(np.float32))
        share = np.ones((height, width), np.float32) if weight is None else weight[where]
        forged[where] = blend(np.asarray(np.clip(made, 0, 255)), original, share * np.float32(ratio))
    return finish(target.image, forged, {"ratio": ratio, "local": weight is not None})


def _face(target: Portrait, rng: np.random.Generator) -> Plane:
    """The face's hull, with the forehead or not, soft at its border by a random width."""
    points = with_forehead(target.landmarks, 0.6) if rng.random() < 0.75 else target.landmarks
    inside = hull(points, (target.image.shape[0], target.image.shape[1]))
    return blur(inside, float(rng.uniform(0.01, 0.08)) * target.side_px)


def drawn(generator: generators.OnnxGenerator, image: Image) -> NDArray[np.float32]:
    """What an autoencoder makes of a picture (H, W, 3), in 0..255, not rounded; block by block where it is large."""
    height, width = image.shape[:2]
    below, right = (_BORDER + -side % _STEP for side in (height, width))
    padded = np.asarray(cv2.copyMakeBorder(image, _BORDER, below, _BORDER, right, cv2.BORDER_REFLECT), np.uint8)
    made = np.empty((*image.shape[:2], 3), np.float32)
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            block = padded[top : top + _BLOCK + 2 * _BORDER, left : left + _BLOCK + 2 * _BORDER]
            inner = generators.picture(generator(generators.planes(block)))[_BORDER:, _BORDER:]
            goal = made[top : top + _BLOCK, left : left + _BLOCK]
            goal[:] = inner[: goal.shape[0], : goal.shape[1]]
    return made


def match_spectrum(made: NDArray[np.float32], original: NDArray[np.float32]) -> NDArray[np.float32]:
    """``made`` (H, W, 3) with as much of each band of spatial frequency as ``original`` has, within a factor of 4.

    A copy that is softer than its original would teach a detector softness, and nothing of how it was drawn.
    """
    gain = 1 / np.clip(band_ratios(made, original), *_RATIO)[_bands(made)]
    gain[0, 0] = 1
    spectrum = np.fft.rfft2(made, axes=(0, 1)) * gain[..., None]
    return np.asarray(np.fft.irfft2(spectrum, s=made.shape[:2], axes=(0, 1)), np.float32)


def _bands(picture: NDArray[np.float32]) -> NDArray[np.int64]:
    """The ring that each coefficient of a picture's ``rfft2`` lies in."""
    height, width = picture.shape[:2]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]) * 2
    return np.asarray(np.minimum(radius * BANDS, BANDS - 1), np.int64)


def band_ratios(made: NDArray[np.float32], original: NDArray[np.float32]) -> NDArray[np.float64]:
    """Amplitude of ``made`` over that of ``original`` (H, W, 3) in each of ``BANDS`` rings of spatial frequency."""
    band = _bands(made).ravel()
    sums = []
    for picture in (made, original):
        gray = picture.mean(2)
        power = np.abs(np.fft.rfft2(gray - gray.mean())) ** 2
        sums.append(np.bincount(band, power.ravel(), BANDS))
    return np.sqrt((sums[0] + 1e-6) / (sums[1] + 1e-6))


KINDS = {
    "nearest-4": "nearest up-sampling, stride 4",
    "nearest-8": "nearest up-sampling, stride 8",
    "bilinear-4": "bilinear up-sampling, stride 4",
    "transposed-4": "transposed convolutions, stride 4",
    "transposed-8": "transposed convolutions, stride 8",
    "fir-4": "StyleGAN2's up-sampling, stride 4",
    "fir-8": "StyleGAN2's up-sampling, stride 8",
    "shuffle-8": "pixel shuffle, stride 8",
    "quantised-4": "a quantised latent space, stride 4",
}
RECONSTRUCT = {f"reconstruct-{kind}": partial(_reconstruct, f"reconstruct-{kind}") for kind in KINDS}
"""The autoencoders' names and what makes their forgeries."""
