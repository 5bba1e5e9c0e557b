"""The table of a comparison: numbers by hand and against scikit-learn, paired gaps, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from facewitness.evaluation.scores import SCHEMA
from facewitness.experiments.seen_unseen import seen_unseen_rows
from facewitness.types import ManifestError


def _scores(seed: int, shift: float = 0.2) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(120):
        method = ("real", "faceswap", "synthesis", "own")[number % 4]
        label = int(method != "real")
        dataset = "studio" if method == "own" else ("studio", "street")[number % 3 == 0]
        score = float(np.clip(rng.normal(0.5 + (shift if method == "faceswap" else 0.03) * label, 0.2), 0, 1))
        row = dict.fromkeys(SCHEMA) | {"path": str(number), "label": label, "method": method, "dataset": dataset}
        rows.append(row | {"person": f"p{number % 25}", "status": "ok", "score": score})
    rows[1] |= {"score": None, "status": "no_face"}  # a fake of faceswap
    return pl.DataFrame(rows, SCHEMA)


def _value(rows: list[dict[str, Any]], kind: str, metric: str) -> dict[str, Any]:
    return next(row for row in rows if row["set"] == kind and row["metric"] == metric)


def test_numbers_are_scikit_learns_and_the_gap_is_their_difference() -> None:
    scores = _scores(0)
    rows = seen_unseen_rows("x", [scores], ["faceswap"])
    kept = scores.filter(pl.col("score").is_not_null())
    values = {}
    for kind, methods in (("seen", ["faceswap"]), ("unseen", ["synthesis", "own"])):
        part = kept.filter((pl.col("label") == 0) | pl.col("method").is_in(methods))
        labels, given = part["label"].to_numpy(), part["score"].to_numpy()
        values[kind] = roc_auc_score(labels, given)
        assert _value(rows, kind, "auc")["value"] == pytest.approx(values[kind])
        found = _value(rows, kind, "balanced_accuracy@0.5")["value"]
        assert found == pytest.approx(balanced_accuracy_score(labels, given >= 0.5))
    assert _value(rows, "gap", "auc")["value"] == pytest.approx(values["seen"] - values["unseen"])
    assert _value(rows, "seen", "auc")["n_unscored"] == 1
    assert _value(rows, "seen", "auc")["n_fake"] == 29


def test_a_method_stands_against_the_reals_of_the_sources_it_was_applied_to() -> None:
    rows = seen_unseen_rows("x", [_scores(0)], ["faceswap"])
    reals = _scores(0).filter((pl.col("label") == 0) & (pl.col("dataset") == "studio")).height
    assert _value(rows, "method own", "auc")["n_real"] == reals
    assert _value(rows, "method synthesis", "auc")["n_real"] == 30


def test_families_are_the_forges_and_an_unknown_method_is_its_own() -> None:
    kinds = {row["set"] for row in seen_unseen_rows("x", [_scores(0)], ["faceswap"])}
    assert {"family synthesis", "family own"} <= kinds
    assert "family swap" not in kinds, "it was seen"


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    single = [seen_unseen_rows("x", [_scores(seed)], ["faceswap"]) for seed in (0, 1, 2)]
    values = [float(str(_value(rows, "seen", "auc")["value"])) for rows in single]
    row = _value(seen_unseen_rows("x", [_scores(seed) for seed in (0, 1, 2)], ["faceswap"]), "seen", "auc")
    assert row["value"] == pytest.approx(np.mean(values))
    assert (row["seed_low"], row["seed_high"], row["n_seeds"]) == (min(values), max(values), 3)
    assert row["low"] < row["value"] < row["high"]


def test_maps_are_means_over_the_fakes_that_have_one() -> None:
    values = [None if number % 8 == 1 else number / 120 for number in range(120)]
    tables = [_scores(seed).with_columns(pl.Series("mass_inside", values)) for seed in (0, 1)]
    row = _value(seen_unseen_rows("x", tables, ["faceswap"]), "seen", "mass_inside")
    expected = [value for number, value in enumerate(values) if number % 4 == 1 and value is not None]
    assert row["value"] == pytest.approx(np.mean(expected))
    assert row["n_fake"] == len(expected)
    kinds = {row["metric"] for row in seen_unseen_rows("x", tables, ["faceswap"])}
    assert "iou@0.5" not in kinds, "it was never judged"


def test_seeds_that_were_judged_on_other_photographs_are_refused() -> None:
    with pytest.raises(ManifestError, match="different photographs"):
        seen_unseen_rows("x", [_scores(0), _scores(1).reverse()], ["faceswap"])


def test_without_unseen_methods_there_is_no_gap() -> None:
    rows = seen_unseen_rows("x", [_scores(0)], ["faceswap", "synthesis", "own"])
    assert {row["set"] for row in rows} == {"seen", "method faceswap", "method synthesis", "method own"}
