"""Detection metrics against numbers worked out by hand and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from facewitness.metrics import detection

# Two reals at .1 and .6, three fakes at .4, .6, .9. Of the six pairs the fake is above in four, equal in one.
SCORES = [0.1, 0.6, 0.4, 0.6, 0.9]
LABELS = [0, 0, 1, 1, 1]


def random_set(seed: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 300)
    scores = rng.normal(labels * 0.8, 1)
    return (np.round(scores, 1) if ties else scores), labels


def test_auc_counts_a_tie_as_one_half() -> None:
    assert detection.auc(SCORES, LABELS) == pytest.approx(4.5 / 6)


def test_average_precision_by_hand() -> None:
    # .9: 1 of 1, recall 1/3; .6: 2 of 3, recall 2/3; .4: 3 of 4, recall 1
    assert detection.evaluated(detection.average_precision_weighted, SCORES, LABELS) == pytest.approx(
        (1 + 2 / 3 + 3 / 4) / 3
    )


def test_eer_by_hand() -> None:
    # The ROC goes (0, 1/3) -> (1/2, 2/3) -> (1/2, 1): on its first slope false alarms x meet misses 2/3 - 2/3 x at 2/5.
    assert detection.evaluated(detection.eer_weighted, SCORES, LABELS) == pytest.approx(2 / 5)


def test_accuracy_counts_a_score_at_the_threshold_as_fake() -> None:
    assert detection.evaluated(detection.accuracy_weighted(0.6), SCORES, LABELS) == pytest.approx(3 / 5)


def test_tpr_at_fpr_by_hand() -> None:
    assert detection.evaluated(detection.tpr_at_fpr_weighted(0.0), SCORES, LABELS) == pytest.approx(1 / 3)
    assert detection.evaluated(detection.tpr_at_fpr_weighted(0.5), SCORES, LABELS) == pytest.approx(1.0)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int, ties: bool) -> None:
    scores, labels = random_set(seed, ties=ties)
    assert detection.auc(scores, labels) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-12)
    ap = oracle.average_precision_score(labels, scores)
    assert detection.evaluated(detection.average_precision_weighted, scores, labels) == pytest.approx(ap, abs=1e-12)
    false_alarms, found, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    assert detection.evaluated(detection.tpr_at_fpr_weighted(0.05), scores, labels) == pytest.approx(
        found[false_alarms <= 0.05].max()
    )
    grid = np.linspace(0, 1, 200_001)  # where the straight-line ROC crosses the line of equal errors
    crossing = grid[np.argmin(np.abs(1 - np.interp(grid, false_alarms, found) - grid))]
    assert detection.evaluated(detection.eer_weighted, scores, labels) == pytest.approx(crossing, abs=2e-5)


def test_one_class_alone_gives_nan_not_a_number() -> None:
    for metric in (detection.auc_weighted, detection.average_precision_weighted, detection.eer_weighted):
        assert math.isnan(detection.evaluated(metric, [0.2, 0.4], [0, 0]))
        assert math.isnan(detection.evaluated(metric, [0.2, 0.4], [1, 1]))
    assert math.isnan(detection.evaluated(detection.tpr_at_fpr_weighted(0.01), [0.2, 0.4], [1, 1]))


def test_perfect_and_reversed_rankings() -> None:
    assert detection.auc([0, 1, 2, 3], [0, 0, 1, 1]) == 1
    assert detection.evaluated(detection.eer_weighted, [0, 1, 2, 3], [0, 0, 1, 1]) == 0
    assert detection.auc([0, 1, 2, 3], [1, 1, 0, 0]) == 0
    assert detection.evaluated(detection.eer_weighted, [0, 1, 2, 3], [1, 1, 0, 0]) == 1


def test_weights_count_as_repetitions() -> None:
    scores, labels = random_set(7, ties=True)
    weights = np.random.default_rng(0).integers(0, 4, (3, len(scores)))
    metrics = (
        *(detection.auc_weighted, detection.average_precision_weighted, detection.eer_weighted),
        *(detection.accuracy_weighted(0.3), detection.tpr_at_fpr_weighted(0.1)),
    )
    for metric in metrics:
        together = metric(scores, labels.astype(float), weights.astype(float))
        for row, value in zip(weights, together, strict=True):
            single = detection.evaluated(metric, np.repeat(scores, row), np.repeat(labels, row))
            assert value == pytest.approx(single, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.29, 0.999, 1.0])
def test_threshold_keeps_its_promise_and_is_the_smallest(dtype: type, fpr: float) -> None:
    scores: np.ndarray = np.round(np.random.default_rng(3).random(100), 2).astype(dtype)
    threshold = detection.threshold_at_fpr(scores, fpr)
    assert (scores >= threshold).mean() <= fpr
    assert (scores.astype(np.float64) >= threshold).mean() <= fpr
    below = np.nextafter(np.array(threshold, dtype), np.array(-np.inf, dtype))
    assert fpr == 1.0 or (scores >= below).mean() > fpr


def test_threshold_allows_exactly_the_asked_share() -> None:
    scores = np.arange(100) / 100
    assert (scores >= detection.threshold_at_fpr(scores, 0.29)).sum() == 29  # .29 * 100 is 28.999999999999996


@pytest.mark.parametrize("scores", [[], [0.1, math.nan]])
def test_threshold_without_usable_reals_is_an_error(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one real, and finite"):
        detection.threshold_at_fpr(scores, 0.01)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [([], [], "N > 0"), ([0.1], [0, 1], "both be"), ([math.nan, 1], [0, 1], "not finite"), ([0, 1], [0, 2], "0 .real")],
)
def test_what_cannot_be_judged_is_an_error(scores: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detection.auc(scores, labels)
