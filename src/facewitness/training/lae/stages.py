"""The two stages of algorithm 1 as Lightning modules. They share nothing but the net."""

from typing import Any

import lightning
import torch
from torch import Tensor

from facewitness.detectors.graph import Graph
from facewitness.detectors.nets.lae import Lae
from facewitness.training import losses as shared
from facewitness.training.lae import losses
from facewitness.training.lae.critics import Comparator, Discriminator
from facewitness.training.lae.recipe import AttendSection, LaeRecipe
from facewitness.training.supervised import log_auc
from facewitness.types import RecipeError

Batch = dict[str, Tensor]


class Stage(lightning.LightningModule):
    """What both do: hold the graph, and judge the validation pairs."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        if not isinstance(graph.net, Lae):
            raise RecipeError(f"net.entry: LAE's training is for 'lae', not for {type(graph.net).__name__}")
        self.graph, self.net = graph, graph.net
        self.seen: list[tuple[Tensor, Tensor]] = []

    def judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The latent loss of a batch of pairs without noise, and the encoder's latent; scores are kept for the AUC."""
        crops, labels = _flat(batch)
        latent = self.net.look(self.graph.normalised(crops)).latent
        activity = self.net.activity(latent)
        self.seen.append(((activity[:, 1] - activity[:, 0]).float(), labels))
        return shared.activation(activity, labels), latent

    def on_validation_epoch_end(self) -> None:
        """AUC over the validation pairs of all processes."""
        log_auc(self, self.seen)


class Reconstructing(Stage):
    """Stage 1: latent, pixel, perceptual and adversarial losses (eq. 2, 4-6); two optimisers."""

    def __init__(self, graph: Graph, recipe: LaeRecipe) -> None:
        super().__init__(graph)
        self.automatic_optimization = False
        self.section, self.optim = recipe.reconstruct, recipe.optim
        side = self.section.discriminator_px
        self.discriminator = Discriminator(side) if self.section.beta_adversarial else None
        perceptual = self.section.beta_perceptual
        comparator = Comparator(self.section.comparator, self.section.comparator_px) if perceptual else None
        self.held = (comparator,)  # not a part of what is trained, averaged or kept in checkpoints

    def on_fit_start(self) -> None:
        """Take the critics to where the net is, laid out in memory as it is."""
        for critic in (self.discriminator, *self.held):
            if critic is not None:
                critic.to(self.device).to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """One step of the discriminator, then one of the autoencoder."""
        crops, labels = _flat(batch)
        clean = crops.float() / 127.5 - 1
        latent = self.net.look(self.graph.normalised(losses.noisy(crops, self.section.noise))).latent
        made = self.net.restore(latent)
        optimizers: Any = self.optimizers()
        if self.discriminator is not None:
            found = shared.discriminated(self.discriminator(clean), self.discriminator(made.detach()))
            self._step(optimizers[1], found)
            self.log("train_discriminator", found.detach(), on_step=False, on_epoch=True)
        verdict = shared.activation(self.net.activity(latent), labels)
        restored = self._restored(made, clean)
        if self.discriminator is not None:
            self.discriminator.requires_grad_(False)  # it learns nothing from this step
            restored = restored + self.section.beta_adversarial * shared.fooled(self.discriminator(made))
        total = self.section.alpha_rec * restored + self.section.alpha_latent * verdict
        self._step(optimizers[0] if isinstance(optimizers, list) else optimizers, total)
        if self.discriminator is not None:
            self.discriminator.requires_grad_(True)
        self.log_dict({"train_latent": verdict.detach(), "train_loss": total.detach()}, on_step=False, on_epoch=True)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """The loss without its adversarial part, which no two epochs measure alike."""
        verdict, latent = self.judge(batch)
        crops, _ = _flat(batch)
        restored = self._restored(self.net.restore(latent), crops.float() / 127.5 - 1)
        total = self.section.alpha_rec * restored + self.section.alpha_latent * verdict
        self.log_dict({"val_latent": verdict, "val_loss": total}, batch_size=len(crops), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam for each; the discriminator's with DCGAN's momentum."""
        optimizers = [torch.optim.Adam(self.net.parameters(), lr=self.optim.rate, betas=(0.9, 0.999))]
        if self.discriminator is not None:
            parameters = self.discriminator.parameters()
            optimizers.append(torch.optim.Adam(parameters, lr=self.section.discriminator_rate, betas=(0.5, 0.999)))
        return optimizers

    def _restored(self, made: Tensor, clean: Tensor) -> Tensor:
        section = self.section
        total = section.beta_pixel * shared.apart(made, clean, section.distance)
        comparator = self.held[0]
        if comparator is not None:
            with torch.no_grad():
                wanted = comparator(clean)
            total = total + section.beta_perceptual * shared.apart(comparator(made), wanted, section.distance)
        return total

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.optim.clip:
            self.clip_gradients(optimizer, gradient_clip_val=self.optim.clip, gradient_clip_algorithm="norm")
        optimizer.step()


class Attending(Stage):
    """Stage 2: latent and attention loss (eq. 12) on the encoder; the decoder stays as it is.

    A batch holds pairs (``crops``, ``labels``) and fakes with a mask (``asked``, ``masks``).
    """

    def __init__(self, graph: Graph, section: AttendSection, noise: float) -> None:
        super().__init__(graph)
        self.section, self.noise = section, noise
        self.net.decoder.requires_grad_(False)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """One step."""
        crops, labels = _flat(batch)
        count = len(crops)
        together = losses.noisy(torch.cat([crops, batch["asked"]]), self.noise)
        encoded = self.net.look(self.graph.normalised(together))
        verdict = shared.activation(self.net.activity(encoded.latent[:count]), labels)
        plane, masks = self.net.attention(encoded), batch["masks"].float()[:, None] / 255
        chosen = torch.arange(len(plane), device=plane.device) >= count
        if self.section.real_is_empty:
            real = torch.nonzero(labels == 0).flatten()
            plane = torch.cat([plane[chosen], plane[real]])
            masks = torch.cat([masks, masks.new_zeros(len(real), *masks.shape[1:])])
        else:
            plane = plane[chosen]
        regularised = losses.attention(plane, masks, balanced=self.section.balanced)
        total = self.section.lambda_latent * verdict + self.section.lambda_attention * regularised
        self.log_dict({"train_latent": verdict, "train_attention": regularised}, on_step=False, on_epoch=True)
        return total

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """The latent loss of fixed pairs."""
        verdict, latent = self.judge(batch)
        self.log("val_loss", verdict, batch_size=len(latent), sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam on the encoder, the rate divided by ten every few epochs."""
        learning = [parameter for parameter in self.net.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(learning, lr=self.section.rate, betas=(0.9, 0.999))
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, self.section.drop_every, gamma=0.1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}


def _flat(batch: Batch) -> tuple[Tensor, Tensor]:
    crops = batch["crops"].flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return crops, batch["labels"].flatten()
