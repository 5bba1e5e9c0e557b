"""Data echoing (Choi et al., 2019): pairs are kept on the training device and used several times, degraded anew each.

Forging is work for cores, and a GPU learns faster than its cores forge. So each batch that the workers make goes into a
buffer on the device, and ``data.echo`` batches are drawn from the buffer for it.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from facewitness.training.data.batch_augment import augmented
from facewitness.training.recipe import TrainRecipe

Batch = dict[str, Tensor]
KEPT_BATCHES = 64


class Echoed:
    """Batches of pairs on the training device, ``data.echo`` for each one of a loader whose pairs are as forged."""

    def __init__(self, loader: DataLoader[Any], settings: TrainRecipe) -> None:
        gpu = settings.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        self.loader, self.settings, self.device = loader, settings, torch.device("cuda" if gpu else "cpu")
        self.dataset.augmented = False  # here instead, anew each time
        self.chance = torch.Generator().manual_seed(settings.seed)
        self.kept: Batch = {}
        self.put = 0  # pairs that went in so far

    @property
    def dataset(self) -> Any:
        """What the pairs are made by."""
        return self.loader.dataset

    @property
    def sampler(self) -> Any:
        """Which is told each epoch by Lightning."""
        return self.loader.sampler

    def __len__(self) -> int:
        return len(self.loader) * self.settings.data.echo

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            self._keep({name: value.to(self.device, non_blocking=True) for name, value in batch.items()})
            for _ in range(self.settings.data.echo):
                yield self._draw(len(batch["crops"]))

    def _keep(self, batch: Batch) -> None:
        """Put a batch into the buffer, in place of the oldest one where it is full."""
        count = len(batch["crops"])
        if not self.kept:
            self.kept = {
                name: torch.empty((count * KEPT_BATCHES, *value.shape[1:]), dtype=value.dtype, device=self.device)
                for name, value in batch.items()
            }
        start = self.put % (count * KEPT_BATCHES)
        for name, value in batch.items():
            self.kept[name][start : start + count] = value
        self.put += count

    def _draw(self, count: int) -> Batch:
        full = min(self.put, len(self.kept["crops"]))
        chosen = torch.randperm(full, generator=self.chance)[:count].to(self.device, non_blocking=True)
        batch = {name: value[chosen] for name, value in self.kept.items()}
        batch["crops"], batch["regions"] = augmented(
            batch["crops"], batch["regions"], self.settings.augment, self.chance
        )
        return batch
