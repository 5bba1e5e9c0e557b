"""The mouth alone rendered anew by a generator, after an expression that a donor lends.

Mirrors NeuralTextures, which changes only this region of a Face2Face tracking. ``inputs`` is what the generator sees,
in training as in forging.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, blur, finish
from facewitness.forge.manipulations.reenactment import expression, move
from facewitness.media import faces
from facewitness.media.parts import hull
from facewitness.types import ForgeError, Image, Plane, Points

INPUTS = 6
_OUTER, _INNER = slice(48, 60), slice(60, 68)
_REACH = 1.5  # the region is the hull of the lips, this many times as large


def neuraltextures(target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Move the mouth of ``target`` as the donor's expression says and let the generator draw it anew.

    Raises:
        ForgeError: there is no donor with a neutral face beside its expression, or the generator was not trained yet.
    """
    if donor is None or donor.neutral is None:
        raise ForgeError("neuraltextures needs a donor with an expression and the landmarks of its neutral face")
    generator = generators.load("neuraltextures")
    strength = float(rng.uniform(0.7, 1.2))
    goal = target.landmarks.copy()
    wanted = expression(donor, target.landmarks)
    goal[48:] += (wanted - target.landmarks)[48:] * strength
    moved = Portrait(move(target.image, target.landmarks, goal), goal)
    # The square is that of the face as photographed: a smile must not move its frame.
    square = generator.square(target)
    size = square.image.shape[1::-1]
    image = np.asarray(cv2.warpAffine(moved.image, square.matrix, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    points = faces.moved(goal, square.matrix)
    made = generators.picture(generator(inputs(image, points)))
    forged = generators.lay_back(target.image, made, region(points, image.shape[0]), square.matrix)
    return finish(target.image, forged, {"strength": round(strength, 3)})


def inputs(square: Image, landmarks: Points) -> NDArray[np.float32]:
    """(INPUTS, S, S): the square without its mouth, of which only colours are left; lips, opening and region."""
    size = square.shape[0]
    side = float(np.ptp(landmarks, axis=0).max())
    lips, opening = hull(landmarks[_OUTER], (size, size)), hull(landmarks[_INNER], (size, size))
    weight = region(landmarks, size)
    ring = (lips > 0) & (opening == 0)
    flat = square.astype(np.float32)
    if ring.any():  # what shows between the lips is for the generator to invent
        flat[cv2.dilate(opening, np.ones((3, 3), np.uint8)) > 0] = flat[ring].mean(0)
    blurred = cv2.GaussianBlur(flat, (0, 0), 0.05 * side)
    mixed = square + weight[..., None] * (blurred - square)
    return np.concatenate(
        [mixed.transpose(2, 0, 1) / 255, np.stack([lips, opening]).astype(np.float32), weight[None]]
    ).astype(np.float32)


def region(landmarks: Points, size_px: int) -> Plane:
    """Where the generator draws, (S, S) in 0..1, soft at the border."""
    lips = landmarks[48:60]
    around = lips.mean(0) + (lips - lips.mean(0)) * _REACH
    side = float(np.ptp(landmarks, axis=0).max())
    return np.asarray(np.clip(blur(hull(around, (size_px, size_px)), 0.03 * side), 0, 1), np.float32)
