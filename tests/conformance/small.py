"""Every architecture at a size that tests can afford."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from facewitness.detectors import zoo
from facewitness.detectors.graph import Graph, fresh
from facewitness.types import Card, CropProfile

SMALL = 64  # px
SHALLOW: dict[str, dict[str, Any]] = {  # the same blocks, fewer of them: an export takes time by the layer
    "add": {"normal": 1},
    "cnndetection": {"backbone": "resnet26"},
    "fakelocator-resnet101": {"segmenter": "deeplabv3_resnet50"},
    "resnet152": {"backbone": "resnet26"},
}


def small_card(name: str) -> Card:
    """The entry at a size that tests can afford."""
    card = zoo.card(name)
    return zoo.resized(card, CropProfile(size_px=SMALL, margin=card.crop.margin))


def shallow_card(name: str) -> Card:
    """The small card with few enough layers to be exported in a test."""
    card = small_card(name)
    return replace(card, args={**card.args, **SHALLOW.get(name, {})})


def random_crops(size: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def fresh_graph(name: str) -> Graph:
    """A graph with fresh weights whose normalisation layers have seen something, as after a training."""
    return copy.deepcopy(_made_once(name))


@lru_cache(maxsize=1)
def _made_once(name: str) -> Graph:
    """The large ones take seconds to draw."""
    return fresh(small_card(name))
