"""Bootstrap and Wilson intervals: known numbers, coverage, groups, seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facewitness.metrics import detection, intervals
from facewitness.metrics.intervals import bootstrap, bootstrap_mean, wilson

AUC = {"auc": detection.auc_weighted}


def people(seed: int, count: int, per_person: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each person has a real and a fake, repeated: copies bring no news."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], count)
    scores = rng.normal(labels, 1)
    person = np.repeat(np.arange(count), 2)
    return tuple(np.repeat(v, per_person) for v in (scores, labels, person))  # type: ignore[return-value]


def test_same_seed_same_interval_and_another_seed_another() -> None:
    scores, labels, person = people(0, 40, 1)
    once = bootstrap(AUC, scores, labels, person, seed=5)
    assert once == bootstrap(AUC, scores, labels, person, seed=5)
    assert once != bootstrap(AUC, scores, labels, person, seed=6)


def test_interval_does_not_depend_on_how_much_is_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels, person = people(0, 40, 1)
    whole = bootstrap(AUC, scores, labels, person, draws=100)
    monkeypatch.setattr(intervals, "_CELLS_AT_ONCE", 7 * len(scores))
    assert whole == bootstrap(AUC, scores, labels, person, draws=100)


def test_value_is_the_plain_metric_and_lies_inside() -> None:
    scores, labels, person = people(1, 60, 1)
    value, low, high = bootstrap(AUC, scores, labels, person)["auc"]
    assert value == detection.auc(scores, labels)
    assert 0.5 < low < value < high < 1


def test_copies_of_the_same_people_do_not_make_the_interval_narrower() -> None:
    single = bootstrap(AUC, *people(2, 50, 1))["auc"]
    ninefold = bootstrap(AUC, *people(2, 50, 9))["auc"]
    scores, labels, _ = people(2, 50, 9)
    ungrouped = bootstrap(AUC, scores, labels)["auc"]
    assert ninefold.high - ninefold.low == pytest.approx(single.high - single.low, rel=1e-9)
    assert ungrouped.high - ungrouped.low < 0.5 * (single.high - single.low)


def test_a_single_fake_never_vanishes_from_a_draw() -> None:
    scores, labels = np.arange(20) / 20, np.array([0] * 19 + [1])
    value, low, high = bootstrap(AUC, scores, labels)["auc"]
    assert (value, low, high) == (1, 1, 1)


def test_mean_interval_has_the_textbook_width() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, low, high = bootstrap_mean(values, draws=4000)
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_coverage_is_about_what_it_says() -> None:
    truth = 0.5 * (1 + math.erf(1 / 2))  # P(N(1, 1) > N(0, 1))
    hits = 0
    for seed in range(200):
        _, low, high = bootstrap(AUC, *people(seed, 60, 1), draws=300)["auc"]
        hits += low <= truth <= high
    assert 175 <= hits <= 199  # 95 % of 200 is 190


def test_one_group_gives_a_number_without_interval() -> None:
    value, low, high = bootstrap(AUC, [0.1, 0.9], [0, 1], ["a", "a"])["auc"]
    assert value == 1
    assert math.isnan(low)
    assert math.isnan(high)


def test_wilson_against_published_numbers() -> None:
    # Newcombe (1998), table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20)[1:] == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_of_nothing_is_nan_and_of_nonsense_an_error() -> None:
    assert all(math.isnan(v) for v in wilson(0, 0))
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (30, 30), (0, 862), (5, 862)])
def test_wilson_bounds_hold_the_share(hits: int, total: int) -> None:
    share, low, high = wilson(hits, total)
    assert 0 <= low <= share <= high <= 1
    assert low < high


def test_groups_of_another_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 groups for 2 samples"):
        bootstrap(AUC, [0.1, 0.9], [0, 1], ["a"])
