"""``facewitness compare`` from end to end at toy size: what is done once is never done again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.experiments import compare as comparison
from facewitness.experiments import runs
from facewitness.experiments.code import code_digest
from facewitness.experiments.compare import CompareRecipe, compare
from facewitness.types import FacewitnessError, RecipeError, Sample
from tests.fakes import LIGHTNING_CHATTER, astronaut, save, toy_training

pytestmark = LIGHTNING_CHATTER

RECIPE = """
name = "toy"
manifest = "{manifest}"
seen = ["blur"]
common = ["optim.epochs=1", "optim.warmup_steps=0"]
discussion = "It is a toy."
[[detector]]
recipe = "meso4.toml"
seeds = [1, 2]
reported = "0.9 in a paper"
[[detector]]
recipe = "steg-svm.toml"
set = ["optim.optimizer=svm"]
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven people, each real, blurred and whitened."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    samples = []
    for number in range(7):
        picture = np.roll(astronaut(), 6 * number, axis=1)
        split = "train" if number < 3 else "val" if number < 5 else "test"
        pictures = {"real": picture, "blur": cv2.blur(picture, (5, 5)), "white": picture // 2 + 127}
        for method, made in pictures.items():
            path = save(np.asarray(made, np.uint8), tmp_path / "data" / f"{number}-{method}.png")
            samples.append(Sample(path, int(method != "real"), method, identities=(str(number),), split=split))
    manifest.write(samples, tmp_path / "data" / "manifest.parquet")
    for name in ("meso4", "steg-svm"):
        (tmp_path / f"{name}.toml").write_text(toy_training(name))
    path = tmp_path / "compare.toml"
    path.write_text(RECIPE.format(manifest=tmp_path / "data" / "manifest.parquet"))
    return path


def _compare(recipe: Path, **options: object) -> tuple[Path, list[str]]:
    said: list[str] = []
    table = compare(recipe, recipe.parent / "out", progress=False, say=said.append, **options)  # type: ignore[arg-type]
    return table, said


def test_everything_is_done_once(recipe: Path) -> None:
    page = recipe.parent / "docs" / "page.md"
    table, said = _compare(recipe, page_file=page)
    assert [line.rpartition(": ")[2] for line in said] == ["trained"] * 3
    found = pl.read_csv(table)
    assert set(found["detector"]) == {"meso4", "steg-svm"}
    assert set(found["slice"]) == {"seen", "unseen", "fall", "method blur", "method white", "family white"}
    assert found.filter(pl.col("detector") == "meso4")["seeds"].unique().to_list() == [2]
    text = page.read_text()
    for part in ("## Standings", "written by hand", "It is a toy.", "0.9 in a paper", "## Sizes", "SHA-256"):
        assert part in text or part.capitalize() in text
    assert (page.parent / "page.png").stat().st_size > 5000

    before = {file: file.stat().st_mtime_ns for file in (recipe.parent / "out" / "runs").rglob("*.safetensors")}
    assert len(before) == 3
    again, said = _compare(recipe)
    assert [line.rpartition(": ")[2] for line in said] == ["trained before"] * 3
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert pl.read_csv(again).equals(found)


def test_a_change_costs_only_the_runs_it_changes(recipe: Path) -> None:
    _compare(recipe)
    meso4 = recipe.parent / "meso4.toml"
    meso4.write_text(meso4.read_text().replace("batch_pairs = 2", "batch_pairs = 1"))
    _, said = _compare(recipe)
    assert [line.rpartition(": ")[2] for line in said] == ["trained", "trained", "trained before"]


def test_what_decides_a_run_is_in_its_name(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        settings = comparison.config.load(recipe, CompareRecipe)
        return [run.folder.name for run in comparison.plan(settings, recipe, Path("out"))]

    first = names()
    assert first[0].startswith("meso4-1-")
    assert len(set(first)) == 3
    recipe.write_text(recipe.read_text().replace('"optim.epochs=1"', '"optim.epochs=1", "trainer.threads=2"'))
    assert names() == first, "which machine does the work does not matter"
    monkeypatch.setattr(runs, "code_digest", lambda module: "other code")
    assert set(names()).isdisjoint(first)
    monkeypatch.undo()
    assert names() == first
    monkeypatch.setattr(runs, "VERSION", 2)
    assert set(names()).isdisjoint(first)


def test_a_run_that_fails_is_named_and_stops_no_other(recipe: Path) -> None:
    bad = recipe.parent / "meso4.toml"
    bad.write_text(bad.read_text().replace("[optim]", "[loss]\nkind = 'halves'\n[optim]"))
    page = recipe.parent / "page.md"
    table, said = _compare(recipe, page_file=page)
    assert "failed: loss.kind 'halves'" in said[0]
    assert set(pl.read_csv(table)["detector"]) == {"steg-svm"}
    assert "## Failed" in page.read_text()
    with pytest.raises(FacewitnessError, match="not one run could be finished"):
        compare(recipe, recipe.parent / "other", only=["meso4"], progress=False, say=lambda _: None)


def test_a_run_that_was_stopped_goes_on(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facewitness.training import supervised

    def stop(module: supervised.Supervised) -> None:
        if module.current_epoch == 1:
            raise KeyboardInterrupt

    recipe.write_text(recipe.read_text().replace("optim.epochs=1", "optim.epochs=2"))
    with monkeypatch.context() as patch:
        patch.setattr(supervised.Supervised, "on_train_epoch_start", stop)
        with pytest.raises(KeyboardInterrupt):
            _compare(recipe, only=["meso4"])
    _, said = _compare(recipe, only=["meso4"])
    assert [line.rpartition(": ")[2] for line in said] == ["trained to its end", "trained"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('seen = ["blur"]', 'seen = ["blurr"]'), "no fake of the method 'blurr'; it has blur, white"),
        (('recipe = "steg-svm.toml"', 'recipe = "meso4.toml"\nseeds = [1]'), "meso4, seed 1 stands in it twice"),
        (("common =", "comon ="), "did you mean 'common'"),
        (("optim.epochs=1", "optim.epoch=1"), "did you mean 'epochs'"),
    ],
)
def test_a_wrong_recipe_is_refused_before_anything_is_trained(
    change: tuple[str, str], message: str, recipe: Path
) -> None:
    text = recipe.read_text().replace('set = ["optim.optimizer=svm"]', "") if "meso4" in change[1] else None
    recipe.write_text((text or recipe.read_text()).replace(*change))
    with pytest.raises(RecipeError, match=message):
        _compare(recipe)
    assert not (recipe.parent / "out").exists()


def test_an_unknown_name_is_refused(recipe: Path) -> None:
    with pytest.raises(RecipeError, match="no detector 'vgg'; it has meso4, steg-svm"):
        _compare(recipe, only=["vgg"])


def test_the_digest_of_the_code_knows_what_matters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "nets_toy"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("facewitness.experiments.code.NETS", "nets_toy")
    (package / "__init__.py").write_text("")
    digests = []
    for a, b in (
        ('"""Words."""\nfrom nets_toy.b import x\n', "x = 1\n"),
        ('"""Other words."""\n\n# more\nfrom nets_toy.b import x\n', "x = 1  # one\n"),
        ('"""Words."""\nfrom nets_toy.b import x\n', "x = 2\n"),
        ('"""Words."""\nfrom nets_toy.b import x, y\n', "x = 1\n"),
    ):
        (package / "a.py").write_text(a)
        (package / "b.py").write_text(b)
        digests.append(code_digest("nets_toy.a"))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
