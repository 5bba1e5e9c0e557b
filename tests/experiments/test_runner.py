"""Running an experiment: what is done once is never done again, and a failure ends nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.experiments import plan as plans
from facewitness.experiments.plan import Plan
from facewitness.types import FacewitnessError, RecipeError
from tests.experiments import toys
from tests.experiments.conftest import Finished, Make
from tests.fakes import LIGHTNING_CHATTER

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]


@pytest.fixture(scope="module")
def finished(make: Make) -> Finished:
    experiment = make(toys.comparison)
    experiment.run()
    return experiment


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return toys.comparison(tmp_path)


def test_the_comparison_has_its_table_report_and_figure(finished: Finished) -> None:
    text = finished.report()
    table = pl.read_csv(finished.out / "table.csv")
    assert set(table["detector"]) == {"meso4", "steg-svm"}
    assert set(table["set"]) == {"seen", "unseen", "gap", "method blur", "method white", "family white"}
    assert table.filter(detector="meso4")["n_seeds"].unique().to_list() == [2]
    for part in (
        "## Comparison",
        "## Discussion",
        "It is a toy.",
        "0.9 in a paper",
        "## Sizes",
        "## Provenance",
        "SHA",
    ):
        assert part in text
    assert "## Gaps" not in text
    assert finished.page.with_suffix(".png").stat().st_size > 5000
    assert "data:image/png;base64," in finished.page.with_suffix(".html").read_text()


def test_a_finished_run_is_never_repeated(finished: Finished) -> None:
    weights = {file: file.stat().st_mtime_ns for file in (finished.out / "runs").rglob("*.safetensors")}
    assert len(weights) == 3
    assert [line.rpartition(": ")[2] for line in finished.run()] == ["trained before"] * 3
    assert {file: file.stat().st_mtime_ns for file in weights} == weights


def test_only_the_named_runs_are_done_and_an_unknown_name_is_refused(finished: Finished) -> None:
    assert finished.run(only=["steg-svm"]) == ["steg-svm, seed 1: trained before"]
    with pytest.raises(RecipeError, match="no run 'vgg'; there are meso4, steg-svm"):
        finished.run(only=["vgg"])


def test_what_decides_a_run_is_in_its_name(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        plan = Plan(recipe, recipe.parent / "out")
        return [plan.folder(run).name for run in plan.runs()]

    first = names()
    assert first[0].startswith("meso4-1-")
    assert len(set(first)) == 3
    recipe.write_text(recipe.read_text().replace('"optim.epochs=1"', '"optim.epochs=1", "trainer.threads=2"'))
    assert names() == first, "which machine does the work does not matter"
    revisions = plans.revisions()
    changed = {name: {**entry, "net": "other code"} for name, entry in revisions["architectures"].items()}
    with monkeypatch.context() as patch:
        patch.setattr(plans, "revisions", lambda: {**revisions, "architectures": changed})
        assert set(names()).isdisjoint(first)
        patch.setattr(plans, "revisions", lambda: revisions)
        patch.setattr(plans, "VERSION", 2)
        assert set(names()).isdisjoint(first)
    meso4 = recipe.parent / "meso4.toml"
    meso4.write_text(meso4.read_text().replace("batch_pairs = 2", "batch_pairs = 1"))
    assert [name in first for name in names()] == [False, False, True]


def test_a_run_that_fails_is_reported_and_stops_no_other(recipe: Path) -> None:
    meso4 = recipe.parent / "meso4.toml"
    text = meso4.read_text()
    meso4.write_text(text.replace("[optim]", "[loss]\nkind = 'split-latent'\n[optim]"))
    experiment = Finished(recipe)
    lines = experiment.run()
    assert lines[0].startswith("meso4, seed 1: failed: loss.kind 'split-latent'")
    assert lines[-1] == "steg-svm, seed 1: trained"
    report = experiment.report()
    assert "| meso4, seed 1 | failed: loss.kind 'split-latent'" in report
    assert set(pl.read_csv(experiment.out / "table.csv")["detector"]) == {"steg-svm"}
    meso4.write_text(text)
    experiment.run(only=["meso4"])
    assert "failed" not in experiment.report()


def test_a_report_of_nothing_is_an_error(recipe: Path) -> None:
    with pytest.raises(FacewitnessError, match="nothing is measured yet: facewitness experiment run"):
        Finished(recipe).report()


def test_a_run_that_was_stopped_goes_on(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facewitness.training import supervised

    def stop(module: supervised.Supervised) -> None:
        if module.current_epoch == 1:
            raise KeyboardInterrupt

    recipe.write_text(recipe.read_text().replace("optim.epochs=1", "optim.epochs=2"))
    experiment = Finished(recipe)
    with monkeypatch.context() as patch:
        patch.setattr(supervised.Supervised, "on_train_epoch_start", stop)
        with pytest.raises(KeyboardInterrupt):
            experiment.run(only=["meso4"])
    assert experiment.run(only=["meso4"]) == ["meso4, seed 1: trained to its end", "meso4, seed 2: trained"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('seen = ["blur"]', 'seen = ["blurr"]'), "no fake of the method 'blurr'; it has blur, white"),
        (("common =", "comon ="), "did you mean 'common'"),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_is_trained(
    change: tuple[str, str], message: str, recipe: Path
) -> None:
    recipe.write_text(recipe.read_text().replace(*change))
    with pytest.raises(RecipeError, match=message):
        Finished(recipe).run()
    assert not (recipe.parent / "out").exists()


def test_commands_run_status_and_report(finished: Finished) -> None:
    def command(*words: str) -> str:
        result = CliRunner().invoke(app, ["experiment", *words, "--out", str(finished.out)])
        assert result.exit_code == 0, result.output
        return result.output

    recipe = str(finished.recipe)
    assert "meso4, seed 2: trained before" in command("run", recipe, "-q")
    assert "3 of 3 trainings finished" in command("status", recipe)
    file = finished.recipe.parent / "other" / "report.md"
    cards = finished.recipe.parent / "cards"
    assert f"report: {file}" in command("report", recipe, "--report", str(file), "--cards", str(cards))
    assert "AUC on seen methods" in (cards / "meso4.md").read_text()
    shutil.rmtree(next((finished.out / "runs").glob("meso4-2-*")))
    assert "2 of 3 trainings finished" in command("status", recipe)
