"""What a training recipe may say. Values here are the CPU-sized; a recipe lays its own over them."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from facewitness.config import Recipe
from facewitness.media.faces import ALIGNMENT, ALIGNMENTS, FINDER, FINDERS
from facewitness.types import CropProfile

CHECKPOINTS = "checkpoints"  # the folder of a run that holds them
VERSION = 1
"""Raise it when the same recipe over the same photographs would give other weights; comparisons then train anew."""


class NetSection(Recipe):
    """Which entry of the zoo is trained, and from what."""

    entry: str = "effnet-map"
    args: dict[str, float | int | str | bool] = Field(default_factory=dict)  # "genotype" may be a file of a search
    init: str = "random"  # "random"; "imagenet", which may have to be downloaded; or a run folder to initialize from

    @field_validator("args")
    @classmethod
    def _read(cls, args: dict[str, Any]) -> dict[str, Any]:
        """A genotype's file is taken at its word: what is trained, and hashed, is what stands in it now."""
        named = args.get("genotype")
        if not isinstance(named, str) or not named.endswith(".json"):
            return args
        try:
            return {**args, "genotype": Path(named).read_text(encoding="utf-8").strip()}
        except OSError as error:
            raise ValueError(
                f"genotype: {named} cannot be read ({error.strerror}); name genotype.json of a search"
            ) from error


class CropSection(Recipe):
    """The crop profile the trained card will carry."""

    size_px: int = Field(128, ge=32)
    margin: float = Field(0.25, ge=0, le=2)
    finder: str = FINDER  # of ``media.faces.FINDERS``
    alignment: str = ALIGNMENT  # of ``media.faces.ALIGNMENTS``
    face_px: int = Field(0, ge=0)  # see ``CropProfile``

    @property
    def profile(self) -> CropProfile:
        """The profile, which a card carries."""
        return CropProfile(
            finder=self.finder,
            alignment=self.alignment,
            size_px=self.size_px,
            margin=self.margin,
            face_px=self.face_px,
        )

    @field_validator("finder", "alignment")
    @classmethod
    def _is_known(cls, name: str, info: ValidationInfo) -> str:
        what, known = ("face finder", FINDERS) if info.field_name == "finder" else ("alignment", ALIGNMENTS)
        if name not in known:
            raise ValueError(f"no {what} {name!r}; known: {', '.join(known)}")
        return name


class DataSection(Recipe):
    """The photographs: a manifest, or a folder that a reader of ``facewitness.data.sources`` knows."""

    path: str = ""  # see ``data.sources.read``; no photographs come with the package
    source_power: float = Field(0.5, ge=0, le=1)  # a data set of n photographs is drawn in proportion to n ** power
    loose_side_px: int = Field(400, ge=64)  # faces are kept with their surroundings, reduced to at most this side
    pairs_per_epoch: int = Field(6000, ge=1)
    validation_pairs: int = Field(600, ge=1)
    workers: int = Field(1, ge=0)
    echo: int = Field(0, ge=0)  # batches drawn from a buffer on the device for each batch forged; 0: no buffer
    methods: list[str] = Field(default_factory=list)  # only these fakes, or "method/attribute"; empty: all
    listed: float = Field(0.5, ge=0, le=1)  # how often a pair's fake is a listed one, where forge.methods has some too
    paired: float = Field(0, ge=0, le=1)  # how often a listed fake stands beside its own original, not beside any real
    calibration_pairs: int | None = Field(None, ge=1)  # of the validation split; None takes all of it


class ForgeSection(Recipe):
    """Manipulations made while training, with the share of each. Empty: only the manifest's own fakes are used."""

    methods: dict[str, float] = Field(default_factory=dict)  # 0 leaves one out
    strong_epochs: int = Field(0, ge=0)  # epochs in which a self-blend is never fainter than 0.75


class AugmentSection(Recipe):
    """Probabilities; real and forged of a pair always get the same draw."""

    jpeg: float = Field(0.6, ge=0, le=1)
    jpeg_quality: tuple[int, int] = (60, 98)
    resize: float = Field(0.25, ge=0, le=1)
    blur: float = Field(0.1, ge=0, le=1)
    blur_sigma: tuple[float, float] = (0.2, 1.0)
    retouch: float = Field(0, ge=0, le=1)
    noise: float = Field(0.15, ge=0, le=1)
    colour: float = Field(0.4, ge=0, le=1)
    jitter: float = Field(1.0, ge=0, le=3)  # of the crop: 1 = 3 % shift, 8 % zoom, 6 degrees
    p_real: float = Field(1.0, ge=0, le=1)  # how often a real is augmented at all by what is above, but jitter; and
    p_fake: float = Field(1.0, ge=0, le=1)  # a fake. Below 1 the two of a pair differ by more than the forgery


class AttentionSection(Recipe):
    """FakeLocator's face attention: the part that a forgery is about, blurred, multiplies the features in training."""

    parts: Literal["none", "landmarks", "network"] = "none"
    network: str | None = None  # an ONNX file in the convention of 19 classes, for parts = "network"
    sigma: float = Field(0.06, ge=0)  # of the blur, in sides of the crop


class LossSection(Recipe):
    """What is minimised; see ``training.objectives``."""

    kind: Literal[
        "cross-entropy", "squared-error", "patches", "attention", "fakeness", "potential", "capsule", "split-latent"
    ] = "cross-entropy"
    distance: Literal["absolute", "squared", "focal", "dice"] = "absolute"  # of "fakeness"
    forehead: bool = False  # of "potential": the face's hull reaches above the brows
    verdict_weight: float = Field(1.0, ge=0)  # of "fakeness"; 0 teaches the map alone
    map_weight: float = Field(1.0, ge=0)
    reconstruction: Literal["absolute", "squared"] = "absolute"
    reconstruction_weight: float = Field(0.1, ge=0)


class OptimSection(Recipe):
    """By default AdamW with a warm-up and a cosine to zero, and an exponential moving average of the weights."""

    optimizer: Literal["adamw", "adam", "sgd", "svm"] = "adamw"  # svm: no steps, see training.svm
    rate: float = Field(2e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)  # of sgd; Adam's first
    weight_decay: float = Field(0.02, ge=0)
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    drop_every_steps: int = Field(1000, ge=1)  # "steps": the rate is divided by ten after so many
    lowest_rate: float = Field(1e-6, gt=0)  # "steps": it falls no further
    batch_pairs: int = Field(16, ge=1)
    epochs: int = Field(30, ge=1)
    minutes: float | None = Field(None, gt=0)  # the schedule is laid over so long, and the run ends with its epoch
    head_epochs: int = Field(0, ge=0)  # at first only the last layer learns, for so many epochs
    learn: list[str] = Field(default_factory=list)  # dotted names of the net's parts that learn; empty: all of them
    horizon_epochs: int | None = None  # the cosine is laid over this many epochs, of which ``epochs`` are trained
    warmup_steps: int = Field(300, ge=0)
    average: float = Field(0.998, ge=0, lt=1)
    clip: float = Field(1.0, ge=0)  # of the gradient's norm; 0 leaves it
    patience: int = Field(10, ge=1)  # epochs without a better validation loss


class TrainerSection(Recipe):
    """Handed to Lightning as they are."""

    accelerator: str = "auto"
    devices: int | Literal["auto"] = "auto"
    strategy: str = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"  # auto: bf16 where the accelerator has it
    threads: int | None = None


class TrainRecipe(Recipe):
    """One complete training."""

    name: str
    seed: int = 0
    trained_on: str = ""
    licence: str = ""
    data: DataSection = DataSection()
    net: NetSection = NetSection()
    crop: CropSection = CropSection()
    forge: ForgeSection = ForgeSection()
    augment: AugmentSection = AugmentSection()
    attention: AttentionSection = AttentionSection()
    loss: LossSection = LossSection()
    optim: OptimSection = OptimSection()
    trainer: TrainerSection = TrainerSection()

    @model_validator(mode="after")
    def _echo_fits(self) -> Self:
        if self.data.echo and type(self) is not TrainRecipe:
            raise ValueError("data.echo: only `facewitness train` echoes data")
        if self.data.echo and (self.attention.parts != "none" or self.augment.p_real * self.augment.p_fake < 1):
            raise ValueError("data.echo augments both of a pair alike, without attention maps: leave one of them out")
        return self
