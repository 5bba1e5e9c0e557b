"""Degraded photographs, judged: what level 0 says is what `evaluate` says, and truths follow the damage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.evaluation import robustness
from facewitness.evaluation.evaluate import evaluate
from facewitness.evaluation.robustness import degraded_crops, measure
from facewitness.media import faces, image
from facewitness.media.degrade import OPERATORS, degrade
from facewitness.metrics import localization
from facewitness.types import ManifestError, Status
from tests.evaluation import scene
from tests.fakes import FAKE_CARD, FakeDetector, save

QUIET = {"workers": 0, "progress": None}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny set, with landmarks, so that each fake knows the photograph it was made from."""
    folder = tmp_path_factory.mktemp("set")
    samples = manifest.read(scene.write(folder, people=3))
    found = {s.identities: faces.find(image.read(s.path)) for s in samples if not s.label and s.path.suffix == ".png"}
    known = [replace(s, landmarks=found[s.identities][0].landmarks) if s.identities in found else s for s in samples]
    manifest.write(known, folder / "manifest.parquet")
    return folder / "manifest.parquet"


def test_level_0_is_what_evaluate_says_and_levels_are_all_there(table: Path, tmp_path: Path) -> None:
    evaluate(table, FakeDetector(), tmp_path / "whole", **QUIET)
    scored = pl.read_parquet(tmp_path / "whole" / "scores.parquet")
    file = measure(table, FakeDetector(), tmp_path / "r", operators=["jpeg", "gamma"], **QUIET)
    found = pl.read_parquet(file)
    assert found.schema == pl.Schema(robustness.SCHEMA)
    undamaged = found.filter((pl.col("operator") == "none") | pl.col("operator").is_null())
    assert undamaged.height == scored.height
    columns = ("path", "score", "status")
    assert set(undamaged.select(columns).iter_rows()) == set(scored.select(columns).iter_rows())
    each = found.filter(pl.col("status") == "ok").group_by("path").len()["len"].unique().to_list()
    assert each == [1 + 5 + 5 + 1]
    darker = (
        found.filter((pl.col("operator") == "gamma") & (pl.col("label") == 0))
        .group_by("level")
        .agg(pl.col("score").mean())
    )
    assert darker.sort("level")["score"].is_sorted(descending=True)


def test_the_truth_is_worked_out_from_the_damaged_pair(table: Path) -> None:
    samples = manifest.read(table)
    fake = next(s for s in samples if s.method == "whiten")
    real = next(s for s in samples if not s.label and s.identities == fake.identities)
    assert fake.original == real.path
    made = degraded_crops(fake, FAKE_CARD.crop, [("gamma", 3)], seed=1)
    assert (made.status, made.target) == (Status.OK, "pair")
    whole, dark = made.crops
    one, other = image.read(real.path), image.read(fake.path)
    for view, exponent in ((whole, None), (dark, 3)):
        a, b = (p if exponent is None else degrade(p, "gamma", exponent) for p in (one, other))
        gray = np.abs(a.astype(float) - b) @ np.array([0.299, 0.587, 0.114]) / 255
        assert view.truth is not None
        assert view.truth.max() == pytest.approx(gray.max(), rel=0.02)
    paper = degraded_crops(fake, FAKE_CARD.crop, [("gamma", 3)], target="fake").crops[1]
    assert paper.truth is not None
    assert dark.truth is not None
    outside = dark.truth == 0
    assert outside.any()
    assert paper.truth[outside].mean() > 0.05, "the paper's truth also shows what the damage did"


def test_disorganised_crop_and_truth_are_shuffled_alike(table: Path) -> None:
    fake = next(s for s in manifest.read(table) if s.method == "whiten")
    made = degraded_crops(replace(fake, original=None), FAKE_CARD.crop, [], True)
    assert made.target is None, "neither an original nor a mask is there"
    whole, mixed = degraded_crops(fake, FAKE_CARD.crop, [], True).crops
    assert whole.truth is not None
    assert mixed.truth is not None
    assert np.sort(mixed.truth.ravel()).tolist() == np.sort(whole.truth.ravel()).tolist()
    assert not np.array_equal(mixed.truth, whole.truth)
    bright = whole.crop[whole.truth > 0.1].astype(float).mean()
    assert mixed.crop[mixed.truth > 0.1].astype(float).mean() == pytest.approx(bright)


def test_maps_are_judged_by_the_seven_numbers(table: Path, tmp_path: Path) -> None:
    found = pl.read_parquet(measure(table, FakeDetector(), tmp_path, operators=[], disorganised=False, **QUIET))
    samples = {str(s.path): s for s in manifest.read(table)}
    for row in found.filter(pl.col("method") == "whiten").iter_rows(named=True):
        fake = samples[row["path"]]
        (view,) = degraded_crops(fake, FAKE_CARD.crop).crops
        drawn = FakeDetector()(view.crop[None]).map
        assert drawn is not None
        assert view.truth is not None
        assert {name: row[name] for name in robustness.MAPS} == localization.fakeness(drawn[0], view.truth)
        assert view.part is not None
        assert 0 < view.part.mean() < 1
        assert {name: row[name] for name in robustness.INSIDE} == localization.inside(drawn[0], view.truth, view.part)
    reals = found.filter((pl.col("label") == 0) & (pl.col("status") == "ok"))
    assert reals["coss"].null_count() == reals.height
    assert reals["area"].null_count() == 0


def test_a_killed_run_goes_on_and_another_question_begins_anew(table: Path, tmp_path: Path) -> None:
    asked = {"operators": ["blur"], "disorganised": False, **QUIET}
    first = FakeDetector()
    before = pl.read_parquet(measure(table, first, tmp_path, **asked))
    log = tmp_path / "robustness.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:3], lines[3][:40]]))  # killed while it wrote the fourth
    second = FakeDetector()
    assert pl.read_parquet(measure(table, second, tmp_path, **asked)).equals(before)
    assert 0 < len(second.calls) < len(first.calls)
    third = FakeDetector()
    measure(table, third, tmp_path, **{**asked, "operators": ["jpeg"]})
    assert len(third.calls) == len(first.calls)
    assert len({json.loads(line)["key"] for line in log.read_text().splitlines()}) >= 1


def test_a_limit_draws_alike_and_bad_questions_are_refused(table: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"operators": [], "disorganised": False, "limit": 1, **QUIET}
    found = pl.read_parquet(measure(table, FakeDetector(), tmp_path / "a", **asked))
    assert found.group_by("method").len()["len"].to_list() == [1] * found["method"].n_unique()
    with pytest.raises(ManifestError, match="no fake of the method 'x'"):
        measure(table, FakeDetector(), tmp_path / "b", methods=["x"], **QUIET)
    with pytest.raises(ValueError, match="no degradation 'fog'"):
        measure(table, FakeDetector(), tmp_path / "b", operators=["fog"], **QUIET)


def test_a_mask_stands_in_for_a_missing_original_and_a_whole_picture_is_all_fake(table: Path, tmp_path: Path) -> None:
    fake = next(s for s in manifest.read(table) if s.method == "whiten")
    gray = np.zeros(image.read(fake.path).shape[:2], np.uint8)
    gray[90:180, 110:190] = 51
    masked = replace(fake, original=None, mask=save(gray, tmp_path / "mask.png"))
    made = degraded_crops(masked, FAKE_CARD.crop, [("jpeg", 5)])
    assert made.target == "mask"
    assert all(v.truth is not None and v.truth.max() == pytest.approx(0.2, abs=1e-3) for v in made.crops)
    whole = degraded_crops(replace(fake, method="synthesis"), FAKE_CARD.crop)
    assert whole.target == "ones"
    assert whole.crops[0].truth is not None
    np.testing.assert_allclose(whole.crops[0].truth, 1, atol=1e-6)


def test_a_drawn_region_is_judged_against_the_forged_one_at_every_level(table: Path, tmp_path: Path) -> None:
    fake = next(s for s in manifest.read(table) if s.method == "whiten")
    shape = image.read(fake.path).shape[:2]
    region = save(
        np.where(np.arange(shape[0])[:, None] < 140, 255, np.zeros(shape)).astype(np.uint8), tmp_path / "r.png"
    )
    crops = degraded_crops(replace(fake, region=region), FAKE_CARD.crop, [("jpeg", 5)]).crops
    assert all(crop.region is not None and 0 < crop.region.mean() < 1 for crop in crops)
    samples = [replace(s, region=region) if s.path == fake.path else s for s in manifest.read(table)]
    manifest.write(samples, tmp_path / "m.parquet")
    options: dict[str, Any] = {"operators": [], "disorganised": False, **QUIET}
    found = pl.read_parquet(measure(tmp_path / "m.parquet", FakeDetector(), tmp_path / "o", **options))
    (row,) = found.filter(path=str(fake.path)).iter_rows(named=True)
    drawn = FakeDetector()(crops[0].crop[None]).map
    assert drawn is not None
    assert row["region_iou"] == pytest.approx(localization.iou(drawn[0], crops[0].region))
    assert found.filter(label=0)["region_iou"].null_count() == found.filter(label=0).height


def test_every_operator_is_asked_by_default() -> None:
    assert len(OPERATORS) >= 6
