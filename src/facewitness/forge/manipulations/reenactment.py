"""Reenactment: the target's own face moved into another person's expression.

``face2face`` moves the target's mesh by the donor's landmark displacement from its own neutral face, as Face2Face does
with its model's expression coefficients. The identity stays the target's; a mouth that opens shows the donor's teeth.
"""

import cv2
import numpy as np

from facewitness.forge.forgery import Forgery, Portrait, blend, blur, finish
from facewitness.forge.manipulations.swap import match_colour, warp
from facewitness.media.finders.face import moved, similarity
from facewitness.media.parts import hull
from facewitness.types import ForgeError, Image, Points

_STABLE = (27, 28, 29, 30, 36, 39, 42, 45)  # bridge of the nose and eye corners: an expression does not move them
_FREE = np.ones(68, np.float32)
_FREE[:17] = 0.35  # the jaw follows in part
_FREE[[0, 1, 2, 14, 15, 16]] = 0.0  # and not at all beside the ears
_FREE[27:31] = 0.0
_OPEN = 0.02  # of the face's side: an opening of the inner lips that shows what is behind them


def face2face(target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Give ``target`` the donor's expression.

    Raises:
        ForgeError: there is no donor with the landmarks of its neutral face.
    """
    if donor is None or donor.neutral is None:
        raise ForgeError("face2face needs a donor with an expression and the landmarks of its neutral face")
    strength = float(rng.uniform(0.9, 1.4))
    wanted = expression(donor, target.landmarks)
    goal = np.asarray(target.landmarks + (wanted - target.landmarks) * strength, np.float32)
    forged = move(target.image, target.landmarks, goal)
    if _opening(goal) > max(_OPEN, 1.5 * _opening(target.landmarks)) and _opening(donor.landmarks) > _OPEN:
        forged = _with_mouth(forged, goal, donor)
    return finish(target.image, forged, {"strength": round(strength, 3)})


def expression(donor: Portrait, target: Points) -> Points:
    """``target`` (68, 2) with the donor's displacement from its neutral face, in the target's size and pose.

    Raises:
        ForgeError: the donor has no neutral landmarks.
    """
    if donor.neutral is None:
        raise ForgeError("an expression needs the landmarks of the donor's neutral face")
    still = list(_STABLE)
    onto_neutral = similarity(donor.landmarks[still], donor.neutral[still])
    brought = moved(donor.landmarks, onto_neutral)
    onto_target = similarity(donor.neutral[still], target[still])
    shift = (brought - donor.neutral) @ onto_target[:, :2].T * _FREE[:, None]
    return np.asarray(target + shift, np.float32)


def move(image: Image, source: Points, goal: Points) -> Image:
    """Warp a photograph so that ``source`` (68, 2) comes to lie on ``goal``; away from the face nothing moves.

    The displacement between the landmarks is that of least bending (a thin-plate spline) with a ring of points around
    the face held fast, and is exactly zero beyond the ring.
    """
    low, high = goal.min(0), goal.max(0)
    side, centre = float((high - low).max()), (low + high) / 2
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    around = centre + 0.78 * side * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    anchors = np.concatenate([goal, around])
    pull = np.concatenate([source - goal, np.zeros_like(around)])
    left, top = (int(v) for v in np.maximum(np.floor(centre - 0.8 * side), 0))
    right, bottom = (int(v) for v in np.minimum(np.ceil(centre + 0.8 * side), image.shape[1::-1]))
    step = max(1, round(side / 96))
    columns, rows = np.meshgrid(np.arange(left, right + step, step), np.arange(top, bottom + step, step))
    grid = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float)
    coarse = _spline(anchors.astype(float), pull.astype(float), grid, side).reshape(*rows.shape, 2)
    full = (np.mgrid[top:bottom, left:right] - np.array([top, left])[:, None, None]) / step
    inner = cv2.remap(
        coarse.astype(np.float32), full[1].astype(np.float32), full[0].astype(np.float32), cv2.INTER_LINEAR
    )
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    distance = np.hypot(x - centre[0], y - centre[1]) / side
    inner = inner * np.clip((0.78 - distance) / 0.1, 0, 1)[..., None].astype(np.float32)
    bent = image.copy()
    window = cv2.remap(image, x + inner[..., 0], y + inner[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    still = np.abs(inner).max(-1) < 0.02
    window[still] = image[top:bottom, left:right][still]
    bent[top:bottom, left:right] = window
    return bent


def _spline(anchors: np.ndarray, values: np.ndarray, at: np.ndarray, side: float) -> np.ndarray:
    """A thin-plate spline through ``values`` (K, 2) at ``anchors`` (K, 2), evaluated at (M, 2); a little smoothed."""

    def kernel(square: np.ndarray) -> np.ndarray:
        return np.asarray(square * np.log(square + 1e-9))

    def plane(points: np.ndarray) -> np.ndarray:
        return np.hstack([np.ones((len(points), 1)), points])

    origin = anchors.mean(0)
    a, b = (anchors - origin) / side, (at - origin) / side
    bending = kernel(((a[:, None] - a[None]) ** 2).sum(-1)) + 1e-4 * np.eye(len(a))
    system = np.block([[bending, plane(a)], [plane(a).T, np.zeros((3, 3))]])
    solved = np.linalg.solve(system, np.vstack([values, np.zeros((3, 2))]))
    return np.asarray(kernel(((b[:, None] - a[None]) ** 2).sum(-1)) @ solved[:-3] + plane(b) @ solved[-3:])


def _opening(points: Points) -> float:
    """How far the inner lips are apart, in sides of the face."""
    gap = np.linalg.norm(points[[61, 62, 63]] - points[[67, 66, 65]], axis=1).mean()
    return float(gap / np.ptp(points, axis=0).max())


def _with_mouth(image: Image, goal: Points, donor: Portrait) -> Image:
    """Lay the inside of the donor's mouth into the opening of the target's."""
    shape = (image.shape[0], image.shape[1])
    side = float(np.ptp(goal, axis=0).max())
    opening = hull(goal[60:68], shape)
    lips = hull(goal[48:60], shape)
    inside = match_colour(warp(donor, goal, shape), image, lips)
    return blend(inside, image, np.asarray(np.clip(blur(opening, 0.006 * side), 0, 1), np.float32))
