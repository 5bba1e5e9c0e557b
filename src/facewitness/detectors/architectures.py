"""The architectures to train, as untrained cards, read from ``architectures.toml``. Nothing is built or loaded here."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from facewitness.detectors import cards
from facewitness.types import Card

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _card(name: str, fields: dict[str, Any]) -> Card:
    build = f"facewitness.detectors.nets.{fields.pop('build')}"
    return cards.from_dict({"name": name, "build": build, "licence": "Apache-2.0", **fields})


_TABLE = tomllib.loads(files("facewitness.detectors").joinpath("architectures.toml").read_text(encoding="utf-8"))
ARCHITECTURES: Mapping[str, Card] = {name: _card(name, fields) for name, fields in _TABLE.items()}
