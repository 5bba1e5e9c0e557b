"""Pairs of crops: a photograph and a forgery of it made on the spot, or two rows of a manifest of either label."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from facewitness.data.terms import swap_allowed
from facewitness.forge import generators
from facewitness.forge.forgery import Portrait
from facewitness.forge.methods import METHODS
from facewitness.media import faces
from facewitness.training.data import augment, targets
from facewitness.training.data.augment import ENCODER_QUALITY
from facewitness.training.data.cache import FaceCache
from facewitness.training.data.draws import Draw
from facewitness.training.recipe import TrainRecipe
from facewitness.types import CropProfile, FacewitnessError, Image, Sample

STRONG_RATIOS = (0.75, 1.0)
_SMALLEST_TILE = 0.5  # the least that a photograph is reduced to before a tile is cut for training
_DONORS = 16  # drawn for each swap; the one whose face is nearest in shape gives its face


class Spot(NamedTuple):
    """Where a tile is cut for training."""

    place: NDArray[np.float64]  # of its centre: (0, 0) and (1, 1) are two corners of the landmarks' box
    zoom: float  # by which the photograph is reduced before


class Side(NamedTuple):
    """One half of a pair before it is cropped."""

    portrait: Portrait
    region: NDArray[np.uint8]  # (H, W)
    known: bool  # whether the region is


class Pairs(Dataset[dict[str, Tensor]]):
    """Pairs of crops (2, 3, S, S) with labels (2,), regions (2, S, S) and whether a region is known (2,).

    Regions are 0 and 255, or the fakeness between them for the objective that wants it. Where the recipe asks for face
    attention there is a map of it too, (2, S, S): of the part that the forgery is about, on either face.
    """

    def __init__(
        self, faces_: FaceCache, samples: Sequence[Sample], recipe: TrainRecipe, profile: CropProfile, *, train: bool
    ) -> None:
        self.faces, self.samples, self.recipe, self.profile, self.train = faces_, samples, recipe, profile, train
        self.augmented = True  # in training; `echo.Echoed` does it itself
        self.flips, self.degradations = augment.flips(), augment.degradations(recipe.augment)
        self.find = targets.finder(recipe.attention)
        self.labels = np.array([samples[i].label for i in faces_.sample])
        self.sources = [samples[i].dataset for i in faces_.sample]
        self.own = np.flatnonzero(self.labels == 1)
        self.real = np.flatnonzero(self.labels == 0)
        self.people: dict[tuple[str, str], list[int]] = {}
        for i in self.real:
            self.people.setdefault(self._person(int(i)), []).append(int(i))
        self.places = {self.sample(int(i)).path: int(i) for i in self.real}
        self.methods = sorted(name for name, share in recipe.forge.methods.items() if share)
        unknown = [name for name in recipe.forge.methods if name not in METHODS]
        if unknown:
            raise FacewitnessError(f"forge.methods: no method {unknown[0]!r}; there are {', '.join(sorted(METHODS))}")
        _check(self.methods)
        if not self.methods and not len(self.own):
            raise FacewitnessError("nothing to learn from: the manifest has no fakes and forge.methods is empty")
        self.shapes = _shapes(faces_.landmarks)
        self.donors = {s: self._donors(s) for s in set(self.sources)}

    def __len__(self) -> int:
        return len(self.real)

    def without_augmentation(self) -> Self:
        """Return the same pairs as they are."""
        other = copy.copy(self)
        other.train = False
        return other

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        rng = np.random.default_rng((draw.seed, 7))
        index = int(self.real[draw.index])
        spot = self._spot(rng) if self.profile.alignment == faces.TILES else None
        pair = self._forged(index, rng, draw.epoch, spot) if self._use_forge(rng) else self._listed(index, rng)
        section, augmented, jitter, quality = self.recipe.augment, [False, False], np.eye(3), ENCODER_QUALITY
        if self.train:
            quality = augment.draw_quality(section, rng)
            augmented = augment.draw_augmented(section, rng)
            jitter = augment.draw_jitter(section, self.profile.size_px, rng)
        pair = [
            side._replace(portrait=_encoded(side.portrait, quality if one else ENCODER_QUALITY))
            for side, one in zip(pair, augmented, strict=True)
        ]
        if spot:
            pair = self._tiles(pair, spot, rng)
        crops, planes = self._crops_and_planes(pair, jitter)
        images, masks = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2), torch.from_numpy(np.stack(planes))
        if self.train and self.augmented:
            torch.manual_seed(draw.seed)
            images, masks = augment.apply(self.flips, images, masks)
            degraded, _ = augment.apply(self.degradations, images, masks)
            images = torch.where(torch.tensor(augmented)[:, None, None, None], degraded, images)
        potential = self.recipe.loss.kind == "potential"
        return {
            "crops": images.contiguous(),
            "regions": masks[:2].contiguous(),
            "labels": torch.tensor([0, 1]),
            "known": torch.tensor([side.known or potential for side in pair]),
            **({"attention": masks[2:].contiguous()} if self.find else {}),
        }

    def _crops_and_planes(
        self, pair: Sequence[Side], jitter: NDArray[np.float64]
    ) -> tuple[list[Image], list[NDArray[np.uint8]]]:
        """Both crops; their regions, or what the objective wants in their place, and their attention maps, if any."""
        size = self.profile.size_px
        crops, regions = map(list, zip(*(self._crop(side.portrait, side.region, jitter) for side in pair), strict=True))
        landmarks = [faces.moved(side.portrait.landmarks, self._matrix(side.portrait, jitter)) for side in pair]
        if self.recipe.loss.kind == "potential":
            forehead = self.recipe.loss.forehead
            regions = [targets.potential(points, size, forehead=forehead) for points in landmarks]
        if self.find is None:
            return crops, regions
        sigma = self.recipe.attention.sigma * size
        return crops, regions + targets.attention(self.find, crops, landmarks, regions[1], sigma)

    def _spot(self, rng: np.random.Generator) -> Spot:
        """Where a tile is cut, anywhere on the face, and how much the photograph is reduced before."""
        if not self.train:
            return Spot(np.full(2, 0.5), 1.0)
        zoom = float(rng.uniform(_SMALLEST_TILE, 1)) if rng.random() < 0.5 else 1.0
        return Spot(rng.uniform(-0.1, 1.1, 2), zoom)

    def _tiles(self, pair: Sequence[Side], spot: Spot, rng: np.random.Generator) -> list[Side]:
        """The tile of both: the same spot, or one on what was forged where that is known and lies elsewhere."""
        real, fake = (_tile(side, spot, self.profile) for side in pair)
        if fake.known and not fake.region.any() and pair[1].region.any():
            rows, columns = np.nonzero(pair[1].region)
            chosen = int(rng.integers(len(rows)))
            points = pair[1].portrait.landmarks
            place = (np.array([columns[chosen], rows[chosen]]) - points.min(0)) / np.ptp(points, axis=0)
            real, fake = (_tile(side, Spot(place, spot.zoom), self.profile) for side in pair)
        return [real, fake]

    def square(self, index: int) -> tuple[Image, NDArray[np.uint8] | None]:
        """Return face ``index`` of the cache as it is judged: crop (S, S, 3); its region (S, S) where it is known."""
        portrait, region = self.faces.portrait(index), self.faces.region(index)
        empty = np.zeros(portrait.image.shape[:2], np.uint8)
        crop, inside = self._crop(_encoded(portrait, ENCODER_QUALITY), empty if region is None else region, np.eye(3))
        return crop, None if region is None else inside

    def _use_forge(self, rng: np.random.Generator) -> bool:
        if not len(self.own) or not self.methods:
            return bool(self.methods)
        return bool(rng.random() < 1 - self.recipe.data.listed)

    def _forged(self, index: int, rng: np.random.Generator, epoch: int, spot: Spot | None) -> list[Side]:
        names = [n for n in self.methods if METHODS[n].keeps_identity or len(self.donors[self.sources[index]]) > 1]
        share = np.array([self.recipe.forge.methods[n] for n in names])
        name = str(rng.choice(names, p=share / share.sum()))
        options: dict[str, Any] = {}
        if name == "selfblend":
            options["alter"] = "either" if self.train else "source"
            if self.train and epoch < self.recipe.forge.strong_epochs:
                options["ratios"] = STRONG_RATIOS
        target = self.faces.portrait(index)
        if spot and not METHODS[name].needs_donor:  # no more is forged than a tile can show
            target = _around(target, spot, self.profile)
        donor = self._donor(index, rng) if METHODS[name].needs_donor else None
        forgery = METHODS[name].make(target, rng, donor, **options)
        empty = np.zeros(forgery.region.shape, np.uint8)
        real = Portrait(forgery.original, target.landmarks)
        if not self.faces.gray or METHODS[name].whole:
            plane = forgery.region * np.uint8(255)
        else:
            plane = np.rint(forgery.mask * 255).astype(np.uint8)
        return [Side(real, empty, True), Side(Portrait(forgery.image, target.landmarks), plane, True)]

    def _listed(self, index: int, rng: np.random.Generator) -> list[Side]:
        other = int(rng.choice(self.own))
        if self.recipe.data.paired and rng.random() < self.recipe.data.paired:
            index = self.original(other, index)
        real = self.faces.portrait(index)
        fake, region = self.faces.portrait(other), self.faces.region(other)
        return [
            Side(real, np.zeros(real.image.shape[:2], np.uint8), True),
            Side(fake, np.zeros(fake.image.shape[:2], np.uint8) if region is None else region, region is not None),
        ]

    def original(self, fake: int, otherwise: int) -> int:
        """Return the real face that a fake was made from; where that is not there, its person's nearest in pose.

        ``otherwise`` if there is no real face of that person in its data set.
        """
        known = self.places.get(self.sample(fake).original or Path())
        if known is not None:
            return known
        alike = self.people.get(self._person(fake), [])
        if not alike:
            return otherwise
        distance = np.abs(self.faces.landmarks[alike] - self.faces.landmarks[fake]).sum((1, 2))
        return alike[int(distance.argmin())]

    def _person(self, index: int) -> tuple[str, str]:
        sample = self.sample(index)
        return sample.dataset, sample.person

    def sample(self, index: int) -> Sample:
        """Return the sample that face ``index`` of the cache came from."""
        return self.samples[int(self.faces.sample[index])]

    def _donors(self, source: str) -> NDArray[np.int64]:
        """Faces of a source whose terms allow swaps; an unknown source is the user's own, who answers for it."""
        if not swap_allowed(source):
            return np.zeros(0, np.int64)
        return np.array([i for i in self.real if self.sources[i] == source], np.int64)

    def _donor(self, index: int, rng: np.random.Generator) -> Portrait:
        drawn = rng.choice(self.donors[self.sources[index]], _DONORS)
        people = self.sample(index).identities
        others = [int(i) for i in drawn if i != index and self.sample(int(i)).identities != people]
        pool = others or [index]
        distance = np.abs(self.shapes[pool] - self.shapes[index]).sum((1, 2))
        return self.faces.portrait(pool[int(distance.argmin())])

    def _crop(
        self, portrait: Portrait, region: NDArray[np.uint8], jitter: NDArray[np.float64]
    ) -> tuple[Image, NDArray[np.uint8]]:
        matrix = self._matrix(portrait, jitter)
        crop = faces.cut(portrait.image, matrix, self.profile.size_px)
        size = (self.profile.size_px, self.profile.size_px)
        inside = cv2.warpAffine(region, matrix, size, flags=cv2.INTER_LINEAR)
        return crop, np.asarray(inside, np.uint8)

    def _matrix(self, portrait: Portrait, jitter: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.profile.alignment == faces.TILES:
            return np.eye(2, 3)
        matrix = jitter[:2, :2] @ faces.alignment(portrait.landmarks, self.profile)
        matrix[:, 2] += jitter[:2, 2]
        return np.asarray(matrix)


def _around(portrait: Portrait, spot: Spot, profile: CropProfile) -> Portrait:
    """The part of a window that a tile needs and a little more, so that its pixels lie anywhere on a JPEG's grid."""
    points = portrait.landmarks
    reach = (profile.size_px + 16) / (spot.zoom * faces.tile_scale(points, profile)) / 2
    centre = points.min(0) + spot.place * np.ptp(points, axis=0)
    size = np.array(portrait.image.shape[1::-1])
    low = np.clip(np.floor(centre - reach), 0, np.maximum(0, size - 2 * reach)).astype(int)
    high = np.minimum(low + int(np.ceil(2 * reach)), size)
    image = np.ascontiguousarray(portrait.image[low[1] : high[1], low[0] : high[0]])
    return Portrait(image, np.asarray(points - low, np.float32))


def _tile(side: Side, spot: Spot, profile: CropProfile) -> Side:
    """The tile at a spot, mirrored where the window is smaller."""
    scale = spot.zoom * faces.tile_scale(side.portrait.landmarks, profile)
    points = side.portrait.landmarks * np.float32(scale)
    image, region = (
        faces.padded(faces.reduced(plane, scale), profile.size_px) for plane in (side.portrait.image, side.region)
    )
    start = np.rint(points.min(0) + spot.place * np.ptp(points, axis=0) - profile.size_px / 2).astype(int)
    left, top = np.clip(start, 0, np.array(image.shape[1::-1]) - profile.size_px)
    window = (slice(top, top + profile.size_px), slice(left, left + profile.size_px))
    portrait = Portrait(np.ascontiguousarray(image[window]), np.asarray(points - (left, top), np.float32))
    return Side(portrait, np.ascontiguousarray(region[window]), side.known)


def _encoded(portrait: Portrait, quality: int) -> Portrait:
    return portrait._replace(image=augment.recompress(portrait.image, quality))


def _check(methods: Sequence[str]) -> None:
    """Refuse methods that cannot be applied to a face window while training; a benchmark set can hold them."""
    for name in methods:
        method = METHODS[name]
        if method.donor == "expression" or method.whole:
            what = "a donor's neutral photograph" if method.donor == "expression" else "whole head squares"
            raise FacewitnessError(
                f"forge.methods: {name} needs {what} and is not made while training: build a benchmark set with it "
                "(facewitness forge build) and give its manifest as data.path"
            )
        if method.generator:
            generators.card(name)  # says how to fit it, if that was not done


def _shapes(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = landmarks - landmarks.mean(1, keepdims=True)
    return np.asarray(centred / np.ptp(landmarks, axis=1).max(1)[:, None, None], np.float32)
