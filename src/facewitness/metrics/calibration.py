"""Whether a score means what it says: expected calibration error, and the temperature that mends it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from facewitness.metrics.detection import Numbers, Weighted, checked, ratio

TEMPERATURES = (0.05, 20.0)
"""Where ``fit_temperature`` looks. Margins that separate the classes without error would ask for 0."""

_BINS = 15


def ece_weighted(bins: int = _BINS) -> Weighted:
    """Return the expected calibration error of P(fake): over equal bins, the mean gap of score and share of fakes.

    Each bin counts by the samples it holds; a score of exactly 1 falls in the last bin. Guo et al. (2017), with P(fake)
    in place of the confidence of the winning class. The number depends on the share of fakes in the set.
    """

    def metric(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
        if scores.min() < 0 or scores.max() > 1:
            raise ValueError("calibration needs scores that are probabilities, in 0..1")
        place = np.minimum((scores * bins).astype(int), bins - 1)
        member = np.zeros((len(scores), bins))
        member[np.arange(len(scores)), place] = scores - labels
        return ratio(np.abs(weights @ member).sum(1), weights.sum(1))

    return metric


def fit_temperature(logit_margin: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T for which sigmoid(margin / T) has the least negative log likelihood, within ``TEMPERATURES``.

    ``logit_margin`` is (N,) logit of fake minus logit of real. The likelihood is convex in 1 / T, hence has one valley
    in log T, where a bounded search goes down. Order, and so AUC, does not change.

    Raises:
        ValueError: one of the two classes is absent.
    """
    from scipy.optimize import minimize_scalar

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
