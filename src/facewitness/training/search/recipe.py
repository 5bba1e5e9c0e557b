"""What a recipe of a search may say: that of any training, and how cells are weighed. Defaults are the paper's."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from facewitness.config import Recipe
from facewitness.detectors.nets.cells import BLOCKS, OPERATIONS
from facewitness.training.recipe import OptimSection, TrainRecipe


class SearchSection(Recipe):
    """The supernet and its architecture parameters alpha (section IV-B of the paper; GDAS for the second sampler)."""

    sampler: Literal["softmax", "gumbel"] = "softmax"  # all operations at once (eq. 2), or one, drawn for every step
    channels: int = Field(16, ge=2)
    normal: int = Field(1, ge=1)  # normal cells in each of the supernet's three blocks
    blocks: int = Field(BLOCKS, ge=1)
    operations: list[str] = Field(default_factory=lambda: list(OPERATIONS), min_length=2)
    region: bool = True
    input: Literal["rgb", "high-pass", "both"] = "rgb"
    rate: float = Field(0.02, gt=0)  # of Adam, for alpha
    warm_epochs: int = Field(0, ge=0)  # in which weights learn alone: untaught operations tell alpha nothing
    drop_epochs: list[int] = Field(default_factory=lambda: [60, 150])  # after which that rate is divided by ten
    weight_decay: float = Field(5e-4, ge=0)
    first_temperature: float = Field(10.0, gt=0)  # of "gumbel"; falls in a line to the last
    last_temperature: float = Field(0.1, gt=0)
    latency_weight: float = Field(0.0, ge=0)  # ours: of the cells' expected time, measured here when it starts

    @field_validator("operations")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        unknown = [name for name in names if name not in OPERATIONS]
        if unknown:
            raise ValueError(f"no operation {unknown[0]!r} in the space of ADD; it has {', '.join(OPERATIONS)}")
        if set(names) == {"zero"} or len(set(names)) < len(names):
            raise ValueError("operations are to be different ones, at least one of them not zero")
        return names


class WeightsSection(OptimSection):
    """Of the operations' weights: SGD, or Adam for those who have few steps."""

    optimizer: Literal["sgd", "adam"] = "sgd"  # alpha's Adam is the search's own
    rate: float = Field(0.1, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["cosine"] = "cosine"
    batch_pairs: int = Field(4, ge=1)
    epochs: int = Field(300, ge=1)
    warmup_steps: int = Field(0, ge=0)
    average: float = Field(0, ge=0, lt=1)
    clip: float = Field(5, ge=0)
    patience: int = Field(1000, ge=1)


class SearchRecipe(TrainRecipe):
    """One complete search; batches are drawn from either half of the training split."""

    search: SearchSection = SearchSection()
    optim: WeightsSection = WeightsSection()

    @model_validator(mode="after")
    def _some_epochs_are_left(self) -> Self:
        if self.search.warm_epochs >= self.optim.epochs:
            raise ValueError(f"search.warm_epochs has to be below optim.epochs, which is {self.optim.epochs}")
        return self
