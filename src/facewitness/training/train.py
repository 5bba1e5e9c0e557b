"""``facewitness train``: a recipe becomes a run folder with weights, card, scores, environment and checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import callbacks

from facewitness.compute.progress import Progress
from facewitness.detectors.graph import Graph
from facewitness.training import initialize, loop, svm
from facewitness.training.data.echo import Echoed
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
    settings, out, checkpoint = loop.begin(recipe, TrainRecipe, out, overrides, resume=resume)
    card = loop.card_of(settings)
    train_set, validation_set, samples = loop.data(settings, card.crop, progress=progress)
    loop.record(out, settings, samples)
    graph = Graph(card)
    if checkpoint is None:
        initialize.initialize(graph, settings, train_set)
    optim = settings.optim
    if optim.optimizer == "svm":
        svm.fit_svm(graph, train_set)
        loop.finish(out, card, graph, validation_set)
        return out
    batches, validation = loop.loaders_of(settings, train_set, validation_set)
    loaders = (Echoed(batches, settings) if settings.data.echo else batches, validation)
    module = Supervised(graph, settings.loss, optim, len(loaders[0]) * (optim.horizon_epochs or optim.epochs))
    options: dict[str, Any] = {"gradient_clip_val": optim.clip or None}
    if optim.average:
        options["extra"] = [callbacks.WeightAveraging(avg_fn=loop.moving_average(optim.average))]
    loop.learn(module, graph, card, settings, out, loaders, checkpoint, progress=progress, **options)
    return out
