"""What every training of the package shares: data, loaders, trainer, checkpoints, the run folder and its record."""

import json
import logging
import platform
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch import callbacks
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

from facewitness import config, storage
from facewitness.compute.pool import cores
from facewitness.compute.progress import Progress, ProgressEvent
from facewitness.config import Recipe
from facewitness.data import manifest, sources
from facewitness.detectors import cards, zoo
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.detectors.base import WEIGHTS_FILE
from facewitness.detectors.graph import Graph, with_complexity
from facewitness.provenance import versions
from facewitness.training.calibrate import calibrate
from facewitness.training.data.cache import cached_faces
from facewitness.training.data.draws import Draws, FixedDraws
from facewitness.training.data.echo import Echoed
from facewitness.training.data.pairs import Pairs
from facewitness.training.recipe import CHECKPOINTS, TrainerSection, TrainRecipe
from facewitness.types import Card, CropProfile, FacewitnessError, RecipeError, Sample

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it tells what machine there is, and advertises

PACKAGES = ("facewitness", "torch", "torchvision", "timm", "lightning", "numpy", "opencv-python-headless", "dlib-bin")
"""Those whose versions are kept with a run."""
R = TypeVar("R", bound=TrainRecipe)


def begin(
    recipe: Path,
    model: type[R],
    out: Path | None,
    overrides: Sequence[str],
    *,
    resume: bool,
    last_file: str = cards.FILE,
) -> tuple[R, Path, Path | None]:
    """Read a recipe, open its run folder (``runs/NAME`` by default) and settle chance: recipe, folder, checkpoint.

    See ``open_folder`` for the checkpoint and ``last_file``.

    Raises:
        RecipeError: the recipe does not fit, or the folder holds another run.
    """
    settings = config.load(recipe, model, overrides)
    out = out or Path("runs") / settings.name
    checkpoint = open_folder(out, settings, resume=resume, last_file=last_file)
    settle(settings.seed, settings.trainer)
    return settings, out, checkpoint


def settle(seed: int, chosen: TrainerSection) -> None:
    """Seed all chance and give torch its threads."""
    lightning.seed_everything(seed, workers=True, verbose=False)
    torch.set_num_threads(chosen.threads or cores())


def learn(
    module: lightning.LightningModule,
    graph: Graph,
    card: Card,
    settings: TrainRecipe,
    out: Path,
    loaders: tuple[DataLoader[Any] | Echoed, DataLoader[Any]],
    checkpoint: Path | None,
    *,
    extra: Sequence[callbacks.Callback] = (),
    progress: Progress,
    **options: Any,
) -> None:
    """Teach the graph in a module, give it the weights of the epoch with the least validation loss, finish the run."""
    graph.net.to(memory_format=torch.channels_last)
    best = callbacks.ModelCheckpoint(out / CHECKPOINTS, "best", monitor="val_loss", enable_version_counter=False)
    options = {"max_epochs": settings.optim.epochs, "patience": settings.optim.patience, **options}
    if not fit(module, loaders, checkpoint, settings.trainer, out, [*extra, best], progress=progress, **options):
        return
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "graph.net."
    graph.net.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    validation: Any = loaders[1].dataset
    finish(out, card, graph, validation)


def open_folder(out: Path, settings: Recipe, *, resume: bool, last_file: str = cards.FILE) -> Path | None:
    """Make the run folder, and return the checkpoint to go on from; None where the run begins.

    A run that was stopped before its first checkpoint begins anew, with or without ``resume``. ``last_file`` is what a
    run writes last, by which it is known to be finished.

    Raises:
        RecipeError: it holds another run, or none to resume.
    """
    recipe, last = out / "recipe.json", out / CHECKPOINTS / "last.ckpt"
    if resume and not recipe.exists():
        raise RecipeError(f"{out}: no run to resume; leave out --resume")
    if last.exists() and not resume:
        raise RecipeError(f"{out} already holds a run: give another --out, or --resume to go on with it")
    if (out / last_file).exists() and not last.exists():
        raise RecipeError(f"{out} already holds a run, and it is finished: give another --out")
    machine: dict[str, Any] = {"trainer": None}  # which machine does the work may change from one resume to the next
    asked = settings.model_dump(mode="json") | machine
    if resume and json.loads(recipe.read_text(encoding="utf-8")) | machine != asked:
        raise RecipeError(f"{out} was started from another recipe: resume it with that one, or give another --out")
    out.mkdir(parents=True, exist_ok=True)
    metrics = out / "metrics.csv"
    if metrics.exists():  # Lightning's logger starts its file anew; what came before is kept beside it
        metrics.rename(out / f"metrics.before-{len(list(out.glob('metrics.before-*'))) + 1}.csv")
    return last if resume and last.exists() else None


def card_of(settings: TrainRecipe) -> Card:
    """The card that the run of a recipe will have.

    Raises:
        RecipeError: the recipe names no entry of the zoo.
    """
    if settings.net.entry not in ARCHITECTURES:
        raise RecipeError(f"net.entry: no architecture {settings.net.entry!r}; there are {', '.join(ARCHITECTURES)}")
    crop = settings.crop.profile
    card = zoo.resized(ARCHITECTURES[settings.net.entry], crop)
    licence = settings.licence or card.licence
    return replace(
        card,
        name=f"{card.name}.{settings.name}",
        args={**card.args, **settings.net.args},
        licence=licence,
        trained_on=settings.trained_on,
    )


def data(settings: TrainRecipe, crop: CropProfile, *, progress: Progress) -> tuple[Pairs, Pairs, list[Sample]]:
    """Pairs to train and to validate on, and the samples they were made from.

    Raises:
        FacewitnessError: the data cannot be used.
    """
    samples = wanted(settings)

    def pairs(split: str) -> Pairs:
        own = [s for s in samples if s.split == split]
        return pairs_of(own, f"split {split!r}", settings, crop, train=split == "train", progress=progress)

    return pairs("train"), pairs("val"), samples


def wanted(settings: TrainRecipe) -> list[Sample]:
    """The photographs of a recipe: all reals, and the fakes of the methods it names.

    Raises:
        FacewitnessError: there is no fake of one of them.
    """
    samples = sources.read_divided(config.named(settings.data.path), settings.seed)
    methods = settings.data.methods
    unknown = sorted(set(methods) - manifest.kinds(samples))
    if unknown:
        raise FacewitnessError(f"data.methods: {settings.data.path} has no fake of the method {unknown[0]!r}")
    return manifest.of_methods(samples, methods) if methods else samples


def pairs_of(
    own: Sequence[Sample], what: str, settings: TrainRecipe, crop: CropProfile, *, train: bool, progress: Progress
) -> Pairs:
    """Pairs of some photographs; ``what`` these are is said where there is no real one among them.

    Raises:
        FacewitnessError: the data cannot be used.
    """
    if not any(s.label == 0 for s in own):
        raise FacewitnessError(
            f"{settings.data.path}: no real photograph in {what}; deal splits: "
            f"facewitness data split {settings.data.path} --out divided.parquet"
        )
    gray = settings.loss.kind == "fakeness"
    side_px = settings.data.loose_side_px
    faces = cached_faces(own, side_px, gray=gray, finder=crop.finder, progress=progress)
    return Pairs(faces, own, settings, crop, train=train)


def loaders_of(
    settings: TrainRecipe, train_set: Pairs, validation_set: Pairs
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """What hands out batches of pairs: drawn anew each epoch to train on, the same each epoch to validate on."""
    sources_ = [train_set.sources[i] for i in train_set.real]
    draws = Draws(sources_, settings.data.source_power, settings.data.pairs_per_epoch, settings.seed)
    options = {"batch_size": settings.optim.batch_pairs, **forked(settings.data.workers)}
    training = DataLoader(train_set, sampler=draws, drop_last=True, **options)
    fixed = FixedDraws(settings.data.validation_pairs, len(validation_set), settings.seed)
    return training, DataLoader(validation_set, sampler=fixed, **options)


def forked(workers: int) -> dict[str, Any]:
    """Options of a data loader with so many workers, each kept to one core.

    OpenCV ends its own threads here, before the fork: a worker that inherits them waits for ever for them to answer.
    """
    if not workers:
        return {"num_workers": 0}
    cv2.setNumThreads(1)
    start = {"worker_init_fn": _one_thread, "persistent_workers": True}
    return {"num_workers": workers, "prefetch_factor": 4, **start}


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def fit(
    module: lightning.LightningModule,
    loaders: Sequence[Any],
    checkpoint: Path | None,
    chosen: TrainerSection,
    out: Path,
    extra: Sequence[callbacks.Callback] = (),
    *,
    progress: Progress,
    patience: int | None = None,
    automatic: str | None = None,
    **options: Any,
) -> bool:
    """Train a module, keeping the last epoch; whether this process is the one that finishes the run.

    Args:
        module: what learns.
        loaders: of training and, where there is one, of validation.
        checkpoint: to go on from.
        chosen: the machine.
        out: the run folder.
        extra: further callbacks.
        progress: is told of every step.
        patience: epochs without a lower validation loss after which training stops; None never does.
        automatic: what the precision "auto" stands for; None takes bfloat16 where the GPU has it.
        options: further ones of Lightning's trainer.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C, as in the rest of the package.
    """
    if automatic is None:
        automatic = "bf16-mixed" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "32-true"
    precision: Any = automatic if chosen.precision == "auto" else chosen.precision
    trainer = lightning.Trainer(
        accelerator=chosen.accelerator,
        devices=chosen.devices,
        strategy=chosen.strategy,
        precision=precision,
        logger=CSVLogger(out, name="", version=""),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # ours know how many processes there are
        callbacks=[
            *extra,
            # apart from the best, whose own `save_last` writes only when the best was beaten
            callbacks.ModelCheckpoint(out / CHECKPOINTS, "last", enable_version_counter=False),
            *([callbacks.EarlyStopping("val_loss", patience=patience)] if patience is not None else []),
            *([Reported(progress)] if progress is not None else []),
        ],
        **{"log_every_n_steps": 10, **options},
    )
    try:
        validation = loaders[1] if len(loaders) > 1 else None
        trainer.fit(module, loaders[0], validation, ckpt_path=checkpoint, weights_only=False)
    except SystemExit:  # Lightning's answer to Ctrl-C, after which it also stops listening for the next one
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None
    return bool(trainer.is_global_zero)


class Reported(callbacks.Callback):
    """Reports every step of an epoch as a progress event."""

    def __init__(self, progress: Callable[[ProgressEvent], None]) -> None:
        self.progress = progress

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Report how far the epoch is."""
        done, total = trainer.fit_loop.batch_idx + 1, int(trainer.num_training_batches)
        self.progress(ProgressEvent(f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}", done, total))


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """An exponential moving average whose memory grows as training goes on: the first weights are soon forgotten."""

    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        return averaged * keep + current * (1 - keep)

    return average


def record(out: Path, settings: Recipe, samples: Sequence[Sample]) -> None:
    """What somebody needs to repeat the run: recipe, manifest, environment."""
    (out / "recipe.json").write_text(json.dumps(settings.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    manifest.write(list(samples), out / "manifest.parquet")
    known = versions(PACKAGES)
    environment = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": known["python"],
        "machine": platform.platform(),
        "cores": cores(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "packages": {name: known.get(name, "not installed") for name in PACKAGES},
        "manifest_sha256": manifest.digest(out / "manifest.parquet"),
    }
    if isinstance(settings, TrainRecipe) and (weights := Path(settings.net.init) / WEIGHTS_FILE).is_file():
        environment["initial_weights_sha256"] = storage.sha256(weights)
    (out / "environment.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")


def finish(out: Path, card: Card, graph: Graph, validation_set: Pairs) -> None:
    """Calibrate the weights on the validation split and write them with their card."""
    graph.net.cpu().eval()
    calibration, scores = calibrate(graph, validation_set)
    save_file({name: value.contiguous() for name, value in graph.net.state_dict().items()}, out / WEIGHTS_FILE)
    weights = storage.sha256(out / WEIGHTS_FILE)
    cards.write(replace(with_complexity(card, graph.net), calibration=calibration, weights=weights), out)
    np.savez_compressed(out / "validation_scores.npz", **scores)  # type: ignore[arg-type] # its stubs take the keywords for its flag
