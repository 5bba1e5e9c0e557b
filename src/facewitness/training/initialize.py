"""What a net is before its first step: its weights at the start, and what it must have seen of the data."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facewitness.detectors.base import WEIGHTS_FILE
from facewitness.detectors.graph import Graph
from facewitness.training.data.draws import FixedDraws
from facewitness.training.data.pairs import Pairs
from facewitness.training.recipe import TrainRecipe
from facewitness.types import RecipeError

SEEN = 2000
"""So many pairs of the training set are looked at for statistics."""


@runtime_checkable
class Observer(Protocol):
    """A net that wants statistics of its inputs before it learns."""

    def observe(self, batches: Iterable[Tensor]) -> None:
        """See normalised crops (N, 3, S, S)."""


@runtime_checkable
class TemplateLearner(Protocol):
    """A net whose map is made of templates learnt from masks."""

    def learn_templates(self, masks: Tensor) -> None:
        """See masks (N, 1, S, S) in 0..1."""


@runtime_checkable
class Pretrained(Protocol):
    """A net of which parts can be initialized from ImageNet's weights."""

    def load_imagenet(self) -> None:
        """Take the published weights, downloading them where they are not at hand."""


def initialize(graph: Graph, settings: TrainRecipe, train_set: Pairs) -> None:
    """Initialize the weights of the net, then let it see what it wants to see of the training set.

    Raises:
        RecipeError: ``net.init`` cannot be had; nothing else is taken in its place.
    """
    _weights(graph.net, settings)
    if isinstance(graph.net, Observer):
        graph.net.observe(graph.normalised(batch["crops"].flatten(0, 1)) for batch in unaugmented(train_set))
    if isinstance(graph.net, TemplateLearner):
        regions = [batch["regions"][:, 1:].float() / 255 for batch in unaugmented(train_set)]
        graph.net.learn_templates(torch.cat(regions))


def unaugmented(pairs: Pairs) -> Iterator[dict[str, Tensor]]:
    """Up to ``SEEN`` pairs, each photograph once, without augmentation."""
    plain = pairs.without_augmentation()
    yield from DataLoader(plain, batch_size=16, sampler=FixedDraws(SEEN, len(plain), plain.recipe.seed))


def _weights(net: nn.Module, settings: TrainRecipe) -> None:
    start = settings.net.init
    if start == "random":
        return
    if start == "imagenet":
        if not isinstance(net, Pretrained):
            raise RecipeError(f"net.init: {settings.net.entry} has no ImageNet weights: say 'random' or a run folder")
        try:
            net.load_imagenet()
        except Exception as error:  # the hub's client, sockets and timm raise kinds of their own
            raise RecipeError(
                f"net.init: ImageNet weights for {settings.net.entry} could not be had ({error}): download them on a "
                "machine with a connection, or say --set net.init=random"
            ) from error
        return
    path = Path(start) / WEIGHTS_FILE
    try:
        net.load_state_dict(load_file(path))
    except Exception as error:  # safetensors and torch raise kinds of their own
        reason = " ".join(str(error).strip().splitlines()[:2])
        raise RecipeError(f"net.init: {path} cannot be a start for {settings.net.entry}: {reason}") from error
