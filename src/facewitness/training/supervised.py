"""Supervised training as a Lightning module: an objective, an optimiser, and what validation measures."""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from facewitness.detectors.graph import Graph
from facewitness.metrics.detection import auc
from facewitness.training.objectives import OBJECTIVES, Terms, Truth
from facewitness.training.recipe import LossSection, OptimSection
from facewitness.types import RecipeError


@runtime_checkable
class Constrained(Protocol):
    """A net whose weights must obey a rule that an optimiser does not know."""

    def constrain(self) -> None:
        """Bring the weights back to the rule."""


class Supervised(lightning.LightningModule):
    """Trains ``Graph.net`` on batches of pairs."""

    def __init__(self, graph: Graph, loss: LossSection, optim: OptimSection, total_steps: int) -> None:
        super().__init__()
        self.graph = graph
        self.objective, self.loss, self.optim = OBJECTIVES[loss.kind], loss, optim
        self.still = _hold_still(graph.net, optim.learn)
        self.learning = [parameter for parameter in graph.net.parameters() if parameter.requires_grad]
        self.total_steps = total_steps
        self.began, self.spent_s = time.monotonic(), 0.0
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """One step on (B, 2, ...) pairs."""
        total, verdict, region, _ = self._terms(batch)
        losses = {"train_verdict": verdict, "train_region": region, "train_loss": total}
        self.log_dict(losses, on_step=False, on_epoch=True, sync_dist=True)
        return total

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Loss and scores of fixed pairs."""
        total, verdict, region, logits = self._terms(batch)
        losses = {"val_loss": total, "val_verdict": verdict, "val_region": region}
        self.log_dict(losses, batch_size=len(logits), sync_dist=True)
        self.seen.append(((logits[:, 1] - logits[:, 0]).float(), batch["labels"].flatten()))

    def on_validation_epoch_end(self) -> None:
        """AUC over the validation pairs of all processes."""
        log_auc(self, self.seen)

    def on_train_start(self) -> None:
        """Begin to count the minutes; those before a resume count as well."""
        self.began = time.monotonic() - self.spent_s

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how long the training has lasted."""
        checkpoint["spent_s"] = time.monotonic() - self.began

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting from there."""
        self.spent_s = float(checkpoint.get("spent_s", 0))

    def on_train_epoch_end(self) -> None:
        """End with this epoch if the minutes are over."""
        self.trainer.should_stop = self.trainer.should_stop or self.spent() >= 1

    def on_train_epoch_start(self) -> None:
        """Hold everything but the last layer still while ``head_epochs`` last; what never learns keeps its norms."""
        for module in self.still:
            module.eval()
        if self.optim.head_epochs:
            head = {id(parameter) for parameter in self._head().parameters()}
            for parameter in self.learning:
                parameter.requires_grad_(self.current_epoch >= self.optim.head_epochs or id(parameter) in head)

    def on_train_batch_end(self, *_: Any) -> None:
        """A net whose weights obey a constraint is brought back to it after every step."""
        if isinstance(self.graph.net, Constrained):
            self.graph.net.constrain()

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, without decay on biases and norms, and its schedule."""
        decayed = [p for p in self.learning if p.ndim > 1]
        plain = [p for p in self.learning if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = optimizer_of(self.optim, groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """The share of the recipe's rate at a step."""
        warm = min(1.0, (step + 1) / max(1, self.optim.warmup_steps))
        if self.optim.schedule == "constant":
            return warm
        if self.optim.schedule == "steps":
            return warm * max(10.0 ** -(step // self.optim.drop_every_steps), self.optim.lowest_rate / self.optim.rate)
        done = self.spent() if self.optim.minutes else step / max(1, self.total_steps)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def spent(self) -> float:
        """The share of ``optim.minutes`` that is over, 0 where there is no such limit."""
        return (time.monotonic() - self.began) / (60 * self.optim.minutes) if self.optim.minutes else 0.0

    def _head(self) -> nn.Module:
        net: Any = self.graph.net
        head = net.body.get_classifier() if hasattr(net, "body") else getattr(net, "classify", None)
        if not isinstance(head, nn.Module):
            raise RecipeError(f"optim.head_epochs: {type(net).__name__} has no last layer of its own to begin with")
        return head

    def _terms(self, batch: dict[str, Tensor]) -> Terms:
        crops = batch["crops"].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return self.objective(self.graph, crops, truth_of(batch), self.loss)


def _hold_still(net: nn.Module, learn: Sequence[str]) -> list[nn.Module]:
    """Freeze what is not of the parts named; the batch norms outside of them, whose statistics stay as well.

    Raises:
        RecipeError: the net has no part of such a name.
    """
    if not learn:
        return []
    modules = dict(net.named_modules())
    for name in learn:
        if name not in modules or not list(modules[name].parameters()):
            parts = ", ".join(name for name, module in net.named_children() if list(module.parameters()))
            raise RecipeError(
                f"optim.learn: {type(net).__name__} has no part {name!r} that could learn; it has {parts}"
            )
    free = {id(parameter) for name in learn for parameter in modules[name].parameters()}
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.requires_grad and id(parameter) in free)
    inside = {id(module) for name in learn for module in modules[name].modules()}
    return [m for m in modules.values() if isinstance(m, nn.modules.batchnorm._BatchNorm) and id(m) not in inside]


def optimizer_of(optim: OptimSection, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """The optimiser of a recipe over groups of parameters that say their own weight decay."""
    if optim.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=optim.rate, momentum=optim.momentum)
    kind = torch.optim.AdamW if optim.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=optim.rate, betas=(optim.momentum, 0.999))


def truth_of(batch: dict[str, Tensor]) -> Truth:
    """What is known of the crops of a batch of pairs."""
    regions = batch["regions"].flatten(0, 1)[:, None].float() / 255
    attention = batch["attention"].flatten(0, 1)[:, None].float() / 255 if "attention" in batch else None
    return Truth(batch["labels"].flatten(), regions, batch["known"].flatten(), attention)


def log_auc(module: lightning.LightningModule, seen: list[tuple[Tensor, Tensor]]) -> None:
    """Log ``val_auc`` over the (scores, labels) that all processes have seen, and forget them."""
    scores, labels = (
        torch.as_tensor(module.all_gather(torch.cat(part))).flatten().cpu() for part in zip(*seen, strict=True)
    )
    seen.clear()
    module.log("val_auc", float(auc(np.asarray(scores), np.asarray(labels))), sync_dist=True)
