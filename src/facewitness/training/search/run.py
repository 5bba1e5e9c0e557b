"""``facewitness search``: a recipe becomes a run folder with the genotype of every epoch, the last one drawn."""

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from torch import Tensor, nn

from facewitness import storage
from facewitness.compute.progress import Progress
from facewitness.detectors.graph import Graph
from facewitness.detectors.nets.cells import Genotype
from facewitness.training import loop
from facewitness.training.data.pairs import Pairs
from facewitness.training.objectives import OBJECTIVES, Terms
from facewitness.training.search import draw
from facewitness.training.search.recipe import SearchRecipe
from facewitness.training.search.supernet import Supernet, measured_costs
from facewitness.training.supervised import log_auc, optimizer_of, truth_of
from facewitness.types import Card, CropProfile, Sample

LOG, FILE, CELLS, ALPHAS = "genotypes.jsonl", "genotype.json", "cells.png", "alphas.png"


def search(
    recipe: Path,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    resume: bool = False,
    progress: Progress = None,
) -> Path:
    """Run a search to its end and return the run folder (``runs/NAME`` unless ``out`` says otherwise).

    ``genotypes.jsonl`` there has a line for each epoch, ``genotype.json`` the last cells, which a training takes as
    ``net.args.genotype``. ``resume`` goes on from the last epoch.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C.
        RecipeError: the recipe does not fit, or the folder holds another run.
        FacewitnessError: the data cannot be used.
    """
    settings, out, checkpoint = loop.begin(recipe, SearchRecipe, out, overrides, resume=resume, last_file=FILE)
    crop = settings.crop.profile
    halves, validation, samples = _data(settings, crop, progress=progress)
    loop.record(out, settings, samples)
    module = Searching(settings, out)
    loaders = [loop.loaders_of(settings, half, validation) for half in halves]
    both = CombinedLoader({"operations": loaders[0][0], "architecture": loaders[1][0]}, "min_size")
    stops: dict[str, Any] = {"max_epochs": settings.optim.epochs, "patience": settings.optim.patience}
    if loop.fit(module, (both, loaders[0][1]), checkpoint, settings.trainer, out, progress=progress, **stops):
        found = list(storage.read_log(out / LOG).values())
        genotype = Genotype.parse(found[-1]["genotype"])
        storage.write_text(out / FILE, genotype.json() + "\n")
        draw.cells(genotype, out / CELLS)
        draw.alphas(found, settings.search.operations, out / ALPHAS)
    return out


class Searching(lightning.LightningModule):
    """Algorithm 1: a step of the operations' weights on one half of the training split, one of alpha on the other."""

    costs: Tensor | None

    def __init__(self, recipe: SearchRecipe, out: Path) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.section, self.optim, self.loss, self.out = recipe.search, recipe.optim, recipe.loss, out
        self.objective = OBJECTIVES[recipe.loss.kind]
        self.net = Supernet(recipe.search)
        half = (0.5, 0.5, 0.5)
        self.graph = Graph(Card(name="supernet", build="search", mean=half, std=half), self.net)
        weight = recipe.search.latency_weight
        costs = measured_costs(recipe.search.operations, recipe.search.channels) if weight else None
        self.register_buffer("costs", costs)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, dict[str, Tensor]], batch_index: int) -> None:
        """Both steps; first order: alpha's gradient takes the weights as they are."""
        optimizers: Any = self.optimizers()
        weights, architecture = optimizers

        def first() -> Tensor:
            return self._terms(batch["operations"]).total

        def second() -> Tensor:
            total = self._terms(batch["architecture"]).total
            if self.costs is not None:
                total = total + self.section.latency_weight * self.net.latency(self.costs)
            return total

        found = step(self.net, weights, first, self.net.operations(), self.manual_backward, self.optim.clip)
        self.log("train_loss", found, on_step=False, on_epoch=True)
        if self.current_epoch >= self.section.warm_epochs:
            other = step(self.net, architecture, second, list(self.net.alphas), self.manual_backward, self.optim.clip)
            self.log("alpha_loss", other, on_step=False, on_epoch=True)

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """The supernet's loss and scores on the validation pairs."""
        found = self._terms(batch)
        self.log("val_loss", found.total, batch_size=len(found.logits), sync_dist=True)
        self.seen.append(((found.logits[:, 1] - found.logits[:, 0]).float(), batch["labels"].flatten()))

    def on_validation_epoch_end(self) -> None:
        """Log the AUC, and keep the cells that alpha stands for."""
        log_auc(self, self.seen)
        if self.trainer.sanity_checking or not self.trainer.is_global_zero:
            return
        genotype = self.net.genotype()
        entry = {
            **{"name": f"epoch {self.current_epoch}", "genotype": genotype.json(), "skips": genotype.skips()},
            "alphas": [[[round(float(v), 5) for v in row] for row in alpha] for alpha in self.net.alphas],
        }
        with (self.out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.log("skips", genotype.skips())

    def on_train_epoch_start(self) -> None:
        """Rates and temperature of this epoch: cosine for weights, drops for alpha, a line for the temperature."""
        done, section = self.current_epoch / max(1, self.optim.epochs), self.section
        optimizers: Any = self.optimizers()
        drops = sum(self.current_epoch >= epoch for epoch in section.drop_epochs)
        rates = (self.optim.rate * 0.5 * (1 + math.cos(math.pi * done)), section.rate * 0.1**drops)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
        warm = section.warm_epochs
        along = max(0, self.current_epoch - warm) / max(1, self.optim.epochs - 1 - warm)
        self.net.temperature = (1 - along) * section.first_temperature + along * section.last_temperature

    def configure_optimizers(self) -> Any:
        """The recipe's for the weights, Adam for alpha."""
        section = self.section
        own = {"params": list(self.net.operations()), "weight_decay": self.optim.weight_decay}
        weights = optimizer_of(self.optim, [own])
        return [weights, torch.optim.Adam(self.net.alphas, section.rate, weight_decay=section.weight_decay)]

    def _terms(self, batch: dict[str, Tensor]) -> Terms:
        return self.objective(self.graph, batch["crops"].flatten(0, 1), truth_of(batch), self.loss)


def step(
    net: nn.Module,
    optimizer: Any,
    loss: Callable[[], Tensor],
    parameters: Sequence[nn.Parameter],
    backward: Callable[[Tensor], None] = Tensor.backward,
    clip: float = 0.0,
) -> Tensor:
    """Half of a round of algorithm 1: one step of ``optimizer``, which holds ``parameters``; the loss before it."""
    for parameter in net.parameters():
        parameter.grad = None  # of the others too: nobody may step on what this loss leaves there
    found = loss()
    backward(found)
    if clip:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    return found.detach()


def _data(
    settings: SearchRecipe, crop: CropProfile, *, progress: Progress
) -> tuple[tuple[Pairs, Pairs], Pairs, list[Sample]]:
    """Two halves of the training split, that share no person, and the validation split."""
    samples = loop.wanted(settings)
    train, validation = ([s for s in samples if s.split == split] for split in ("train", "val"))
    people = sorted({s.person for s in train})
    order = np.random.default_rng((settings.seed, 17)).permutation(len(people))
    first = {people[int(number)] for number in order[: len(people) // 2]}
    parts = [[s for s in train if (s.person in first) == half] for half in (True, False)]
    pairs = partial(loop.pairs_of, settings=settings, crop=crop, progress=progress)
    one, other = (pairs(part, "a half of the training split", train=True) for part in parts)
    return (one, other), pairs(validation, "split 'val'", train=False), samples
