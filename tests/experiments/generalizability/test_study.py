"""The generalizability study at toy size: what a set is, the numbers by hand, and one chain from run to report."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.data import manifest
from facewitness.data.sources import listing
from facewitness.experiments.generalizability import answers, page, plan
from facewitness.experiments.generalizability.answers import degradation
from facewitness.experiments.generalizability.plan import FITTED
from facewitness.experiments.generalizability.work import Study
from facewitness.media import faces
from facewitness.types import RecipeError, Sample
from tests.data import trees
from tests.fakes import LIGHTNING_CHATTER, astronaut, save, toy_training

pytestmark = LIGHTNING_CHATTER
RECIPES = Path(__file__).parents[3] / "src/facewitness/recipes/study"

RECIPE = """
name = "toy"
manifest = "{manifest}"
unseen = ["white", "dark"]
extra_methods = ["white"]
nulls = ["meso"]
pictures = 3
neurons = 6
shares = [0.25, 0.5]
discussion = "It is a toy."
[[subject]]
name = "meso"
recipe = "toy.toml"
last = ["hidden", "out"]
[[root]]
name = "BLUR"
methods = ["blur"]
sources = ["london"]
same_method = ["blur-other"]
same_people = ["dark-known"]
[[set]]
name = "white"
methods = ["white"]
sources = ["london"]
[[set]]
name = "dark"
methods = ["dark"]
sources = ["london"]
[[set]]
name = "blur-other"
methods = ["blur"]
sources = ["canada"]
people = "any"
[[set]]
name = "dark-known"
methods = ["dark"]
sources = ["london"]
people = "trained"
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples = []
    landmarks = faces.find(astronaut())[0].landmarks
    for number in range(14):
        picture = np.roll(astronaut(), 3 * number, axis=0)
        split = "train" if number < 4 else "val" if number < 7 else "test"
        known: dict[str, Any] = {"identities": (str(number),), "dataset": "canada" if number > 10 else "london"}
        known |= {"split": split, "landmarks": landmarks + np.array([0, 3 * number])}
        kinds = {"real": picture, "blur": cv2.blur(picture, (9, 9)), "white": picture // 2 + 127, "dark": picture // 2}
        for method, made in kinds.items():
            path = save(made, tmp_path / "data" / f"{number}-{method}.png")
            samples.append(Sample(path, int(method != "real"), method, **known))
    manifest.write(samples, tmp_path / "data" / "manifest.parquet")
    (tmp_path / "toy.toml").write_text(toy_training("meso4"))
    path = tmp_path / "study.toml"
    path.write_text(RECIPE.format(manifest=tmp_path / "data" / "manifest.parquet"))
    return path


def _who(study: Study, name: str) -> list[tuple[str, str]]:
    chosen = [study.judged.samples[place] for place in study.judged.sets[name]]
    return sorted((sample.method, sample.identities[0]) for sample in chosen)


def test_a_set_is_chosen_by_method_source_and_people(recipe: Path) -> None:
    study = Study(recipe, recipe.parent / "out")
    unseen = ["7", "8", "9", "10"]
    assert _who(study, "BLUR") == sorted((m, p) for m in ("blur", "real") for p in unseen)
    assert _who(study, "dark") == sorted((m, p) for m in ("dark", "real") for p in unseen)
    assert _who(study, "blur-other") == sorted((m, p) for m in ("blur", "real") for p in ("11", "12", "13"))
    # fakes of people trained on, reals of others
    assert _who(study, "dark-known") == sorted(
        [("dark", p) for p in ("0", "1", "2", "3")] + [("real", p) for p in unseen]
    )
    assert _who(study, f"BLUR {FITTED}") == sorted((m, p) for m in ("blur", "real") for p in ("4", "5", "6"))
    root = study.settings.root[0]
    learnt = plan.training(study.settings, root, "original", study.samples)
    assert {sample.split for sample in learnt} == {"train", "val"}
    assert {sample.dataset for sample in learnt} == {"london"}
    assert plan.methods(study.settings, root, "original") == ["blur"]
    assert plan.methods(study.settings, root, "merge") == ["blur", "white"]


def test_permuted_labels_keep_their_number_and_say_nothing(recipe: Path) -> None:
    study = Study(recipe, recipe.parent / "out")
    root = study.settings.root[0]
    dealt = plan.training(study.settings, root, "permuted", study.samples)
    true = {s.path: s.label for s in study.samples}
    assert {s.path for s in dealt} == {
        s.path for s in study.samples if s.split != "test" and s.method in ("real", "blur")
    }
    for split in ("train", "val"):
        own = [s for s in dealt if s.split == split]
        assert sum(s.label for s in own) == sum(true[s.path] for s in own)
    assert any(s.label != true[s.path] for s in dealt)
    assert {s.method for s in dealt if s.label} == {plan.PERMUTED}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('unseen = ["white", "dark"]', 'unseen = ["grey"]'), "no set 'grey'"),
        (('methods = ["dark"]\nsources = ["london"]\npeople', 'methods = ["blur"]\npeople'), "its very fakes"),
        (('people = "trained"', 'people = "any"'), "learns from its source"),
        (('nulls = ["meso"]', 'nulls = ["mesa"]'), "no subject 'mesa'"),
        (('extra_methods = ["white"]', 'extra_methods = ["grey"]'), "no method 'grey'"),
        (('sources = ["canada"]', 'sources = ["paris"]'), "no source 'paris'"),
        (('name = "blur-other"', 'name = "dark"'), "two of one name"),
    ],
)
def test_a_recipe_that_asks_for_what_is_not_there_is_refused(
    recipe: Path, change: tuple[str, str], message: str
) -> None:
    text = recipe.read_text()
    assert change[0] in text
    recipe.write_text(text.replace(*change))
    with pytest.raises(RecipeError, match=message):
        Study(recipe, recipe.parent / "out")


def test_a_set_of_one_class_is_refused(recipe: Path) -> None:
    file = recipe.parent / "data" / "manifest.parquet"
    kept = [s for s in manifest.read(file) if s.label or s.dataset != "canada"]
    manifest.write(kept, file)
    with pytest.raises(RecipeError, match="the set blur-other has no real"):
        Study(recipe, recipe.parent / "out")


def _scored(study: Study, right: dict[str, float]) -> pl.DataFrame:
    """Scores by which a share of each method's photographs is called what it is, the first ones."""
    samples = study.judged.samples
    scores = []
    for sample in samples:
        same = [s for s in samples if s.method == sample.method and s.dataset == sample.dataset]
        good = same.index(sample) < round(right.get(sample.method, 1.0) * len(same))
        scores.append(float(good == bool(sample.label)))
    return pl.DataFrame({"path": [str(s.path) for s in samples], "score": scores})


def test_degradation_and_difference_by_hand(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All reals right; of the fakes all blurred ones, half of the white, none of the dark: 100, 75 and 50 %, so 37.5
    points are lost. Of the trained people none is found either: 50 %, and the difference is -12.5."""
    study = Study(recipe, recipe.parent / "out")
    table = _scored(study, {"white": 0.5, "dark": 0.0})
    monkeypatch.setattr(Study, "scores", lambda self, run: table if run.kind == "original" else None)
    found = answers.worth(study)
    assert found["kind"].unique().to_list() == ["original"]
    value = {(row["set"], row["metric"]): row["value"] for row in found.iter_rows(named=True)}
    assert value["BLUR", "accuracy"] == 1
    assert value["white", "accuracy"] == 0.75
    assert value["dark", "accuracy"] == 0.5
    assert value["unseen", "accuracy"] == pytest.approx(0.625)
    assert value["unseen", "degradation"] == pytest.approx(37.5)
    assert value["same method", "degradation"] == 0
    assert value["same method", "difference"] == pytest.approx(37.5)
    assert value["same people", "degradation"] == pytest.approx(50)
    assert value["same people", "difference"] == pytest.approx(-12.5)
    assert value["dark", "ece"] == pytest.approx(0.5)  # the four dark ones of eight photographs are called real
    counts = found.filter(set="unseen", metric="accuracy").row(0, named=True)
    assert (counts["n_real"], counts["n_fake"]) == (4, 8)
    fall = found.filter(set="unseen", metric="degradation").row(0, named=True)
    assert fall["low"] <= 37.5 <= fall["high"]


def test_ranks_go_by_degradation_the_least_first_and_who_learnt_nothing_has_none() -> None:
    rows = []
    for subject, fall, least in (("a", 30.0, 0.8), ("b", 10.0, 0.7), ("c", 20.0, 0.9), ("d", 0.0, 0.5)):
        named = {"subject": subject, "root": "R", "kind": "original", "high": 1.0, "low": least}
        rows.append({**named, "set": "unseen", "metric": "degradation", "value": fall})
        rows.append({**named, "set": "R", "metric": "accuracy", "value": least})
    table = pl.DataFrame(rows, {**answers.WORTH})

    class Settings:
        unseen: tuple[str, ...] = ()

    class Fake:
        settings = Settings()

    text = page._table_5(Fake(), table)  # type: ignore[arg-type]
    assert re.findall(r"\| ([-\d]) \| (\w) R original", text) == [("1", "b"), ("2", "c"), ("3", "a"), ("-", "d")]


def test_degradation_is_in_points_and_of_a_mean() -> None:
    of = {name: (lambda labels, weights, v=v: np.full((1, 1), v)) for name, v in (("o", 0.9), ("x", 0.6), ("y", 0.5))}
    assert degradation(of, "o", ["x", "y"])(np.ones(1), np.ones((1, 1)))[0, 0] == pytest.approx(35)


def test_one_chain_from_run_to_report(recipe: Path) -> None:
    out, file = recipe.parent / "out", recipe.parent / "docs" / "study.md"
    runner = CliRunner()
    empty = runner.invoke(app, ["study", "report", str(recipe), "--out", str(out)])
    assert empty.exit_code == 1
    assert "study run" in empty.output
    result = runner.invoke(app, ["study", "run", str(recipe), "--out", str(out), "-q"])
    assert result.exit_code == 0, result.output
    for kind in ("original", "transfer", "merge", "permuted", "again"):
        assert f"meso-BLUR-{kind}-1: trained" in result.output
    assert "heat maps compared" in result.output
    said = ["study", "report", str(recipe), "--out", str(out), "--page", str(file)]
    assert (result := runner.invoke(app, said)).exit_code == 0, result.output
    worth = pl.read_csv(out / "worth.csv")
    assert worth.filter(metric="degradation")["kind"].unique().sort().to_list() == ["merge", "original", "transfer"]
    looks = pl.read_csv(out / "looks.csv")
    assert {"common root", "permuted labels", "another seed"} <= set(looks["pair"])
    assert set(looks["map"]) == {"guided", "cam"}
    overlaps = pl.read_csv(out / "overlaps.csv")
    assert set(overlaps["top"]) == {4, 8}  # of meso4's sixteen
    assert overlaps.group_by("kind", "top").agg(pl.col("found").sum())["found"].unique().to_list() == [16]
    text, whole = file.read_text(), file.with_suffix(".html").read_text()
    for part in (
        "## The paper's findings",
        "## RQ1",
        "## RQ2",
        "## RQ3",
        "## RQ4",
        "It is a toy.",
        "table 6",
        "table 7",
    ):
        assert part in text
    assert whole.count("data:image/png;base64,") == 2
    assert b"DigitalSourceType" in file.with_name("study-pictures.jpg").read_bytes()
    assert whole.count("data:image/jpeg;base64,") == 1
    assert "<table>" in whole
    assert not re.search(r'(src|href)="(?!data:)', whole)
    # Nothing is done twice, the answers need no photograph, and come out the same.
    before = {one: one.stat().st_mtime_ns for one in out.rglob("*") if one.suffix in (".safetensors", ".npz")}
    assert len([one for one in before if one.suffix == ".safetensors"]) == 5
    again = runner.invoke(app, ["study", "run", str(recipe), "--out", str(out), "-q"])
    assert again.output.count("trained before") == 5
    assert before == {one: one.stat().st_mtime_ns for one in before}
    tables = {name: (out / f"{name}.csv").read_bytes() for name in page.Answers._fields}
    for photograph in (recipe.parent / "data").glob("*.png"):
        photograph.unlink()
    assert runner.invoke(app, said).exit_code == 0
    assert tables == {name: (out / f"{name}.csv").read_bytes() for name in tables}
    assert text == file.read_text()
    # What is missing is a gap, not the end.
    shutil.rmtree(next((out / "runs").glob("meso-BLUR-merge-*")))
    shutil.rmtree(next((out / "scores").glob("meso-BLUR-merge-*")))
    status = runner.invoke(app, ["study", "status", str(recipe), "--out", str(out)])
    assert "4 of 5 trainings finished" in status.output, status.output
    assert runner.invoke(app, said).exit_code == 0
    assert "| meso BLUR merge | not trained yet |" in file.read_text()
    assert "too few to say" in file.read_text()


def test_a_chain_that_fails_is_told_and_does_not_stop_the_others(recipe: Path) -> None:
    text = recipe.read_text().replace('last = ["hidden", "out"]', 'last = ["nothing"]').replace('nulls = ["meso"]', "")
    recipe.write_text(text)
    result = CliRunner().invoke(app, ["study", "run", str(recipe), "--out", str(recipe.parent / "out"), "-q"])
    assert result.exit_code == 1
    assert "meso-BLUR-transfer-1: failed:" in result.output
    assert "nothing" in result.output
    assert "meso-BLUR-merge-1: trained" in result.output
    assert "1 steps failed" in result.output


def test_a_study_may_be_moved(recipe: Path) -> None:
    runs, names = plan.runs(plan.load(recipe)), []
    for folder in (recipe.parent / "here", recipe.parent / "there"):
        study = Study(recipe, folder)
        study.prepare()
        names.append([study.folder(run).name for run in runs])
    assert names[0] == names[1]
    assert len(set(names[0])) == len(runs)


@pytest.mark.parametrize("spread", [["--jobs", "2"], ["--ray", "local"]], ids=["processes", "ray"])
def test_chains_in_processes_of_their_own_leave_the_same_answers(recipe: Path, spread: list[str]) -> None:
    if "--ray" in spread:
        pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    text = recipe.read_text().replace('nulls = ["meso"]', "")
    recipe.write_text(text.replace("extra_methods", "seeds = [1, 2]\nextra_methods"))
    tables = []
    for name, options in (("alone", []), ("beside", spread)):
        said = [str(recipe), "--out", str(recipe.parent / name)]
        result = CliRunner().invoke(app, ["study", "run", *said, *options, "-q"])
        assert result.exit_code == 0, result.output
        tables.append(answers.worth(Study(recipe, recipe.parent / name)))
    assert tables[0].equals(tables[1])
    assert tables[0]["seeds"].unique().to_list() == [2]


def test_the_published_sets_are_found_in_their_layouts(tmp_path: Path) -> None:
    """Trees as the owners ship them, read by our adapters, under the recipe for them."""
    ff = trees.faceforensics(
        tmp_path / "ff", methods=("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"), level="c23"
    )
    found = [*listing("faceforensics", ff), *listing("deepfakedetection", trees.deepfakedetection(tmp_path / "dfd"))]
    for version in ("celebdf-v1", "celebdf-v2"):
        found += listing(version, trees.celebdf(tmp_path / version))
    for name in {sample.dataset for sample in found}:
        manifest.write([s for s in found if s.dataset == name], tmp_path / f"{name}.parquet")
    said = [*map(str, sorted(tmp_path.glob("*.parquet"))), "--out", str(tmp_path / "all.parquet")]
    refused = CliRunner().invoke(app, ["data", "merge", *said])
    assert "'celebdf:id1' is in two splits" in refused.output  # by its official list
    assert CliRunner().invoke(app, ["data", "merge", "--official", *said]).exit_code == 0
    settings = plan.load(RECIPES / "published.toml", [f"manifest={tmp_path / 'all.parquet'}"])
    assert len([run for run in plan.runs(settings) if run.kind in plan.KINDS and run.seed == 1]) == 30
    samples = plan.read(settings)
    methods = {name: set() for name in ("CELEB", "F2F", "FS", "NT", "DF", "DFD", "CELEB-M")}
    for one in [*settings.set, *settings.root]:
        own = plan._members(one if isinstance(one, plan.SetSection) else plan._as_set(one), samples)
        if one.name in methods:
            methods[one.name] = {(s.method, s.dataset) for s in own if s.label}
    assert methods["F2F"] == {("Face2Face", "faceforensics")}
    assert methods["DFD"] == {("DeepFakeDetection", "deepfakedetection")}
    assert methods["CELEB"] == {("Celeb-synthesis", "celebdf-v2")}
    assert methods["CELEB-M"] == {("Celeb-synthesis", "celebdf-v1")}
    celeb = settings.root[0]
    augmented = plan.training(settings, celeb, "merge", samples)
    assert {s.dataset for s in augmented} == {"celebdf-v2", "faceforensics"}
    assert {s.dataset for s in plan.training(settings, celeb, "original", samples)} == {"celebdf-v2"}


def test_the_study_of_the_house_has_thirty_detectors() -> None:
    settings = plan.load(RECIPES / "cpu.toml")
    assert len([run for run in plan.runs(settings) if run.kind in plan.KINDS]) == 30
    assert len(settings.unseen) == 4


def _numbers(kind: str, falls: float, own: float = 0.9) -> list[dict[str, Any]]:
    named = {"subject": "net", "root": "R", "kind": kind}
    rows = [{**named, "set": "R", "metric": "accuracy", "value": own, "low": own - 0.1, "high": own + 0.1}]
    rows.append(
        {**named, "set": "unseen", "metric": "degradation", "value": falls, "low": falls - 5, "high": falls + 5}
    )
    for group, gain in (("same method", 20.0), ("same people", 1.0)):
        rows.append({**named, "set": group, "metric": "difference", "value": gain, "low": gain - 5, "high": gain + 5})
    return rows


def test_a_finding_says_what_the_numbers_say_and_counts_only_who_learnt_anything() -> None:
    def said(*rows: list[dict[str, Any]]) -> list[page.Finding]:
        worth = pl.DataFrame([row for part in rows for row in part], {**answers.WORTH})
        empty = [pl.DataFrame([], {**schema}) for schema in (answers.LOOKS, answers.OVERLAPS, answers.KEPT)]
        return page.findings(page.Answers(worth, *empty))

    found = said(_numbers("original", 30), _numbers("transfer", 28), _numbers("merge", 15))
    assert [one.holds for one in found] == [True, True, None, None]
    assert "original 30.0, transfer 28.0, merge 15.0" in found[0].evidence
    found = said(_numbers("original", 30), _numbers("transfer", 35), _numbers("merge", 33))
    assert found[0].holds is False  # nothing was mitigated
    found = said(*(_numbers(kind, 30, own=0.55) for kind in plan.KINDS))  # accuracy's interval reaches a guess
    assert [one.holds for one in found] == [None] * 4
    assert "0 of 3 detectors learnt" in found[0].evidence
