"""``facewitness train``: a recipe becomes a run folder with weights, card, scores, environment and checkpoints."""

from collections.abc import Sequence
from pathlib import Path

import lightning
import torch
from lightning.pytorch import callbacks

from facewitness import config
from facewitness.compute.pool import cores
from facewitness.compute.progress import Progress
from facewitness.detectors.graph import Graph
from facewitness.training import initialize, loop, svm
from facewitness.training.data.pairs import Pairs
from facewitness.training.recipe import TrainRecipe
from facewitness.training.supervised import Supervised


def train(
    recipe: Path,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    resume: bool = False,
    progress: Progress = None,
) -> Path:
    """Run a training recipe to its end and return the run folder (``runs/<name>`` unless ``out`` says otherwise).

    ``resume`` goes on from the last checkpoint of that folder. Interrupted, everything up to the last finished epoch
    is kept.

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C.
        RecipeError: the recipe does not fit, or the folder holds another run.
        FacewitnessError: the data cannot be used.
    """
    settings = config.load(recipe, TrainRecipe, overrides)
    out = out or Path("runs") / settings.name
    checkpoint = loop.open_folder(out, settings, resume=resume)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    torch.set_num_threads(settings.trainer.threads or cores())
    card = loop.card_of(settings)
    train_set, validation_set, samples = loop.data(settings, card.crop, progress=progress)
    loop.record(out, settings, samples)
    graph = Graph(card)
    if checkpoint is None:
        initialize.initialize(graph, settings, train_set)
    if settings.optim.optimizer == "svm":
        svm.fit_svm(graph, train_set)
    elif not _learn(graph, settings, out, (train_set, validation_set), checkpoint, progress=progress):
        return out
    loop.finish(out, card, graph, validation_set)
    return out


def _learn(
    graph: Graph,
    settings: TrainRecipe,
    out: Path,
    sets: tuple[Pairs, Pairs],
    checkpoint: Path | None,
    *,
    progress: Progress,
) -> bool:
    """Teach the graph, which then holds its best weights; whether this process is the one that finishes the run."""
    graph.net.to(memory_format=torch.channels_last)
    loaders = loop.loaders_of(settings, *sets)
    steps = len(loaders[0]) * (settings.optim.horizon_epochs or settings.optim.epochs)
    module = Supervised(graph, settings.loss, settings.optim, steps)
    extra = (
        [callbacks.WeightAveraging(avg_fn=loop.moving_average(settings.optim.average))]
        if settings.optim.average
        else []
    )
    options = {"max_epochs": settings.optim.epochs, "gradient_clip_val": settings.optim.clip or None}
    best = loop.best_of(out)
    trainer = loop.trainer_of(settings, out, [*extra, best], progress=progress, **options)
    loop.fit(trainer, module, loaders, checkpoint)
    if not trainer.is_global_zero:
        return False
    loop.take_best(graph, best)
    return True
