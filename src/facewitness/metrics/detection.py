"""How well scores tell fake from real: AUC, average precision, EER, accuracy, TPR at a false-positive rate.

``scores`` is (N,) P(fake) or anything that grows with it, ``labels`` is (N,) with 1 for fake. A photograph is called
fake when its score is at or above the threshold. Where a number does not exist, because one of the two classes is
absent, it is NaN. A metric is a function that also takes ``weights`` (B, N), B weightings of the same N samples, and
returns (B,): that is what ``metrics.intervals`` draws from. ``evaluated`` gives the number of plain scores.
"""

from collections.abc import Callable
from math import lgamma
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
Weighted = Callable[[Numbers, Numbers, Numbers], Numbers]
"""(scores (N,), labels (N,), weights (B, N)) -> (B,)"""

_ROUNDING = 1e-9
_DOUBT = 0.05  # of an upper bound


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a fake scores above a real, ties counting one half."""
    return evaluated(auc_weighted, scores, labels)


def evaluated(metric: Weighted, scores: ArrayLike, labels: ArrayLike) -> float:
    """Return a metric of scores (N,) and labels (N,), each sample counting once; arrays are ``checked`` first."""
    s, y = checked(scores, labels)
    return float(metric(s, y, np.ones((1, len(s))))[0])


def threshold_at_fpr(real_scores: ArrayLike, fpr: float) -> float:
    """The smallest threshold at which at most the share ``fpr`` of these reals scores at or above it.

    That is the next number after the highest score which must stay below; the next *float32* number where the scores
    are float32, so that the rule holds whichever precision a later comparison is made in.

    Raises:
        ValueError: there are no reals, a score is not finite, or ``fpr`` is not in 0..1.
    """
    values = np.asarray(real_scores)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError("a threshold needs at least one real, and finite scores (N,)")
    if not 0 <= fpr <= 1:
        raise ValueError(f"fpr is a share in 0..1, not {fpr}")
    allowed = int(np.floor(fpr * len(values) + _ROUNDING))
    descending = np.sort(values)[::-1]
    if allowed >= len(values):
        return float(descending[-1])
    return float(np.nextafter(descending[allowed], np.array(np.inf, values.dtype)))


def upper_bound(called: int, count: int) -> float:
    """The rate that ``called`` of ``count`` do not exceed with a confidence of 95 % (Clopper and Pearson, 1934)."""
    if called >= count:
        return 1.0
    k = np.arange(called + 1)
    ways = np.array([lgamma(count + 1) - lgamma(i + 1) - lgamma(count - i + 1) for i in k.tolist()])
    low, high = called / count, 1.0
    for _ in range(50):  # the chance of so few falls as the rate grows
        rate = (low + high) / 2
        chance = np.exp(ways + k * np.log(rate) + (count - k) * np.log1p(-rate)).sum()
        low, high = (rate, high) if chance > _DOUBT else (low, rate)
    return high


def bounded_threshold(real_scores: ArrayLike, rate: float) -> float | None:
    """The lowest threshold above which no more than ``rate`` of reals lie, with a confidence of 95 %.

    None where there are too few: 299 reals without one above can promise 1 %.
    """
    count = len(np.asarray(real_scores))
    low, high = -1, count  # called fake: the most that keep the promise lie between
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if upper_bound(middle, count) <= rate else (low, middle)
    return None if low < 0 else threshold_at_fpr(real_scores, low / count)


def auc_weighted(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
    """``auc`` for each weighting."""
    curve = _curve(scores, labels, weights)
    steps = np.diff(curve.false_alarms, axis=1)
    area = (steps * (curve.found[:, 1:] + curve.found[:, :-1]) / 2).sum(1)
    return ratio(area, curve.fakes * curve.reals)


def average_precision_weighted(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
    """Sum over thresholds of precision times the step in recall, without interpolation; tied scores are one step."""
    curve = _curve(scores, labels, weights)
    called = (curve.found + curve.false_alarms)[:, 1:]
    precision = np.divide(curve.found[:, 1:], called, out=np.zeros_like(called), where=called > 0)
    value = ratio((np.diff(curve.found, axis=1) * precision).sum(1), curve.fakes)
    return np.where(curve.reals > 0, value, np.nan)


def eer_weighted(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
    """Equal error rate: where the ROC curve, drawn with straight lines, has as many misses as false alarms (rates)."""
    curve = _curve(scores, labels, weights)
    alarms = ratio(curve.false_alarms, curve.reals[:, None])
    gap = 1 - ratio(curve.found, curve.fakes[:, None]) - alarms  # misses minus false alarms, falls from 1 to -1
    after = np.argmax(gap <= 0, axis=1)
    rows = np.arange(len(gap))
    before = np.maximum(after - 1, 0)
    high, low = gap[rows, before], gap[rows, after]
    share = np.divide(high, high - low, out=np.zeros_like(high), where=high > low)
    value = alarms[rows, before] + share * (alarms[rows, after] - alarms[rows, before])
    return np.where((curve.reals > 0) & (curve.fakes > 0), value, np.nan)


def accuracy_weighted(threshold: float) -> Weighted:
    """Return the share of samples on the right side of ``threshold``; fake at or above it."""

    def metric(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
        right = (scores >= threshold) == (labels > 0)
        return ratio(weights @ right.astype(float), weights.sum(1))

    return metric


def called_weighted(label: int, threshold: float) -> Weighted:
    """The share of a class, 0 real or 1 fake, that is called fake, for each weighting."""

    def metric(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
        own = labels == label
        return ratio(weights[:, own] @ (scores[own] >= threshold).astype(float), weights[:, own].sum(1))

    return metric


def balanced_accuracy_weighted(threshold: float) -> Weighted:
    """The mean of the shares of reals and of fakes that are called what they are, for each weighting."""
    alarms, found = called_weighted(0, threshold), called_weighted(1, threshold)
    return lambda scores, labels, weights: (1 - alarms(scores, labels, weights) + found(scores, labels, weights)) / 2


def tpr_at_fpr_weighted(fpr: float) -> Weighted:
    """Return the share of fakes found when at most the share ``fpr`` of reals is called fake (no interpolation)."""

    def metric(scores: Numbers, labels: Numbers, weights: Numbers) -> Numbers:
        curve = _curve(scores, labels, weights)
        allowed = curve.false_alarms <= fpr * curve.reals[:, None] + _ROUNDING
        best = np.where(allowed, curve.found, 0).max(1)
        return np.where(curve.reals > 0, ratio(best, curve.fakes), np.nan)

    return metric


class _Curve(NamedTuple):
    """Weights at or above each of K distinct scores, from the highest down, after a first column of zeros."""

    found: Numbers  # (B, K + 1) fakes
    false_alarms: Numbers  # (B, K + 1) reals
    fakes: Numbers  # (B,)
    reals: Numbers  # (B,)


def _curve(scores: Numbers, labels: Numbers, weights: Numbers) -> _Curve:
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    sums = []
    for label in (1, 0):
        total = np.cumsum(weights[:, order] * (labels[order] == label), axis=1)[:, ends]
        sums.append(np.hstack([np.zeros((len(weights), 1)), total]))
    return _Curve(sums[0], sums[1], sums[0][:, -1], sums[1][:, -1])


def checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Numbers, Numbers]:
    """Both as (N,) float64.

    Raises:
        ValueError: the lengths differ, N is 0, a score is not finite, or a label is neither 0 nor 1.
    """
    s, y = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    if s.ndim != 1 or s.shape != y.shape or not len(s):
        raise ValueError(f"scores and labels must both be (N,) with N > 0, not {s.shape} and {y.shape}")
    if not np.isfinite(s).all():
        raise ValueError("a score is not finite: leave out what could not be scored")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 0 (real) or 1 (fake)")
    return s, y


def ratio(part: Numbers, whole: Numbers) -> Numbers:
    """A quotient that is NaN where there is nothing to divide by, as in a draw without anybody of a set."""
    shape = np.broadcast_shapes(part.shape, whole.shape)
    quotient: Numbers = np.full(shape, np.nan)
    np.divide(part, whole, out=quotient, where=np.broadcast_to(whole > 0, shape))
    return quotient
