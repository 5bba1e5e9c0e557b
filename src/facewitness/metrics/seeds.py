"""Numbers of several seeds of a detector on one set of photographs, so that a bootstrap draws people once for all.

An ``Each`` is a function of labels (N,) and weights (B, N) that answers (seeds, B).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from facewitness.metrics.detection import Numbers, Weighted

Each = Callable[[Numbers, Numbers], Numbers]


def on(scores: Numbers, member: NDArray[np.bool_], metric: Weighted) -> Each:
    """A metric of scores (seeds, N) over some of the photographs."""
    return _once(
        lambda labels, weights: np.stack([metric(one[member], labels[member], weights[:, member]) for one in scores])
    )


def averaged(parts: Sequence[Each]) -> Each:
    """The mean of several numbers."""
    return _once(lambda labels, weights: np.asarray(np.mean([part(labels, weights) for part in parts], axis=0)))


def less(one: Each, other: Each) -> Each:
    """The difference of two numbers."""
    return lambda labels, weights: one(labels, weights) - other(labels, weights)


def over_seeds(each: Each) -> Weighted:
    """The mean over seeds, as ``bootstrap`` wants it; the scores that it hands over are not looked at."""
    return lambda _, labels, weights: np.asarray(each(labels, weights).mean(0))


def _once(each: Each) -> Each:
    """What several numbers are made of is computed once for the same draws."""
    last: tuple[Numbers, Numbers] | None = None

    def found(labels: Numbers, weights: Numbers) -> Numbers:
        nonlocal last
        if last is None or last[0] is not weights:
            last = (weights, each(labels, weights))
        return last[1]

    return found
