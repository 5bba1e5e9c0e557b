"""The architectures one after another; tests of the large ones are slow."""

from __future__ import annotations

import pytest
import torch

from facewitness.detectors.architectures import ARCHITECTURES

LARGE = 3_000_000
"""Parameters, at the card's own size."""


def _entries() -> list[object]:
    large = {name for name, card in ARCHITECTURES.items() if (card.parameters or 0) > LARGE}
    return [pytest.param(name, marks=pytest.mark.slow) if name in large else name for name in ARCHITECTURES]


@pytest.fixture(params=_entries(), scope="module")  # module: all tests of one, then of the next
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
