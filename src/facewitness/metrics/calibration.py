"""Whether a score means what it says: expected calibration error."""

import numpy as np

from facewitness.metrics.detection import Numbers, Weighted, ratio

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
