"""The recipe of ``facewitness forge train-generator``; each method has its own defaults, sized for two CPU cores."""

from typing import Any

from pydantic import Field

from facewitness.config import Recipe
from facewitness.training.generators.generator import UPSAMPLERS
from facewitness.training.recipe import TrainerSection


class NetSection(Recipe):
    """Parameters of ``Generator``."""

    inputs: int = 3
    width: int = Field(24, ge=4)
    depth: int = Field(4, ge=1, le=7)
    up: str = Field("nearest", pattern=f"^({'|'.join(UPSAMPLERS)})$")
    skip: bool = True
    dilations: tuple[int, ...] = ()
    noise: int = Field(0, ge=0)
    levels: int = Field(0, ge=0)


class DataSection(Recipe):
    """Which squares are drawn, and how many are kept."""

    size_px: int = Field(128, ge=32)
    margin: float = Field(0.2, ge=0, le=2)
    loose_side_px: int = Field(400, ge=64)
    source_power: float = Field(0.5, ge=0, le=1)  # a data set of n photographs is drawn in proportion to n ** power
    groups: int = Field(1, ge=1)
    limit: int | None = Field(None, ge=2)  # at most so many photographs, spread evenly
    workers: int = Field(1, ge=0)


class OptimSection(Recipe):
    """Adam for the generator and the critic, a cosine to a tenth, and a moving average of the weights."""

    rate: float = Field(4e-4, gt=0)
    critic_rate: float = Field(4e-4, gt=0)
    critic_width: int = Field(24, ge=4)
    batch: int = Field(16, ge=2)
    epochs: int = Field(20, ge=1)
    steps: int = Field(100, ge=1)  # of an epoch
    edges: float = Field(1.0, ge=0)  # weight of the difference of neighbouring pixels
    adversarial: float = Field(0.02, ge=0)
    penalty: float = Field(0.0, ge=0)  # on the critic's gradient at real pictures; 0: spectral norm and hinge instead
    average: float = Field(0.99, ge=0, lt=1)


class GeneratorRecipe(Recipe):
    """One complete training of a method's network."""

    method: str
    seed: int = 0
    net: NetSection = NetSection()
    data: DataSection = DataSection()
    optim: OptimSection = OptimSection()
    trainer: TrainerSection = TrainerSection()


def defaults(task: Any) -> dict[str, Any]:
    """The recipe of a ``Task`` as plain values, which a file and overrides are laid upon."""
    return {
        "method": task.method,
        "net": dict(task.net),
        "data": {"size_px": task.size_px, "margin": task.margin, "groups": task.groups},
        "optim": dict(task.optim),
    }
