"""Temperature, thresholds and scale of maps of a trained net, learnt on the validation split and on nothing else."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from torch.utils.data import DataLoader

from facewitness.detectors.graph import Graph
from facewitness.metrics.detection import Numbers, checked, threshold_at_fpr
from facewitness.training.data.draws import FixedDraws
from facewitness.training.data.pairs import Pairs
from facewitness.types import Calibration

SIZEABLE = 100
"""A source with fewer real photographs than this cannot speak for its own 1 %: it only counts among all."""

TEMPERATURES = (0.05, 20.0)
"""Where ``fit_temperature`` looks. Margins that separate the classes without error would ask for 0."""

LEAST_TOP = 0.05
"""However faint a net's maps are: below this they may be noise, which must not be drawn as strongly marked."""


def calibrate(graph: Graph, validation: Pairs) -> tuple[Calibration, dict[str, NDArray[Any]]]:
    """Calibration of a graph in evaluation mode, and the scores it was learnt from.

    A threshold keeps its rate of false positives on all reals together *and* on every sizeable source alone. The scale
    of maps ends where nine in ten fakes have their highest fakeness below it.
    """
    wanted = validation.recipe.data.calibration_pairs or len(validation)
    drawn = FixedDraws(wanted, len(validation), validation.recipe.seed)
    margins, labels, peaks = _answers(graph, DataLoader(validation, batch_size=32, sampler=drawn))
    sources = np.repeat([validation.sources[validation.real[d.index]] for d in drawn.draws], 2)
    temperature = fit_temperature(margins, labels)
    scores = (1 / (1 + np.exp(-margins / temperature))).astype(np.float32)  # as the runtimes give them
    real = labels == 0
    counts = {str(name): int((real & (sources == name)).sum()) for name in np.unique(sources)}
    groups = [real] + [real & (sources == name) for name, count in counts.items() if count >= SIZEABLE]
    fake_above, real_below = (max(threshold_at_fpr(scores[g], rate) for g in groups) for rate in (0.01, 0.05))
    top = max(float(np.quantile(peaks[~real], 0.9)), LEAST_TOP) if graph.has_map else 1.0
    calibration = Calibration(float(temperature), float(fake_above), float(real_below), counts, round(top, 2))
    return calibration, {"margin": margins, "label": labels, "source": sources}


@torch.inference_mode()
def _answers(
    graph: Graph, batches: DataLoader[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float32]]:
    """Of every crop: the margin of its logits, its label, and the highest fakeness of its map, 0 without one."""
    margins, labels, peaks = [], [], []
    for batch in batches:
        output = graph.raw(batch["crops"].flatten(0, 1))
        margins.append(output.logits[:, 1] - output.logits[:, 0])
        labels.append(batch["labels"].flatten())
        shown = torch.sigmoid(output.map).amax((1, 2, 3)) if graph.has_map and output.map is not None else None
        peaks.append(torch.zeros(len(labels[-1])) if shown is None else shown)
    return torch.cat(margins).double().numpy(), torch.cat(labels).numpy(), torch.cat(peaks).numpy()


def fit_temperature(logit_margin: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T for which sigmoid(margin / T) has the least negative log likelihood, within ``TEMPERATURES``.

    ``logit_margin`` is (N,) logit of fake minus logit of real. The likelihood is convex in 1 / T, hence has one valley
    in log T, where a bounded search goes down. Order, and so AUC, does not change.

    Raises:
        ValueError: one of the two classes is absent.
    """
    margin, y = checked(logit_margin, labels)
    if y.min() == y.max():
        raise ValueError("a temperature needs both real and fake samples")
    found = minimize_scalar(
        lambda log: nll(margin, y, math.exp(log)),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.clip(np.exp(found.x), *TEMPERATURES))


def nll(margin: Numbers, labels: Numbers, temperature: float = 1.0) -> float:
    """Return the mean negative log likelihood, in nats, of P(fake) = sigmoid(margin / temperature)."""
    signed = np.where(labels > 0, margin, -margin) / temperature
    return float(np.logaddexp(0, -signed).mean())
