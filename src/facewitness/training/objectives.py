"""What a net is taught with: from a batch to what is minimised. One function for each kind of ``loss.kind``.

A net never sees the truth; here is where the two meet. Each function takes the graph, crops (N, 3, S, S), the truth
and the recipe's section, and is tested against numbers worked out by hand.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from facewitness.detectors.graph import Graph
from facewitness.detectors.nets.autoencoders import SplitLatent
from facewitness.training import losses
from facewitness.training.recipe import LossSection
from facewitness.types import RecipeError


class Truth(NamedTuple):
    """What is known of N crops."""

    labels: Tensor  # (N,), 1 = fake
    regions: Tensor  # (N, 1, S, S) in 0..1: the region, or the gray-scale fakeness where the recipe asks for that
    known: Tensor  # (N,) bool, whether the region is known
    attention: Tensor | None = None  # (N, 1, S, S) in 0..1, where the recipe asks for it


class Terms(NamedTuple):
    """What is minimised, its two parts for the log, and the logits (N, 2) that validation judges."""

    total: Tensor
    verdict: Tensor
    region: Tensor
    logits: Tensor


Objective = Callable[[Graph, Tensor, Truth, LossSection], Terms]


def cross_entropy(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """Cross-entropy of the verdict; where there is a map, its cross-entropy and Dice."""
    output = graph.raw(crops)
    verdict = losses.classification(output.logits, truth.labels)
    region = verdict.new_zeros(()) if output.map is None else losses.region(output.map, truth.regions, truth.known)
    return Terms(verdict + section.map_weight * region, verdict, region, output.logits)


def squared_error(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """Mean squared error of P(fake) (MesoNet's code)."""
    logits = graph.raw(crops).logits
    verdict = F.mse_loss(torch.softmax(logits.float(), 1)[:, 1], truth.labels.float())
    return Terms(verdict, verdict, verdict.new_zeros(()), logits)


def patches(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """Cross-entropy of every cell of the map with the picture's label (patch-forensics)."""
    output = graph.raw(crops)
    plane = _map(output.map, "patches").float()
    label = truth.labels.float().view(-1, 1, 1, 1).expand_as(plane)
    verdict = F.binary_cross_entropy_with_logits(plane, label)
    return Terms(verdict, verdict, verdict.new_zeros(()), output.logits)


def attention(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """Cross-entropy plus the mean absolute error of the map (Dang et al.; unknown regions count for nothing)."""
    output = graph.raw(crops)
    verdict = losses.classification(output.logits, truth.labels)
    plane = torch.sigmoid(_map(output.map, "attention").float())
    target = F.adaptive_avg_pool2d(truth.regions, (plane.shape[-2], plane.shape[-1]))
    known = truth.known.view(-1, 1, 1, 1).to(plane.dtype)
    region = ((plane - target).abs() * known).sum() / (known.sum() * plane[0].numel()).clamp_min(1)
    return Terms(verdict + section.map_weight * region, verdict, region, output.logits)


def fakeness(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """A distance between the map and the gray-scale fakeness, plus the verdict's cross-entropy (FakeLocator)."""
    output = graph.net(graph.normalised(crops), truth.attention) if truth.attention is not None else graph.raw(crops)
    verdict = losses.classification(output.logits, truth.labels)
    region = losses.fakeness(_map(output.map, "fakeness"), truth.regions, truth.known, section.distance)
    return Terms(section.verdict_weight * verdict + section.map_weight * region, verdict, region, output.logits)


def potential(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """Cross-entropy plus the mean squared error of the map, which shows the face, forged or not (ADD, eq. 5 to 7)."""
    output = graph.raw(crops)
    verdict = losses.classification(output.logits, truth.labels)
    region = verdict.new_zeros(())
    if output.map is not None:
        region = losses.fakeness(output.map, truth.regions, truth.known, "squared")
    return Terms(verdict + section.map_weight * region, verdict, region, output.logits)


def capsule(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """The sum of one cross-entropy for each dimension of the class capsules (features (N, dimensions * 2))."""
    output = graph.raw(crops)
    classes = output.features.float().unflatten(1, (-1, 2))
    labels = truth.labels[:, None].expand(classes.shape[:2])
    verdict = F.cross_entropy(classes.flatten(0, 1), labels.flatten()) * classes.shape[1]
    return Terms(verdict, verdict, verdict.new_zeros(()), output.logits)


def split_latent(graph: Graph, crops: Tensor, truth: Truth, section: LossSection) -> Terms:
    """Activation, segmentation where there is one, and reconstruction from the half of the truth.

    Activation: mean of |a_fake - y| + |a_real - (1 - y)|. ForensicTransfer reconstructs with L1, ClassNSeg with the
    mean square; ClassNSeg's segmentation is a cross-entropy of what has been through soft-max already, as published.
    """
    if not isinstance(graph.net, SplitLatent):
        raise RecipeError("loss.kind 'split-latent' is for nets with a split latent: forensictransfer, classnseg")
    net, x = graph.net, graph.normalised(crops)
    latent = net.encode(x)
    activity = net.activity(latent)
    verdict = losses.activation(activity, truth.labels)
    made = net.decode(net.select(latent, truth.labels == 1))
    restored = losses.apart(made.picture, net.prepared(x), section.reconstruction)
    total = verdict + section.reconstruction_weight * restored
    region = verdict.new_zeros(())
    if made.segments is not None:
        region = _segmentation(made.segments, truth)
        total = total + section.map_weight * region
    return Terms(total, verdict, region, activity)


def _segmentation(segments: Tensor, truth: Truth) -> Tensor:
    if not bool(truth.known.any()):
        return segments.sum() * 0
    probability = torch.softmax(segments[truth.known].float(), dim=1)
    return F.cross_entropy(probability, (truth.regions[truth.known, 0] > 0.5).long())


def _map(plane: Tensor | None, kind: str) -> Tensor:
    if plane is None:
        raise RecipeError(f"loss.kind {kind!r} teaches a map, and this net has none: take 'cross-entropy'")
    return plane


OBJECTIVES: Mapping[str, Objective] = {
    "cross-entropy": cross_entropy,
    "squared-error": squared_error,
    "patches": patches,
    "attention": attention,
    "fakeness": fakeness,
    "potential": potential,
    "capsule": capsule,
    "split-latent": split_latent,
}
