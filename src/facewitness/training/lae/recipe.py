"""What a recipe of LAE may say: that of any training, and its two stages. Defaults are the paper's (section 3.1.4)."""

from typing import Literal

from pydantic import Field

from facewitness.config import Recipe
from facewitness.training.recipe import TrainRecipe


class ReconstructSection(Recipe):
    """Stage 1: eq. 2, 4, 5 and 6."""

    alpha_rec: float = Field(1.0, ge=0)
    alpha_latent: float = Field(1.0, ge=0)
    beta_pixel: float = Field(1.0, ge=0)
    beta_perceptual: float = Field(1.0, ge=0)
    beta_adversarial: float = Field(0.01, ge=0)
    distance: Literal["absolute", "squared"] = "absolute"  # of pixels and of the comparator's features
    comparator: str = "imagenet"  # VGG-16: "imagenet", "random", or a file of its weights
    comparator_px: int = Field(224, ge=32)  # the side of the pictures that it is shown
    discriminator_px: int | None = Field(None, ge=64)  # likewise; None: the pictures as they are
    discriminator_rate: float = Field(2e-4, gt=0)
    noise: float = Field(5.0, ge=0)  # most of the standard deviation, of 255, drawn for each batch


class AskSection(Recipe):
    """The active learner: eq. 10 and what is made of it."""

    channels: int = Field(10, ge=1)
    epochs: int = Field(5, ge=1)
    rate: float = Field(1e-3, gt=0)
    choice: Literal["active", "random"] = "active"


class AttendSection(Recipe):
    """Stage 2: eq. 11 and 12; the encoder alone."""

    lambda_latent: float = Field(0.5, ge=0)
    lambda_attention: float = Field(1.0, ge=0)
    rate: float = Field(1e-4, gt=0)
    drop_every: int = Field(3, ge=1)  # epochs, after which the rate is divided by ten
    epochs: int = Field(4, ge=1)
    batch_masks: int = Field(16, ge=1)  # masked fakes that go with every batch of pairs
    real_is_empty: bool = False  # ours: reals are taught an empty map
    balanced: bool = False  # ours: a mask's forged pixels count as much as all the others
    reselect: bool = False  # choose again before every epoch, within the same budget; needs an oracle


class LaeRecipe(TrainRecipe):
    """One complete training of LAE. ``optim`` is stage 1's."""

    reconstruct: ReconstructSection = ReconstructSection()
    ask: AskSection = AskSection()
    attend: AttendSection = AttendSection()
