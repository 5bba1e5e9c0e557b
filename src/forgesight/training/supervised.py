"""Supervised training as a Lightning module: classification plus map loss, and what validation measures."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from forgesight.detectors.graph import Graph
from forgesight.metrics.detection import auc
from forgesight.training import losses
from forgesight.training.recipe import OptimSection


class Supervised(lightning.LightningModule):
    """Trains ``Graph.net`` on batches of pairs."""

    def __init__(self, graph: Graph, optim: OptimSection, total_steps: int) -> None:
        super().__init__()
        self.graph = graph
        self.optim = optim
        self.total_steps = total_steps
        self.seen: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """One step on (B, 2, ...) pairs."""
        total, verdict, region, _ = self._losses(batch)
        self.log("train_verdict", verdict, on_step=False, on_epoch=True, sync_dist=True)
        self.log("train_region", region, on_step=False, on_epoch=True, sync_dist=True, prog_bar=True)
        self.log("train_loss", total, on_step=False, on_epoch=True, sync_dist=True, prog_bar=True)
        return total

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Loss and scores of fixed pairs."""
        total, verdict, region, logits = self._losses(batch)
        size = len(logits)
        self.log("val_loss", total, batch_size=size, sync_dist=True)
        self.log("val_verdict", verdict, batch_size=size, sync_dist=True)
        self.log("val_region", region, batch_size=size, sync_dist=True)
        self.seen.append(((logits[:, 1] - logits[:, 0]).float(), batch["labels"].flatten()))

    def on_validation_epoch_end(self) -> None:
        """AUC over the validation pairs of all processes."""
        scores, labels = (
            torch.as_tensor(self.all_gather(torch.cat(part))).flatten().cpu() for part in zip(*self.seen, strict=True)
        )
        self.seen.clear()
        value = auc(np.asarray(scores), np.asarray(labels))
        self.log("val_auc", float(value), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW without decay on biases and norms; warm-up, then cosine to zero."""
        decayed = [p for p in self.parameters() if p.ndim > 1]
        plain = [p for p in self.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.optim.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.optim.rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, self.optim.warmup_steps))
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, self.total_steps))))

    def _losses(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        crops = batch["crops"].flatten(0, 1).contiguous(memory_format=torch.channels_last)
        output = self.graph.raw(crops)
        verdict = losses.classification(output.logits, batch["labels"].flatten())
        region = verdict * 0
        if output.map is not None:
            target = batch["regions"].flatten(0, 1)[:, None].float() / 255
            region = losses.region(output.map, target, batch["known"].flatten())
        return verdict + self.optim.map_weight * region, verdict, region, output.logits
