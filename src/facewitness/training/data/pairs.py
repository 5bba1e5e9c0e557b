"""Batches of pairs: a photograph and a forgery of it made on the spot, or two rows of a manifest of either label."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.utils.data import Dataset, Sampler

from facewitness.data.terms import swap_allowed
from facewitness.forge import generators
from facewitness.forge.forgery import Portrait
from facewitness.forge.methods import METHODS
from facewitness.media import faces, parts
from facewitness.training.data import augment
from facewitness.training.data.cache import FaceCache
from facewitness.training.recipe import TrainRecipe
from facewitness.types import CropProfile, FacewitnessError, Image, Sample

STRONG_RATIOS = (0.75, 1.0)
ENCODER_QUALITY = 95  # of the forge's default encoder
_DONORS = 16  # drawn for each swap; the one whose face is nearest in shape gives its face


class Draw(NamedTuple):
    """What one pair is made from: the photograph, and a number that seeds everything random about the pair."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks a draw for
    seed: int
    epoch: int


class Draws(Sampler[Draw]):
    """Draws photographs by source in proportion to n ** power; every epoch its own, the same for the same seed."""

    def __init__(self, sources: Sequence[str], power: float, pairs: int, seed: int) -> None:
        names, inverse, counts = np.unique(np.array(sources), return_inverse=True, return_counts=True)
        del names
        weight = counts.astype(float) ** (power - 1)
        self.probability = weight[inverse] / weight[inverse].sum()
        self.pairs, self.seed, self.epoch = pairs, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning, also after a resume."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.pairs // share()[1]

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng((self.seed, self.epoch))
        chosen = rng.choice(len(self.probability), self.pairs, p=self.probability)
        seeds = rng.integers(2**31, size=self.pairs)
        rank, processes = share()
        for number in range(rank, len(self) * processes, processes):
            yield Draw(int(chosen[number]), int(seeds[number]), self.epoch)


def share() -> tuple[int, int]:
    """This process' number and how many train together: each takes every n-th draw."""
    if not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


class Pairs(Dataset[dict[str, Tensor]]):
    """Pairs of crops (2, 3, S, S) with labels (2,), regions (2, S, S) and whether a region is known (2,).

    Regions are 0 and 255, or the fakeness between them for the objective that wants it. Where the recipe asks for face
    attention there is a map of it too, (2, S, S): of the part that the forgery is about, on either face.
    """

    def __init__(
        self, faces_: FaceCache, samples: Sequence[Sample], recipe: TrainRecipe, profile: CropProfile, *, train: bool
    ) -> None:
        self.faces, self.samples, self.recipe, self.profile, self.train = faces_, samples, recipe, profile, train
        self.turned, self.spoilt = augment.mirror(), augment.pipeline(recipe.augment)
        self.find = _finder(recipe) if recipe.attention.parts != "none" else None
        self.labels = np.array([samples[i].label for i in faces_.sample])
        self.sources = [samples[i].dataset for i in faces_.sample]
        self.own = np.flatnonzero(self.labels == 1)
        self.real = np.flatnonzero(self.labels == 0)
        self.people: dict[tuple[str, str], list[int]] = {}
        for i in self.real:
            self.people.setdefault(self._person(int(i)), []).append(int(i))
        self.methods = sorted(recipe.forge.methods)
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown:
            raise FacewitnessError(f"forge.methods: no method {unknown[0]!r}; there are {', '.join(sorted(METHODS))}")
        _check(self.methods)
        if not self.methods and not len(self.own):
            raise FacewitnessError("nothing to learn from: the manifest has no fakes and forge.methods is empty")
        self.shapes = _shapes(faces_.landmarks)
        self.donors = {s: self._donors(s) for s in set(self.sources)}

    def __len__(self) -> int:
        return len(self.real)

    def still(self) -> Pairs:
        """The same pairs as they are, without augmentation."""
        other = copy.copy(self)
        other.train = False
        return other

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        rng = np.random.default_rng((draw.seed, 7))
        index = int(self.real[draw.index])
        pair = self._forged(index, rng, draw.epoch) if self._use_forge(rng) else self._listed(index, rng)
        quality = self._quality(rng) if self.train else ENCODER_QUALITY
        touched = self._touched(rng) if self.train else [False, False]
        pair = [
            (portrait._replace(image=augment.recompress(portrait.image, quality if one else ENCODER_QUALITY)), *rest)
            for (portrait, *rest), one in zip(pair, touched, strict=True)
        ]
        jitter = self.jitter(rng) if self.train else np.eye(3)
        crops, regions = zip(*(self._crop(p, region, jitter) for p, region, _ in pair), strict=True)
        if self.recipe.loss.kind == "potential":
            pair, regions = self._potential(pair, jitter)
        planes = list(regions)
        if self.find is not None:
            planes += self._attention(self.find, [portrait for portrait, *_ in pair], crops, regions[1], jitter)
        images, masks = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2), torch.from_numpy(np.stack(planes))
        if self.train:
            torch.manual_seed(draw.seed)
            images, masks = augment.apply(self.turned, images, masks)
            spoilt, _ = augment.apply(self.spoilt, images, masks)
            images = torch.where(torch.tensor(touched)[:, None, None, None], spoilt, images)
        return {
            "crops": images.contiguous(),
            "regions": masks[:2].contiguous(),
            "labels": torch.tensor([0, 1]),
            "known": torch.tensor([known for _, _, known in pair]),
            **({"attention": masks[2:].contiguous()} if self.find else {}),
        }

    def _potential(self, pair: list[Any], jitter: np.ndarray) -> tuple[list[Any], tuple[NDArray[np.uint8], ...]]:
        """Where a face could be forged: its hull, of real and forged alike (ADD, section III-C); always known."""
        size, forehead = self.profile.size_px, self.recipe.loss.forehead
        at = [faces.moved(portrait.landmarks, self._matrix(portrait, jitter)) for portrait, *_ in pair]
        outlines = [parts.with_forehead(points) if forehead else points for points in at]
        hulls = tuple(parts.hull(points, (size, size)) * np.uint8(255) for points in outlines)
        return [(portrait, region, True) for portrait, region, _ in pair], hulls

    def _touched(self, rng: np.random.Generator) -> list[bool]:
        """Which of the two are augmented at all. Nothing is drawn where both always are."""
        section = self.recipe.augment
        if section.p_real == section.p_fake == 1:
            return [True, True]
        return [bool(rng.random() < share) for share in (section.p_real, section.p_fake)]

    def _attention(
        self,
        find: parts.Find,
        pair: Sequence[Portrait],
        crops: Sequence[Image],
        fakeness: NDArray[np.uint8],
        jitter: np.ndarray,
    ) -> list[NDArray[np.uint8]]:
        """The attention map of either face: both of the part that the forgery changed, or the map itself would tell.

        White where it is not known what was changed.
        """
        if not fakeness.any():
            return [np.full_like(fakeness, 255)] * 2
        found = [
            find(crop, faces.moved(portrait.landmarks, self._matrix(portrait, jitter)))
            for portrait, crop in zip(pair, crops, strict=True)
        ]
        part = parts.changed(found[1], fakeness)
        sigma = self.recipe.attention.sigma * self.profile.size_px
        return [np.rint(parts.attention(of[part], sigma) * 255).astype(np.uint8) for of in found]

    def square(self, index: int) -> tuple[Image, NDArray[np.uint8] | None]:
        """Face ``index`` of the loose faces as it is judged: crop (S, S, 3); its region (S, S) where it is known."""
        portrait, region = self.faces.portrait(index), self.faces.region(index)
        encoded = portrait._replace(image=augment.recompress(portrait.image, ENCODER_QUALITY))
        empty = np.zeros(portrait.image.shape[:2], np.uint8)
        crop, inside = self._crop(encoded, empty if region is None else region, np.eye(3))
        return crop, None if region is None else inside

    def _use_forge(self, rng: np.random.Generator) -> bool:
        if not len(self.own) or not self.methods:
            return bool(self.methods)
        return bool(rng.random() < 0.5)

    def _forged(self, index: int, rng: np.random.Generator, epoch: int) -> list[Any]:
        names = [n for n in self.methods if METHODS[n].keeps_identity or len(self.donors[self.sources[index]]) > 1]
        share = np.array([self.recipe.forge.methods[n] for n in names])
        name = str(rng.choice(names, p=share / share.sum()))
        options: dict[str, Any] = {}
        if name == "selfblend":
            options["alter"] = "either" if self.train else "source"
            if self.train and epoch < self.recipe.forge.strong_epochs:
                options["ratios"] = STRONG_RATIOS
        target = self.faces.portrait(index)
        donor = self._donor(index, rng) if METHODS[name].needs_donor else None
        forgery = METHODS[name].make(target, rng, donor, **options)
        empty = np.zeros(forgery.region.shape, np.uint8)
        real = Portrait(forgery.original, target.landmarks)
        if not self.faces.gray or METHODS[name].whole:
            plane = forgery.region * np.uint8(255)
        else:
            plane = np.rint(forgery.mask * 255).astype(np.uint8)
        return [(real, empty, True), (Portrait(forgery.image, target.landmarks), plane, True)]

    def _listed(self, index: int, rng: np.random.Generator) -> list[Any]:
        other = int(rng.choice(self.own))
        if self.recipe.data.paired and rng.random() < self.recipe.data.paired:
            index = self.original(other, index)
        real = self.faces.portrait(index)
        fake, region = self.faces.portrait(other), self.faces.region(other)
        return [
            (real, np.zeros(real.image.shape[:2], np.uint8), True),
            (fake, np.zeros(fake.image.shape[:2], np.uint8) if region is None else region, region is not None),
        ]

    def original(self, fake: int, otherwise: int) -> int:
        """The real face of a fake's first person, in its data set, whose landmarks lie nearest to the fake's.

        That is the photograph it was made from, where it is there; ``otherwise`` if there is none of that person.
        """
        alike = self.people.get(self._person(fake), [])
        if not alike:
            return otherwise
        distance = np.abs(self.faces.landmarks[alike] - self.faces.landmarks[fake]).sum((1, 2))
        return alike[int(distance.argmin())]

    def _person(self, index: int) -> tuple[str, str]:
        sample = self.samples[self.faces.sample[index]]
        return sample.dataset, sample.identities[0] if sample.identities else str(sample.video)

    def _donors(self, source: str) -> NDArray[np.int64]:
        """Faces of a source whose terms allow swaps; an unknown source is the user's own, who answers for it."""
        if not swap_allowed(source):
            return np.zeros(0, np.int64)
        return np.array([i for i in self.real if self.sources[i] == source], np.int64)

    def _donor(self, index: int, rng: np.random.Generator) -> Portrait:
        drawn = rng.choice(self.donors[self.sources[index]], _DONORS)
        person = self.samples[self.faces.sample[index]].identities
        others = [int(i) for i in drawn if i != index and self.samples[self.faces.sample[i]].identities != person]
        pool = others or [index]
        distance = np.abs(self.shapes[pool] - self.shapes[index]).sum((1, 2))
        return self.faces.portrait(pool[int(distance.argmin())])

    def _quality(self, rng: np.random.Generator) -> int:
        low, high = self.recipe.augment.jpeg_quality
        return int(rng.integers(low, high + 1)) if rng.random() < self.recipe.augment.jpeg / 2 else ENCODER_QUALITY

    def jitter(self, rng: np.random.Generator) -> np.ndarray:
        """A small random turn, zoom and shift of a crop, (3, 3)."""
        amount, size = self.recipe.augment.jitter, self.profile.size_px
        angle, zoom = np.radians(rng.uniform(-6, 6)) * amount, np.exp(rng.uniform(-0.08, 0.08) * amount)
        cosine, sine = np.cos(angle) * zoom, np.sin(angle) * zoom
        centre, move = (size - 1) / 2, rng.uniform(-0.03, 0.03, 2) * size * amount
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
        turn[:2, 2] = centre + move - turn[:2, :2] @ np.array([centre, centre])
        return turn

    def _crop(
        self, portrait: Portrait, region: NDArray[np.uint8], jitter: np.ndarray
    ) -> tuple[Image, NDArray[np.uint8]]:
        matrix = self._matrix(portrait, jitter)
        crop = faces.cut(portrait.image, matrix, self.profile.size_px)
        size = (self.profile.size_px, self.profile.size_px)
        inside = cv2.warpAffine(region, matrix, size, flags=cv2.INTER_LINEAR)
        return crop, np.asarray(inside, np.uint8)

    def _matrix(self, portrait: Portrait, jitter: np.ndarray) -> np.ndarray:
        matrix = jitter[:2, :2] @ faces.alignment(portrait.landmarks, self.profile)
        matrix[:, 2] += jitter[:2, 2]
        return np.asarray(matrix)


def _finder(recipe: TrainRecipe) -> parts.Find:
    wanted = recipe.attention.parts == "network"
    if wanted and recipe.attention.network is None:
        raise FacewitnessError("attention.parts is 'network': give the ONNX file as attention.network")
    return parts.finder(Path(str(recipe.attention.network)) if wanted else None)


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
        if method.network:
            generators.card(name)  # says how to fit it, if that was not done


class FixedDraws(Sampler[Draw]):
    """The same ``count`` pairs every time, spread over ``length`` photographs: for validation."""

    def __init__(self, count: int, length: int, seed: int) -> None:
        chosen = np.random.default_rng((seed, 99)).permutation(length)[: min(count, length)]
        self.draws = [Draw(int(index), int(index) + 1, 10**6) for index in chosen]

    def __len__(self) -> int:
        return len(self.draws) // share()[1]

    def __iter__(self) -> Iterator[Draw]:
        rank, processes = share()
        return iter(self.draws[rank : len(self) * processes : processes])


def _shapes(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = landmarks - landmarks.mean(1, keepdims=True)
    return np.asarray(centred / np.ptp(landmarks, axis=1).max(1)[:, None, None], np.float32)
