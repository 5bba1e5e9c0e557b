"""Which photographs make up an epoch: drawn anew for each to train on, the same for each to validate on."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import distributed
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """What one pair is made from: the photograph, and a number that seeds everything random about the pair."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks a draw for
    seed: int
    epoch: int


class Draws(Sampler[Draw]):
    """Draws photographs by source in proportion to n ** power; every epoch its own, the same for the same seed."""

    def __init__(self, sources: Sequence[str], power: float, pairs: int, seed: int) -> None:
        _, inverse, counts = np.unique(np.array(sources), return_inverse=True, return_counts=True)
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
