"""The buffer on the training device: how often each pair comes, and that each time it is degraded anew."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facewitness.training.data.echo import KEPT_BATCHES, Echoed
from facewitness.training.recipe import AttentionSection, AugmentSection, DataSection, TrainRecipe


class Numbered(Dataset[dict[str, Tensor]]):
    """Pairs that carry their own number."""

    augmented = True

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        crops = torch.full((2, 3, 16, 16), 128, dtype=torch.uint8)
        return {"crops": crops, "regions": torch.zeros(2, 16, 16, dtype=torch.uint8), "number": torch.tensor([index])}


def _echoed(count: int, echo: int, **augment: Any) -> Echoed:
    settings = TrainRecipe(name="toy", data=DataSection(echo=echo), augment=AugmentSection(**augment))
    return Echoed(DataLoader(Numbered(count), batch_size=4), settings)


def test_there_are_echo_batches_for_each_forged_one() -> None:
    echoed = _echoed(24, 3)
    batches = list(echoed)
    assert len(batches) == len(echoed) == 6 * 3
    assert all(len(batch["crops"]) == 4 for batch in batches)


def test_every_pair_is_used_and_old_ones_leave_the_buffer() -> None:
    count = 4 * (KEPT_BATCHES + 20)
    echoed = _echoed(count, 2)
    numbers = [set(batch["number"].flatten().tolist()) for batch in echoed]
    assert len(set().union(*numbers)) > 0.6 * count
    assert min(min(some) for some in numbers[-2:]) >= 4 * 20


def test_the_same_pair_is_degraded_anew() -> None:
    first, *others = [batch["crops"] for batch in _echoed(4, 4, noise=1.0)]
    assert not any(torch.equal(first, other) for other in others)


def test_workers_leave_degrading_to_the_device() -> None:
    echoed = _echoed(4, 2)
    assert echoed.dataset.augmented is False


def test_what_cannot_be_echoed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.echo"):
        TrainRecipe(name="toy", data=DataSection(echo=2), attention=AttentionSection(parts="landmarks"))
    with pytest.raises(ValueError, match=r"data\.echo"):
        TrainRecipe(name="toy", data=DataSection(echo=2), augment=AugmentSection(p_real=0.5))
