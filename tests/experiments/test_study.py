"""The generalizability study at toy size: what a set is, the numbers by hand, and one chain from run to report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.config import packaged_recipes
from facewitness.data import manifest
from facewitness.data.sources import read_layout
from facewitness.evaluation import tables
from facewitness.experiments import measure
from facewitness.experiments import samples as chosen
from facewitness.experiments.analyses import claims, generalization, neurons, questions, saliency
from facewitness.experiments.analyses.generalization import accuracy_table, degradation
from facewitness.experiments.analyses.study import Study, studies
from facewitness.experiments.plan import Plan, Run
from facewitness.experiments.samples import FITTED, PERMUTED
from facewitness.experiments.sections import STUDIED
from facewitness.experiments.seen_unseen import ACCURACY
from facewitness.types import RecipeError
from tests.data import trees
from tests.experiments import toys
from tests.experiments.conftest import Finished, Make
from tests.fakes import LIGHTNING_CHATTER

pytestmark = LIGHTNING_CHATTER


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that nothing is trained for."""
    return toys.study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def study(recipe: Path) -> Study:
    (study,) = studies(Plan(recipe, recipe.parent / "out"))
    return study


def _who(study: Study, name: str) -> list[tuple[str, str]]:
    samples = [study.judged.samples[place] for place in study.judged.sets[name]]
    return sorted((sample.method, sample.identities[0]) for sample in samples)


def test_a_set_is_chosen_by_method_source_and_people(study: Study) -> None:
    unseen = ["7", "8", "9", "10"]
    assert _who(study, "BLUR") == sorted((m, p) for m in ("blur", "real") for p in unseen)
    assert _who(study, "dark") == sorted((m, p) for m in ("dark", "real") for p in unseen)
    assert _who(study, "blur-other") == sorted((m, p) for m in ("blur", "real") for p in ("11", "12", "13"))
    # fakes of people trained on, reals of others
    assert _who(study, "dark-known") == sorted(
        [("dark", p) for p in ("0", "1", "2", "3")] + [("real", p) for p in unseen]
    )
    assert _who(study, f"BLUR {FITTED}") == sorted((m, p) for m in ("blur", "real") for p in ("4", "5", "6"))


def test_a_run_learns_from_its_sources_and_methods(study: Study) -> None:
    plan = study.plan
    samples = plan.samples(Path(plan.settings.manifest))
    learnt = chosen.training(plan.sections["meso-BLUR-original"], samples)
    assert {sample.split for sample in learnt} == {"train", "val"}
    assert {sample.dataset for sample in learnt} == {"london"}
    assert 'data.methods=["blur"]' in plan.overrides_of(Run("meso-BLUR-original", 1))
    assert 'data.methods=["blur", "white"]' in plan.overrides_of(Run("meso-BLUR-merge", 1))


def test_permuted_labels_keep_their_number_and_say_nothing(study: Study) -> None:
    samples = study.plan.samples(Path(study.plan.settings.manifest))
    permuted = chosen.training(study.plan.sections["meso-BLUR-permuted"], samples)
    true = {s.path: s.label for s in samples}
    known = [s for s in samples if s.split != "test" and s.method in ("real", "blur") and s.dataset == "london"]
    assert {s.path for s in permuted} == {s.path for s in known}
    for split in ("train", "val"):
        part = [s for s in permuted if s.split == split]
        assert sum(s.label for s in part) == sum(true[s.path] for s in part)
    assert any(s.label != true[s.path] for s in permuted)
    assert {s.method for s in permuted if s.label} == {PERMUTED}


def test_a_set_of_one_class_is_refused(tmp_path: Path) -> None:
    recipe = toys.study(tmp_path)
    file = tmp_path / "data" / "manifest.parquet"
    manifest.write([s for s in manifest.read(file) if s.label or s.dataset != "canada"], file)
    with pytest.raises(RecipeError, match="the set blur-other has no real"):
        Plan(recipe, tmp_path / "out").prepare()


def _scored(study: Study, right: dict[str, float]) -> pl.DataFrame:
    """Scores by which a share of each method's photographs is called what it is, the first ones."""
    samples = study.judged.samples
    scores = []
    for sample in samples:
        same = [s for s in samples if s.method == sample.method and s.dataset == sample.dataset]
        good = same.index(sample) < round(right.get(sample.method, 1.0) * len(same))
        scores.append(float(good == bool(sample.label)))
    return pl.DataFrame({"path": [str(s.path) for s in samples], "score": scores})


def test_degradation_and_difference_by_hand(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """All reals right; of the fakes all blurred ones, half of the white, none of the dark: 100, 75 and 50 %, so 37.5
    points are lost. Of the trained people none is found either: 50 %, and the difference is -12.5."""
    table = _scored(study, {"white": 0.5, "dark": 0.0})
    monkeypatch.setattr(Plan, "is_trained", lambda self, run: run.name.endswith("original"))
    monkeypatch.setattr(measure, "scores", lambda plan, run: table)
    found = accuracy_table(study)
    assert found["type"].unique().to_list() == ["original"]
    value = {(row["set"], row["metric"]): row["value"] for row in found.iter_rows(named=True)}
    assert value["BLUR", ACCURACY] == 1
    assert value["white", ACCURACY] == 0.75
    assert value["dark", ACCURACY] == 0.5
    assert value["unseen", ACCURACY] == pytest.approx(0.625)
    assert value["unseen", "degradation"] == pytest.approx(37.5)
    assert value["same method", "degradation"] == 0
    assert value["same method", "difference"] == pytest.approx(37.5)
    assert value["same people", "degradation"] == pytest.approx(50)
    assert value["same people", "difference"] == pytest.approx(-12.5)
    assert value["dark", "ece"] == pytest.approx(0.5)  # the four dark ones of eight photographs are called real
    counts = tables.row(found, set="unseen", metric=ACCURACY)
    assert (counts["n_real"], counts["n_fake"]) == (4, 8)
    fall = tables.row(found, set="unseen", metric="degradation")
    assert fall["low"] <= 37.5 <= fall["high"]


def _accuracy(rows: list[dict[str, Any]]) -> pl.DataFrame:
    table = tables.build(rows)
    return table.with_columns(*(pl.Series(name, [row[name] for row in rows], pl.String) for name in ("root", "type")))


def test_ranks_go_by_degradation_and_a_detector_that_learnt_nothing_has_none(study: Study) -> None:
    rows = []
    for detector, fall, least in (("a", 30.0, 0.8), ("b", 10.0, 0.7), ("c", 20.0, 0.9), ("d", 0.0, 0.5)):
        named = {"detector": detector, "root": "R", "type": "original", "high": 1.0, "low": least}
        rows.append({**named, "set": "unseen", "metric": "degradation", "value": fall})
        rows.append({**named, "set": "R", "metric": ACCURACY, "value": least})
    ranked = [cells[:2] for cells in questions._ranking(study, _accuracy(rows))]
    assert ranked == [[rank, f"{name} R original"] for rank, name in (("1", "b"), ("2", "c"), ("3", "a"), ("-", "d"))]


def test_degradation_is_in_points_and_of_a_mean() -> None:
    of = {name: (lambda labels, weights, v=v: np.full((1, 1), v)) for name, v in (("o", 0.9), ("x", 0.6), ("y", 0.5))}
    assert degradation(of, "o", ["x", "y"])(np.ones(1), np.ones((1, 1)))[0, 0] == pytest.approx(35)


def _numbers(kind: str, falls: float, own: float = 0.9) -> list[dict[str, Any]]:
    named = {"detector": "net", "root": "R", "type": kind}
    rows = [{**named, "set": "R", "metric": ACCURACY, "value": own, "low": own - 0.1, "high": own + 0.1}]
    rows.append(
        {**named, "set": "unseen", "metric": "degradation", "value": falls, "low": falls - 5, "high": falls + 5}
    )
    for group, gain in (("same method", 20.0), ("same people", 1.0)):
        rows.append({**named, "set": group, "metric": "difference", "value": gain, "low": gain - 5, "high": gain + 5})
    return rows


def test_a_claim_says_what_the_numbers_say_and_counts_only_detectors_that_learnt() -> None:
    def found(*rows: list[dict[str, Any]]) -> list[claims.Claim]:
        accuracy = _accuracy([row for part in rows for row in part])
        empty = [pl.DataFrame([], {**schema}) for schema in (saliency.SCHEMA, neurons.OVERLAPS, neurons.KEPT)]
        return claims.claims(claims.Results(accuracy, *empty))

    result = found(_numbers("original", 30), _numbers("transfer", 28), _numbers("merge", 15))
    assert [claim.supported for claim in result] == [True, True, None, None]
    assert "original 30.0, transfer 28.0, merge 15.0" in result[0].evidence
    result = found(_numbers("original", 30), _numbers("transfer", 35), _numbers("merge", 33))
    assert result[0].supported is False  # nothing was mitigated
    result = found(*(_numbers(kind, 30, own=0.55) for kind in STUDIED))  # the interval reaches a guess
    assert [claim.supported for claim in result] == [None] * 4
    assert "0 of 3 detectors learnt" in result[0].evidence


def test_a_study_may_be_moved(recipe: Path, tmp_path: Path) -> None:
    names = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        plan = Plan(recipe, folder)
        names.append([plan.folder(run).name for run in plan.runs()])
    assert names[0] == names[1]
    assert len(set(names[0])) == 5


@pytest.mark.slow
def test_one_chain_from_run_to_report(make: Make) -> None:
    finished = make(toys.study)
    lines = finished.run()
    for kind in ("original", "transfer", "merge", "permuted", "again"):
        assert f"meso-BLUR-{kind}, seed 1: trained" in lines
    assert "meso-BLUR-original, seed 1: saliency: compared" in lines
    text = finished.report()
    accuracy, similarity = (pl.read_csv(finished.out / f"{name}.csv") for name in ("accuracy", "saliency"))
    assert accuracy.filter(metric="degradation")["type"].unique().sort().to_list() == ["merge", "original", "transfer"]
    assert {"common root", "permuted labels", "another seed"} <= set(similarity["pair"])
    assert set(similarity["map"]) == {"guided", "cam"}
    overlaps = pl.read_csv(finished.out / "overlaps.csv")
    assert set(overlaps["top"]) == {4, 8}  # of meso4's sixteen
    assert overlaps.group_by("type", "top").agg(pl.col("found").sum())["found"].unique().to_list() == [16]
    for part in ("## The paper's findings", "## RQ1", "## RQ2", "## RQ3", "## RQ4", "a toy.", "table 6", "table 7"):
        assert part in text
    whole = finished.page.with_suffix(".html").read_text()
    assert whole.count("data:image/png;base64,") == 2
    assert whole.count("data:image/jpeg;base64,") == 1
    assert b"DigitalSourceType" in finished.page.with_name("toy-pictures.jpg").read_bytes()
    assert not re.search(r'(src|href)="(?!data:)', whole)
    _nothing_is_done_twice_and_the_report_needs_no_photograph(finished, text)
    _what_is_missing_is_a_gap(finished)


def _nothing_is_done_twice_and_the_report_needs_no_photograph(finished: Finished, text: str) -> None:
    before = {one: one.stat().st_mtime_ns for one in finished.out.rglob("*") if one.suffix in (".safetensors", ".npz")}
    assert len([one for one in before if one.suffix == ".safetensors"]) == 5
    assert sum("trained before" in line for line in finished.run()) == 5
    assert before == {one: one.stat().st_mtime_ns for one in before}
    names = ("accuracy", "saliency", "overlaps", "universal", "table")
    kept = {name: (finished.out / f"{name}.csv").read_bytes() for name in names}
    for photograph in (finished.recipe.parent / "data").glob("*.png"):
        photograph.unlink()
    assert finished.report() == text
    assert kept == {name: (finished.out / f"{name}.csv").read_bytes() for name in names}


def _what_is_missing_is_a_gap(finished: Finished) -> None:
    shutil.rmtree(next((finished.out / "runs").glob("meso-BLUR-merge-*")))
    shutil.rmtree(next((finished.out / "scores").glob("meso-BLUR-merge-*")))
    status = CliRunner().invoke(app, ["experiment", "status", str(finished.recipe), "--out", str(finished.out)])
    assert "4 of 5 trainings finished" in status.output, status.output
    assert "neurons of 6 sets" in status.output or "meso-BLUR-merge" in status.output
    text = finished.report()
    assert "| meso BLUR merge | not trained yet |" in text
    assert "too few to say" in text


@pytest.mark.slow
def test_a_run_that_fails_is_reported_and_what_begins_from_it_is_skipped(make: Make) -> None:
    finished = make(toys.study)
    text = finished.recipe.read_text()
    finished.recipe.write_text(text.replace("""'optim.learn=["hidden", "out"]'""", """'optim.learn=["nothing"]'"""))
    result = CliRunner().invoke(app, ["experiment", "run", str(finished.recipe), "--out", str(finished.out), "-q"])
    assert result.exit_code == 1
    assert "meso-BLUR-transfer, seed 1: failed:" in result.output
    assert "meso-BLUR-merge, seed 1: trained" in result.output
    assert "1 steps failed" in result.output
    finished.recipe.write_text(text.replace('"name=meso-{root.name}-original-{seed}"', '"loss.kind=split-latent"'))
    result = CliRunner().invoke(app, ["experiment", "run", str(finished.recipe), "--out", str(finished.out), "-q"])
    assert "meso-BLUR-merge, seed 1: skipped: meso-BLUR-original, seed 1 is not finished" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("spread", [{"jobs": 2}, {"ray_address": "local"}], ids=["processes", "ray"])
def test_runs_in_processes_of_their_own_leave_the_same_numbers(make: Make, spread: dict[str, Any]) -> None:
    if "ray_address" in spread:
        pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    results = []
    for options in ({}, spread):
        finished = make(toys.study)
        finished.recipe.write_text(finished.recipe.read_text().replace("[matrix]", "seeds = [1, 2]\n[matrix]"))
        finished.run(only=["original", "merge", "transfer"], **options)
        (study,) = studies(finished.plan(trust_record=True))
        results.append(generalization.accuracy_table(study))
    assert results[0].equals(results[1])
    assert results[0]["n_seeds"].unique().to_list() == [2]


def test_the_published_sets_are_found_in_their_layouts(tmp_path: Path) -> None:
    """Trees as the owners ship them, read by our readers, under the recipe for them."""
    ff = trees.faceforensics(
        tmp_path / "ff", methods=("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"), level="c23"
    )
    found = [
        *read_layout("faceforensics", ff),
        *read_layout("deepfakedetection", trees.deepfakedetection(tmp_path / "dfd")),
    ]
    for version in ("celebdf-v1", "celebdf-v2"):
        found += read_layout(version, trees.celebdf(tmp_path / version))
    for name in {sample.dataset for sample in found}:
        manifest.write([s for s in found if s.dataset == name], tmp_path / f"{name}.parquet")
    words = [*map(str, sorted(tmp_path.glob("*.parquet"))), "--out", str(tmp_path / "all.parquet")]
    refused = CliRunner().invoke(app, ["data", "merge", *words])
    assert "'celebdf:id1' is in two splits" in refused.output  # by its official list
    assert CliRunner().invoke(app, ["data", "merge", "--official", *words]).exit_code == 0
    recipe = packaged_recipes()["experiments/generalizability-published"]
    plan = Plan(recipe, tmp_path / "out", [f"manifest={tmp_path / 'all.parquet'}"])
    samples = plan.samples(Path(plan.settings.manifest))
    sets = {one.name: one for one in chosen.every_set(plan.settings)}
    methods = {
        name: {(s.method, s.dataset) for s in chosen._members(sets[name], samples) if s.label}
        for name in ("CELEB", "F2F", "DFD", "CELEB-M")
    }
    assert methods["F2F"] == {("Face2Face", "faceforensics")}
    assert methods["DFD"] == {("DeepFakeDetection", "deepfakedetection")}
    assert methods["CELEB"] == {("Celeb-synthesis", "celebdf-v2")}
    assert methods["CELEB-M"] == {("Celeb-synthesis", "celebdf-v1")}
    merge, original = (plan.sections[f"meso4-CELEB-{kind}"] for kind in ("merge", "original"))
    assert {s.dataset for s in chosen.training(merge, samples)} == {"celebdf-v2", "faceforensics"}
    assert {s.dataset for s in chosen.training(original, samples)} == {"celebdf-v2"}
