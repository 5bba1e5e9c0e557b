"""A generator against its critics as a Lightning module: reconstruction, edges, an adversarial loss, two optimisers."""

import math
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional as F

from facewitness.training.generators.generator import Critic, Generator
from facewitness.training.generators.recipe import OptimSection
from facewitness.training.losses import discriminated, fooled

Batch = dict[str, Tensor]
PENALISED = 8  # the critic's gradient is held down at every eighth step, eightfold


class Adversarial(lightning.LightningModule):
    """Trains ``generator``; ``local`` adds a critic that sees only the window around the weighted region."""

    def __init__(self, generator: Generator, optim: OptimSection, *, local: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.optim = generator, optim
        width, spectral = optim.critic_width, not optim.penalty
        self.critic = Critic(width=width, spectral=spectral) if optim.adversarial else None
        self.near = Critic(width=width, depth=3, spectral=spectral) if optim.adversarial and local else None
        self.judge = discriminated if optim.penalty else hinge
        self.fool = fooled if optim.penalty else plain

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """One step of the critics, then one of the generator."""
        truth = batch["truth"].contiguous(memory_format=torch.channels_last)
        made, drawn = self._pictures(batch)
        optimizers: Any = self.optimizers()
        if self.critic is not None:
            loss = self._critics(truth, made.detach(), batch["weight"], None if drawn is None else drawn.detach())
            self.log("critic", loss.detach(), on_step=False, on_epoch=True)
            if self.optim.penalty and batch_index % PENALISED == 0:
                loss = loss + PENALISED * self.optim.penalty * steepness(self.critic, truth[:8])
            self._step(optimizers[1], loss)
        apart = difference(made, truth, batch["weight"], self.optim.edges)
        loss = apart + self.optim.adversarial * self._fooled(made, batch["weight"], drawn)
        self._step(optimizers[0] if isinstance(optimizers, list) else optimizers, loss)
        self.log("difference", apart.detach(), on_step=False, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        """Move the rates along their cosine."""
        schedules: Any = self.lr_schedulers() or []
        for schedule in schedules if isinstance(schedules, list) else [schedules]:
            schedule.step()

    def configure_optimizers(self) -> Any:
        """Adam with little momentum, as adversarial training wants it."""
        critics = [p for part in (self.critic, self.near) if part is not None for p in part.parameters()]
        learning = [p for p in self.generator.parameters() if p.requires_grad]
        pairs = [(learning, self.optim.rate)] + ([(critics, self.optim.critic_rate)] if critics else [])
        optimizers = [torch.optim.Adam(group, lr=rate, betas=(0.5, 0.99)) for group, rate in pairs]
        return optimizers, [torch.optim.lr_scheduler.LambdaLR(o, self._rate) for o in optimizers]

    def _rate(self, epoch: int) -> float:
        return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, epoch / self.optim.epochs)))

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=5.0, gradient_clip_algorithm="norm")
        optimizer.step()

    def _pictures(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The generator's picture of each example; where it starts from noise, also some that nothing stands behind."""
        if not self.generator.noise:
            return self._made(batch), None
        inputs = batch["input"]
        made, drawn = self.generator(torch.cat([inputs, torch.randn_like(inputs)])).chunk(2)
        return made, drawn

    def _made(self, batch: Batch) -> Tensor:
        """The generator's picture of each example, drawn by the decoder of its group alone."""
        inputs = batch["input"]
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        levels = self.generator.encode(inputs)
        decoders = self.generator.decoders
        if len(decoders) == 1:
            return decoders[0](levels)  # type: ignore[no-any-return]
        made = torch.empty_like(batch["truth"])
        for number, decoder in enumerate(decoders):
            own = torch.nonzero(batch["group"] == number).flatten()
            if len(own) > 1:  # a batch norm cannot learn from one
                made[own] = decoder([level[own] for level in levels])
            else:
                made[own] = batch["truth"][own]
        return made

    def _critics(self, truth: Tensor, made: Tensor, weight: Tensor, drawn: Tensor | None) -> Tensor:
        assert self.critic is not None
        forged = made if drawn is None else torch.cat([made, drawn])
        loss = self.judge(self.critic(truth), self.critic(forged))
        if self.near is not None:
            loss = loss + self.judge(self.near(window(truth, weight)), self.near(window(made, weight)))
        return loss

    def _fooled(self, made: Tensor, weight: Tensor, drawn: Tensor | None) -> Tensor:
        if self.critic is None:
            return made.new_zeros(())
        loss = self.fool(self.critic(made))
        if drawn is not None:
            loss = loss + self.fool(self.critic(drawn))
        if self.near is not None:
            loss = loss + self.fool(self.near(window(made, weight)))
        return loss


def difference(made: Tensor, truth: Tensor, weight: Tensor, edges: float) -> Tensor:
    """Weighted mean of |made - truth| (N, 3, S, S), and of the same for the steps between neighbouring pixels."""
    gap = made - truth
    share = weight[:, None]
    total = (gap.abs() * share).mean() / share.mean().clamp_min(1e-6)
    if not edges:
        return total
    across, down = gap[..., 1:] - gap[..., :-1], gap[..., 1:, :] - gap[..., :-1, :]
    steps = (across.abs() * share[..., 1:]).mean() + (down.abs() * share[..., 1:, :]).mean()
    return total + edges * steps / share.mean().clamp_min(1e-6)


def hinge(real: Tensor, forged: Tensor) -> Tensor:
    """The critic's hinge loss: real patches above 1, forged ones below -1."""
    return F.relu(1 - real).mean() + F.relu(1 + forged).mean()


def plain(forged: Tensor) -> Tensor:
    """The generator's side of the hinge loss."""
    return -forged.mean()


def steepness(critic: Critic, real: Tensor) -> Tensor:
    """Half the mean squared gradient of the critic's logits at real pictures (Mescheder et al., 2018, R1)."""
    with torch.autocast(real.device.type, enabled=False):
        x = real.detach().float().requires_grad_(True)
        logits = critic(x).mean((1, 2, 3)).sum()
        (gradient,) = torch.autograd.grad(logits, x, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / 2


def window(images: Tensor, weight: Tensor) -> Tensor:
    """From each picture the half-sized window (N, 3, S / 2, S / 2) around where its weight is greatest."""
    size = images.shape[-1]
    half = size // 2
    inside = (weight > weight.amax((1, 2), keepdim=True) / 2).float()
    line = torch.arange(size, device=images.device, dtype=inside.dtype)
    total = inside.sum((1, 2)).clamp_min(1)
    rows, columns = (inside * line[:, None]).sum((1, 2)) / total, (inside * line).sum((1, 2)) / total
    tops, lefts = ((centre - half / 2).round().clamp(0, size - half).long().tolist() for centre in (rows, columns))
    cut = [image[:, top : top + half, left : left + half] for image, top, left in zip(images, tops, lefts, strict=True)]
    return torch.stack(cut)
