"""Whether a score means what it says: expected calibration error, and thresholds that keep a rate of false alarms."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from facewitness.metrics.detection import Numbers, Weighted, bounded_threshold, ratio

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


def promised_threshold(groups: Mapping[str, ArrayLike], rate: float) -> float | None:
    """The lowest threshold above which no more than ``rate`` of reals lie, with a confidence of 95 %.

    It holds for all groups together and for each that has enough reals; the worst decides.

    Args:
        groups: by name, the scores (N,) of its reals.
        rate: of false alarms, in 0..1.

    Returns:
        None where all together are too few: see ``bounded_threshold``.
    """
    pooled = bounded_threshold(np.concatenate([np.asarray(scores) for scores in groups.values()]), rate)
    if pooled is None:
        return None
    own = [bounded_threshold(scores, rate) for scores in groups.values()]
    return max([pooled, *(value for value in own if value is not None)])
