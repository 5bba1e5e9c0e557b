"""Every recipe of the project fits its model, and says what its comment promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewitness.config import load
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.experiments import recipe as experiments
from facewitness.experiments.plan import channels_of, recipe_model
from facewitness.forge.build import BuildRecipe
from facewitness.forge.manipulations import attribute
from facewitness.forge.methods import METHODS
from facewitness.training.generators.recipe import GeneratorRecipe, defaults
from facewitness.training.generators.tasks import TASKS
from facewitness.training.lae.recipe import LaeRecipe
from facewitness.training.recipe import TrainRecipe
from facewitness.training.search.recipe import SearchRecipe

FOLDER = Path(__file__).parents[1] / "src/facewitness/recipes"
RECIPES = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid(path: Path) -> None:
    recipe = load(path, TrainRecipe)
    assert recipe.net.entry in ARCHITECTURES
    assert set(recipe.forge.methods) <= set(METHODS)
    assert recipe.trained_on
    assert recipe.licence


SOFTWARE = {"attgan", "deepfacelab-swap", "flux1-schnell", "sdxl", "stylegan2"}  # whose forgeries wild.csv lists
ABLATION = experiments.load(FOLDER / "experiments" / "ablation.toml")
LEFT_OUT = next(section for section in ABLATION.section if section.kind == "methods").left_out
RELATIVES = {
    "faceswap": {"faceswap", "faceswap-poisson"},
    "reconstruct-shuffle-8": {name for name in METHODS if name.startswith("reconstruct-")},
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_family_is_left_out_with_its_relatives_and_the_net_starts_from_what_never_saw_one(name: str) -> None:
    run = next(run for run in ABLATION.run if run.name == name)
    whole = next(run for run in ABLATION.run if run.name == "all families")
    recipes = [load(FOLDER / "base-cpu.toml", TrainRecipe, one.set) for one in (run, whole)]
    left, full = ({method for method, share in one.forge.methods.items() if share} for one in recipes)
    hidden = {kind for method in LEFT_OUT[name] for kind in RELATIVES.get(method, {method})}
    assert left == {kind for kind in full if not kind.startswith("reconstruct-")} - hidden
    assert set(run.methods) == set(whole.methods) - hidden
    assert (left, run.methods) != (full, whole.methods)
    assert recipes[0].net.init == "imagenet"


@pytest.mark.parametrize("name", TASKS)
def test_the_recipe_for_a_gpu_fits_every_network(name: str) -> None:
    recipe = load(FOLDER / "generators" / "gpu.toml", GeneratorRecipe, defaults=defaults(TASKS[name]))
    assert recipe.method == name
    assert recipe.data.groups == TASKS[name].groups
    assert recipe.data.size_px % 2**recipe.net.depth == 0


@pytest.mark.parametrize("path", sorted((FOLDER / "forge").glob("*.toml")), ids=lambda path: path.stem)
def test_a_recipe_of_a_test_bed_is_valid(path: Path) -> None:
    recipe = load(path, BuildRecipe)
    assert set(recipe.methods) <= set(METHODS)
    assert sum(recipe.counts.model_dump().values()) > 0


@pytest.mark.parametrize("path", sorted((FOLDER / "lae").glob("*.toml")), ids=lambda path: path.stem)
def test_lae_recipes_are_valid(path: Path) -> None:
    assert load(path, LaeRecipe).net.entry == "lae"


@pytest.mark.parametrize("path", sorted((FOLDER / "add").glob("search*.toml")), ids=lambda path: path.stem)
def test_a_search_is_valid(path: Path) -> None:
    recipe = load(path, SearchRecipe)
    own = "adam" if path.stem == "search-cpu" else "sgd"  # the paper's
    assert (recipe.optim.optimizer, recipe.loss.kind) == (own, "potential")
    assert len(recipe.search.operations) == 11


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((FOLDER / "experiments").glob("*.toml")), ids=lambda path: path.stem)
def test_an_experiment_names_trainings_that_fit(path: Path) -> None:
    recipe = experiments.load(path)
    changes = {"attribute-transposed", "attribute-nearest", "attribute-bilinear"}
    kinds = {*METHODS, *SOFTWARE, *(f"{method}/{part}" for method in changes for part in attribute.PARTS)}
    for run in (run for run in recipe.run if run.kind != "finetune"):
        overrides = [*recipe.common.get(run.kind, []), *(change.replace("{seed}", "1") for change in run.set)]
        training = load(path.parent / run.recipe, recipe_model(run.kind), overrides)
        assert training.net.entry in ARCHITECTURES
        assert set(run.methods) <= kinds or path.stem.endswith("published")
        assert run.parameters is None or channels_of(training.net.args, run.parameters) > 2


def test_the_comparison_has_every_architecture_that_has_no_experiments_of_its_own() -> None:
    recipe = experiments.load(FOLDER / "experiments" / "zoo.toml")
    assert {run.name for run in recipe.run} == {
        name for name in ARCHITECTURES if name not in ("lae", "add") and not name.startswith("fakelocator-")
    }
