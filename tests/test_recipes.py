"""Every recipe of the project fits its model, and says what its comment promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewitness.config import load
from facewitness.detectors import zoo
from facewitness.experiments.compare import CompareRecipe
from facewitness.experiments.lae import ExperimentsRecipe
from facewitness.experiments.trials.lab import channels_of
from facewitness.experiments.trials.recipe import TrialsRecipe
from facewitness.forge.build import BuildRecipe
from facewitness.forge.manipulations import attribute
from facewitness.forge.methods import METHODS
from facewitness.training.generators.recipe import ForgerRecipe, defaults
from facewitness.training.generators.tasks import TASKS
from facewitness.training.lae.recipe import LaeRecipe
from facewitness.training.recipe import TrainRecipe
from facewitness.training.search.recipe import SearchRecipe

FOLDER = Path(__file__).parents[1] / "src/facewitness/recipes"
RECIPES = sorted(FOLDER.glob("*.toml"))
SHIPPED = load(FOLDER / "default-cpu.toml", TrainRecipe).forge.methods


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid(path: Path) -> None:
    recipe = load(path, TrainRecipe)
    assert recipe.net.entry in zoo.ARCHITECTURES
    assert set(recipe.forge.methods) <= set(METHODS)
    assert recipe.trained_on
    assert recipe.licence


@pytest.mark.parametrize("method", SHIPPED)
def test_a_left_out_method_is_left_out_and_so_is_it_from_what_the_run_starts_from(method: str) -> None:
    recipe = load(FOLDER / f"without-{method}-cpu.toml", TrainRecipe)
    assert method not in recipe.forge.methods
    assert set(recipe.forge.methods) == set(SHIPPED) - {method}
    if recipe.net.init != "random":
        assert method not in load(FOLDER / f"{Path(recipe.net.init).name}.toml", TrainRecipe).forge.methods


@pytest.mark.parametrize("name", TASKS)
def test_the_recipe_for_a_gpu_fits_every_network(name: str) -> None:
    recipe = load(FOLDER / "forge" / "fit" / "gpu.toml", ForgerRecipe, defaults=defaults(TASKS[name]))
    assert recipe.method == name
    assert recipe.data.groups == TASKS[name].groups
    assert recipe.data.size_px % 2**recipe.net.depth == 0


@pytest.mark.parametrize("path", sorted((FOLDER / "forge").glob("*.toml")), ids=lambda path: path.stem)
def test_a_recipe_of_a_test_bed_is_valid(path: Path) -> None:
    recipe = load(path, BuildRecipe)
    assert set(recipe.methods) <= set(METHODS)
    assert sum(recipe.counts.model_dump().values()) > 0


@pytest.mark.parametrize("path", sorted((FOLDER / "compare").glob("*.toml")), ids=lambda path: path.stem)
def test_a_comparison_names_recipes_that_fit(path: Path) -> None:
    recipe = load(path, CompareRecipe)
    names = [load(path.parent / one.recipe, TrainRecipe, (*recipe.common, *one.set)).name for one in recipe.detector]
    assert len(names) == len(set(names))
    assert set(recipe.seen) <= set(METHODS)


def test_the_zoos_comparison_has_every_entry_that_has_no_experiments_of_its_own() -> None:
    path = FOLDER / "compare" / "zoo.toml"
    recipe = load(path, CompareRecipe)
    names = {load(path.parent / one.recipe, TrainRecipe, one.set).net.entry for one in recipe.detector}
    assert names == {
        name for name in zoo.ARCHITECTURES if name not in ("lae", "add") and not name.startswith("fakelocator-")
    }


@pytest.mark.parametrize("path", sorted((FOLDER / "lae").glob("*.toml")), ids=lambda path: path.stem)
def test_lae_recipes_are_valid(path: Path) -> None:
    if not path.stem.startswith("experiments"):
        assert load(path, LaeRecipe).net.entry == "lae"
        return
    recipe = load(path, ExperimentsRecipe)
    stage_one = path.parent / recipe.stage_one
    for overrides in (*recipe.ablations.values(), *recipe.weights.values(), ()):
        assert load(stage_one, LaeRecipe, (*recipe.common, *overrides)).net.entry == "lae"
    for one in recipe.baselines:
        load(path.parent / one.recipe, TrainRecipe, (*recipe.baselines_common, *one.set))


@pytest.mark.parametrize("path", sorted((FOLDER / "add").glob("search*.toml")), ids=lambda path: path.stem)
def test_a_search_is_valid(path: Path) -> None:
    recipe = load(path, SearchRecipe)
    own = "adam" if path.stem == "search-cpu" else "sgd"  # the paper's
    assert (recipe.optim.optimizer, recipe.loss.kind) == (own, "potential")
    assert len(recipe.search.operations) == 11


@pytest.mark.parametrize(
    "path",
    sorted(path for paper in ("fakelocator", "add") for path in (FOLDER / paper).glob("experiments*.toml")),
    ids=lambda path: path.parent.name,
)
def test_experiments_name_trainings_that_fit(path: Path) -> None:
    recipe = load(path, TrialsRecipe)
    changes = {"attribute-transposed", "attribute-nearest", "attribute-bilinear"}
    kinds = {*METHODS, *(f"{method}/{part}" for method in changes for part in attribute.PARTS)}
    for search in recipe.search:
        assert load(path.parent / search.recipe, SearchRecipe, search.set).loss.kind == "potential"
    for trial in recipe.trial:
        training = load(path.parent / trial.recipe, TrainRecipe, [*recipe.common, *trial.set])
        assert training.net.entry in zoo.ARCHITECTURES
        assert set(trial.methods) <= kinds
        assert trial.parameters is None or channels_of(training.net.args, trial.parameters) > 2
        assert not trial.cells or trial.cells in {search.name for search in recipe.search}
    named = {trial.name for trial in recipe.trial}
    for sheet in recipe.table:
        assert set(sheet.trials) <= named
        assert {method for group in sheet.judged.values() for method in group} <= kinds
