"""Which fakes deserve a mask: the linear concept model over the encoder's channels (eq. 10), and the choice."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.detectors.graph import Graph
from facewitness.detectors.nets.lae import Lae
from facewitness.training.data.pairs import Pairs
from facewitness.training.lae import losses
from facewitness.training.lae.recipe import AskSection
from facewitness.types import FacewitnessError

_BATCH = 64


class Choice(NamedTuple):
    """What was chosen, and why."""

    faces: list[int]  # positions in the cached faces, the most active first
    activation: list[float]  # mean of the chosen channels' pooled activations
    channels: list[int]  # the most relevant first
    accuracy: float  # of the linear model on what it was fitted on


def choose(pooled: NDArray[np.float32], pairs: Pairs, count: int, section: AskSection, seed: int) -> Choice:
    """The ``count`` fakes of the training set that the encoder's forgery channels answer to the most.

    ``pooled`` is ``concepts`` of the same pairs.

    Raises:
        FacewitnessError: there are fewer fakes.
    """
    if count > len(pairs.own):
        raise FacewitnessError(f"{count} masks are asked for, but the training set has {len(pairs.own)} fakes")
    channels, accuracy = ranked(pooled, pairs.labels[asked_about(pairs)], section, seed)
    activation = pooled[-len(pairs.own) :, channels].mean(1)
    if section.choice == "random":
        order = np.random.default_rng((seed, 21)).permutation(len(pairs.own))[:count]
    else:
        order = np.argsort(-activation, kind="stable")[:count]
    return Choice(pairs.own[order].tolist(), activation[order].tolist(), channels.tolist(), accuracy)


def asked_about(pairs: Pairs) -> NDArray[np.int64]:
    """The faces that the linear model is fitted to: every fake, last, and before them at most as many reals."""
    spread = np.linspace(0, len(pairs.real) - 1, min(len(pairs.real), len(pairs.own)))
    return np.concatenate([pairs.real[spread.round().astype(np.int64)], pairs.own])


@torch.inference_mode()
def concepts(graph: Graph, pairs: Pairs) -> NDArray[np.float32]:
    """The pooled channels (K, 512) of ``asked_about``'s faces, without augmentation."""
    net = graph.net
    if not isinstance(net, Lae):
        raise TypeError(f"concepts are channels of LAE, not of {type(net).__name__}")
    graph.eval()
    device = next(net.parameters()).device
    found = []
    faces = asked_about(pairs)
    for start in range(0, len(faces), _BATCH):
        crops = np.stack([pairs.square(int(index))[0] for index in faces[start : start + _BATCH]])
        batch = torch.from_numpy(crops).permute(0, 3, 1, 2).to(device)
        found.append(net.look(graph.normalised(batch)).pooled.float().cpu().numpy())
    return np.concatenate(found)


def ranked(
    pooled: NDArray[np.float32], labels: NDArray[np.int64], section: AskSection, seed: int
) -> tuple[NDArray[np.int64], float]:
    """The channels with the highest weights of the linear model, and its accuracy where it was fitted."""
    values, fake = torch.from_numpy(pooled), torch.from_numpy(np.asarray(labels))
    weight = torch.zeros(values.shape[1], requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=section.rate)
    rng = np.random.default_rng((seed, 20))
    with torch.enable_grad():
        for _ in range(section.epochs):
            order = torch.from_numpy(rng.permutation(len(values)))
            for batch in order.split(_BATCH):
                optimizer.zero_grad()
                losses.concept(weight, values[batch], fake[batch]).backward()
                optimizer.step()
    found = weight.detach()
    accuracy = float(((values @ found > 0) == (fake == 1)).float().mean())
    return np.argsort(-found.numpy(), kind="stable")[: section.channels].astype(np.int64), accuracy
