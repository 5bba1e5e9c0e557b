"""How sure a number is: bootstrap intervals over groups of samples, and Wilson's interval for a share.

A percentile bootstrap (Efron, 1979). What is drawn is not a photograph but a group, here a person: photographs of one
person, and the forgeries made of them, err together, and drawing them one by one would make intervals too narrow.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.metrics.detection import Numbers, Weighted, checked

DRAWS = 1000
_CELLS_AT_ONCE = 2_000_000  # of the (draws, samples) table of weights: 16 MB


class Interval(NamedTuple):
    """A number and where it may lie. All NaN where it does not exist; no bounds where nothing can be drawn."""

    value: float
    low: float
    high: float


def bootstrap(
    metrics: Mapping[str, Weighted],
    scores: ArrayLike,
    labels: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Each metric with its percentile interval; all are taken from the same draws.

    Drawing is stratified: groups with reals only, with fakes only and with both are each drawn as often as there are,
    so that neither class can vanish. ``groups`` names the group of each sample; None makes each sample its own. With
    fewer than two groups there is no interval.
    """
    s, y = checked(scores, labels)
    number = _numbers(groups if groups is not None else range(len(s)), len(s))
    values = {name: float(metric(s, y, np.ones((1, len(s))))[0]) for name, metric in metrics.items()}
    if number.max() < 1:
        return {name: Interval(value, math.nan, math.nan) for name, value in values.items()}
    counts = _draw(number, y, draws, np.random.default_rng(seed))
    found: dict[str, list[Numbers]] = {name: [] for name in metrics}
    step = max(1, _CELLS_AT_ONCE // len(s))
    for start in range(0, draws, step):
        weights = counts[start : start + step, number].astype(np.float64)
        for name, metric in metrics.items():
            found[name].append(metric(s, y, weights))
    return {name: _percentile(values[name], np.concatenate(found[name]), level) for name in metrics}


def bootstrap_mean(
    values: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean of ``values`` (N,) over samples, groups being drawn as in ``bootstrap``. NaN values are an error."""
    numbers = np.asarray(values, np.float64)
    mean: Weighted = lambda v, _, w: (w @ v) / w.sum(1)  # noqa: E731 - one line says it better
    return bootstrap({"mean": mean}, numbers, np.zeros(len(numbers)), groups, draws=draws, level=level, seed=seed)[
        "mean"
    ]


def wilson(hits: int, total: int) -> Interval:
    """A share with its 95 % interval after Wilson (1927). It holds near 0, where a bootstrap sees nothing."""
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total} is no share")
    if total == 0:
        return Interval(math.nan, math.nan, math.nan)
    z = 1.959963984540054  # 97.5 % point of the normal distribution
    share = hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # At either end one bound is exact; rounding must not move it past the share.
    return Interval(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def _numbers(groups: Sequence[Hashable], total: int) -> NDArray[np.intp]:
    if len(groups) != total:
        raise ValueError(f"{len(groups)} groups for {total} samples")
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(group, len(seen)) for group in groups], np.intp)


def _draw(number: NDArray[np.intp], labels: Numbers, draws: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """How often each group is drawn, (draws, G)."""
    total = int(number.max()) + 1
    fakes = np.bincount(number, labels, total) > 0
    reals = np.bincount(number, 1 - labels, total) > 0
    counts = np.zeros((draws, total), np.uint16)
    for has_real, has_fake in ((True, False), (False, True), (True, True)):
        members = np.flatnonzero((reals == has_real) & (fakes == has_fake))
        if len(members):
            picked = members[rng.integers(len(members), size=(draws, len(members)))]
            np.add.at(counts, (np.arange(draws)[:, None], picked), 1)
    return counts


def _percentile(value: float, drawn: Numbers, level: float) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
