"""Identity swaps: a donor's face laid on the target's. ``faceswap`` mirrors FaceForensics++'s FaceSwap: landmark mesh
warp, colour transfer, feathered blend."""

import cv2
import numpy as np

from facewitness.forge import generators
from facewitness.forge.forgery import Forgery, Portrait, blend, blur, finish
from facewitness.media.parts import hull
from facewitness.types import ForgeError, Image, Plane, Points


def faceswap(target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Warp the donor's face triangle by triangle upon the target's landmarks, match its colour, blend with a feather.

    Raises:
        ForgeError: there is no donor.
    """
    colour, inner = _laid_on("faceswap", target, donor)
    feather = float(rng.uniform(0.02, 0.08))
    return finish(
        target.image, blend(colour, target.image, feathered(inner, feather * target.side_px)), {"feather": feather}
    )


def warp(donor: Portrait, landmarks: Points, shape: tuple[int, int]) -> Image:
    """The donor's face moved to ``landmarks`` (68, 2) on a canvas of ``shape``; black outside the landmarks' hull."""
    triangles = _triangles(landmarks)
    labels = np.zeros(shape, np.uint8)
    table = np.zeros((len(triangles) + 1, 6), np.float32)
    for number, corners in enumerate(triangles, start=1):
        cv2.fillConvexPoly(labels, np.rint(landmarks[corners]).astype(np.int32), number)
        table[number] = cv2.getAffineTransform(landmarks[corners], donor.landmarks[corners]).ravel()
    left, top, width, height = cv2.boundingRect(labels)
    label = labels[top : top + height, left : left + width]
    rows, columns = np.mgrid[top : top + height, left : left + width].astype(np.float32)
    entry = table[label]
    x = entry[..., 0] * columns + entry[..., 1] * rows + entry[..., 2]
    y = entry[..., 3] * columns + entry[..., 4] * rows + entry[..., 5]
    pixels = cv2.remap(donor.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    pixels[label == 0] = 0
    canvas = np.zeros((*shape, 3), np.uint8)
    canvas[top : top + height, left : left + width] = pixels
    return canvas


def match_colour(source: Image, target: Image, inside: np.ndarray) -> Image:
    """Give ``source`` the mean and spread that ``target`` has inside a mask, channel by channel in CIELAB."""
    left, top, width, height = cv2.boundingRect(inside)
    window = (slice(top, top + height), slice(left, left + width))
    there = inside[window] > 0
    if not there.any():
        return source
    lab = cv2.cvtColor(source[window], cv2.COLOR_RGB2LAB).astype(np.float32)
    goal = cv2.cvtColor(target[window], cv2.COLOR_RGB2LAB)[there].astype(np.float32)
    pixels = lab[there]
    ratio = np.clip(goal.std(0) / np.maximum(pixels.std(0), 1), 0.5, 2)
    lab = (lab - pixels.mean(0)) * ratio + goal.mean(0)
    matched = source.copy()
    matched[window] = cv2.cvtColor(np.clip(np.rint(lab), 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    return matched


def feathered(inside: np.ndarray, width_px: float) -> Plane:
    """A weight that is 0 outside the mask, 1 well inside, and rises over about ``width_px`` between."""
    distance = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    ramp = np.clip(distance / max(width_px, 1.0), 0, 1).astype(np.float32)
    return blur(ramp, width_px / 4) * (inside > 0)


def _laid_on(method: str, target: Portrait, donor: Portrait | None) -> tuple[Image, np.ndarray]:
    """The donor's face warped upon the target's landmarks, in its colours, and the hull (H, W) it is to fill."""
    if donor is None:
        raise ForgeError(f"{method} needs a donor: a second person's photograph with landmarks")
    shape = target.image.shape[:2]
    inner = hull(target.landmarks, shape)
    return match_colour(warp(donor, target.landmarks, shape), target.image, inner), inner


def _triangles(points: Points) -> np.ndarray:
    """Delaunay triangles (T, 3) of the landmarks, as indices. Landmarks that coincide keep the first one's index."""
    low = points.min(0) - 1
    size = np.ceil(np.ptp(points, axis=0)).astype(int) + 3
    grid = cv2.Subdiv2D((0, 0, int(size[0]), int(size[1])))
    moved = (points - low).astype(np.float32)
    for point in moved:
        grid.insert((float(point[0]), float(point[1])))
    corners = np.asarray(grid.getTriangleList(), np.float32).reshape(-1, 3, 2)
    distance = np.abs(corners[:, :, None, :] - moved[None, None]).max(-1)
    index, gap = distance.argmin(-1), distance.min(-1).max(-1)
    real = (gap < 0.01) & np.array([len(set(row)) == 3 for row in index.tolist()], bool)
    kept: np.ndarray = index[real]
    if not len(kept):
        raise ForgeError("the landmarks of the target lie on a line: no mesh can be laid over them")
    return kept


def deepfake(target: Portrait, rng: np.random.Generator, donor: None = None) -> Forgery:
    """Redraw the face with the decoder of another group of people and blend it in. Mirrors Deepfakes.

    The generator's encoder is shared by all groups, each of which has a decoder of its own.

    Raises:
        ForgeError: the generator was not trained yet.
    """
    generator = generators.load("deepfake")
    square = generator.square(target)
    made = generator(generators.planes(square.image))
    group = int(rng.integers(len(made) // 3))
    size = generator.profile.size_px
    inner = hull(square.landmarks, (size, size))
    drawn = np.asarray(np.clip(generators.picture(made[group * 3 : group * 3 + 3]), 0, 255), np.uint8)
    colour = match_colour(drawn, square.image, inner).astype(np.float32)
    feather = float(rng.uniform(0.06, 0.12))
    weight = feathered(inner, feather * size / (1 + 2 * generator.profile.margin))
    forged = generators.lay_back(target.image, colour, weight, square.matrix)
    return finish(target.image, forged, {"group": group, "feather": round(feather, 4)})


def faceswap_poisson(target: Portrait, rng: np.random.Generator, donor: Portrait | None = None) -> Forgery:
    """Warp the donor's face as ``faceswap`` does and blend its gradients in (Perez et al., 2003).

    Raises:
        ForgeError: there is no donor.
    """
    colour, inner = _laid_on("faceswap-poisson", target, donor)
    shrink = max(1, round(float(rng.uniform(0.005, 0.05)) * target.side_px))
    inside = cv2.erode(inner, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * shrink + 1, 2 * shrink + 1)))
    forged = poisson(colour, target.image, np.asarray(inside, np.uint8))
    return finish(target.image, forged, {"eroded_px": shrink})


def poisson(source: Image, target: Image, inside: np.ndarray) -> Image:
    """``target`` with the gradients of ``source`` inside a mask of 0 and 1, equal to ``target`` outside it.

    The mask is kept one pixel off the picture's border, where the equation has no boundary value.
    """
    mask = inside.astype(np.uint8).copy()
    mask[[0, -1]] = 0
    mask[:, [0, -1]] = 0
    if not mask.any():
        return target.copy()
    left, top, width, height = cv2.boundingRect(mask)
    window = (slice(top - 1, top + height + 1), slice(left - 1, left + width + 1))
    centre = ((width + 2) // 2, (height + 2) // 2)
    # OpenCV puts the middle of the mask's bounding box on the given point of the target.
    merged = cv2.seamlessClone(
        np.ascontiguousarray(source[window]),
        np.ascontiguousarray(target[window]),
        mask[window] * 255,
        centre,
        cv2.NORMAL_CLONE,
    )
    forged = target.copy()
    forged[window] = np.where(mask[window][..., None] > 0, merged, target[window])
    return forged
