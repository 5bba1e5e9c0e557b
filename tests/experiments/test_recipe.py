"""Recipes of experiments: the matrix, and names that stand for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewitness.config import packaged_recipes
from facewitness.experiments.plan import Plan
from facewitness.experiments.recipe import expand, load
from facewitness.experiments.sections import STUDIED
from facewitness.types import RecipeError
from tests.experiments import toys

MATRIX = {
    "net": [{"name": "a", "set": ["x=1", "y=2"]}, {"name": "b", "set": []}],
    "root": [{"name": "R", "last": ["p", "q"], "count": 3}],
}


def test_an_entry_is_repeated_for_every_combination_of_the_axes_it_mentions() -> None:
    entry = {
        "name": "{net.name}-{root.name}",
        "set": ["z=0", "{net.set}", "learn={root.last}"],
        "masks": "{root.count}",
    }
    found = list(expand(entry, MATRIX, "here"))
    assert found == [
        {"name": "a-R", "set": ["z=0", "x=1", "y=2", 'learn=["p", "q"]'], "masks": 3},
        {"name": "b-R", "set": ["z=0", 'learn=["p", "q"]'], "masks": 3},
    ]


def test_an_entry_without_placeholders_stands_once_and_a_seed_stays() -> None:
    assert list(expand({"name": "x-{seed}"}, MATRIX, "here")) == [{"name": "x-{seed}"}]


@pytest.mark.parametrize(
    ("entry", "message"),
    [({"name": "{nets.name}"}, "here: no axis 'nets'"), ({"name": "{net.recipe}"}, "matrix.net .* without 'recipe'")],
)
def test_what_the_matrix_lacks_is_named(entry: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        list(expand(entry, MATRIX, "here"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('runs = ["led"]', 'runs = ["lead"]'), "Small regions: no run 'lead'"),
        (('from = "plain"', 'from = "led"'), "led: no run 'led' before it"),
        (('name = "led"', 'name = "plain"'), "two entries have one name: run 'plain'"),
        (('recipe = "toy.toml"', 'recipes = "toy.toml"'), "unknown key"),
        (('kind = "degradation"', 'kind = "degraded"'), "degraded"),
        (('"recall_gray@0.1", "coss', '"recall", "coss'), "no metric 'recall'"),
    ],
)
def test_a_wrong_recipe_is_refused(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    recipe = tmp_path / "experiment.toml"
    text = toys.MAPS.format(manifest="manifest.parquet")
    assert change[0] in text
    recipe.write_text(text.replace(*change))
    with pytest.raises(RecipeError, match=message):
        load(recipe)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('from = "one"\nmasks = 2', "masks = 2"), "without: a finetuning is initialized from a run of the kind 'lae'"),
        (('from = "one"\nmasks = 2', 'from = "one"'), "without: a finetuning needs masks"),
    ],
)
def test_a_finetuning_needs_its_stage_one_and_masks(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    recipe = tmp_path / "experiment.toml"
    text = toys.MASKS.format(manifest="manifest.parquet")
    assert change[0] in text
    recipe.write_text(text.replace(*change))
    with pytest.raises(RecipeError, match=message):
        load(recipe)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe of a toy study, with its photographs beside it."""
    return toys.study(tmp_path_factory.mktemp("study"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('unseen = ["white", "dark"]', 'unseen = ["grey"]'), "no set 'grey'"),
        (('methods = ["dark"]\nsources = ["london"]\npeople', 'methods = ["blur"]\npeople'), "its very fakes"),
        (('people = "trained"', 'people = "any"'), "learns from its source"),
        (('more = ["blur", "white"]', 'more = ["blur", "grey"]'), "no fake of the method 'grey'"),
        (('sources = ["canada"]', 'sources = ["paris"]'), "no photograph of the source 'paris'"),
        (('name = "blur-other"', 'name = "dark"'), "two entries have one name: set 'dark'"),
    ],
)
def test_a_study_that_asks_for_what_is_not_there_is_refused(
    change: tuple[str, str], message: str, study: Path, tmp_path: Path
) -> None:
    text = study.read_text()
    assert change[0] in text
    recipe = study.with_name("changed.toml")
    recipe.write_text(text.replace(*change))
    with pytest.raises(RecipeError, match=message):
        Plan(recipe, tmp_path / "out")


def test_the_packaged_study_has_thirty_detectors() -> None:
    for name in ("generalizability", "generalizability-published"):
        settings = load(packaged_recipes()[f"experiments/{name}"])
        assert len([run for run in settings.run if run.group["type"] in STUDIED]) == 30
        (section,) = settings.section
        assert len(section.unseen) == 4
