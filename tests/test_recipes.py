"""Every recipe of the project fits its model, and says what its comment promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from forgesight.config import load
from forgesight.detectors import zoo
from forgesight.forge.lab import METHODS
from forgesight.training.recipe import TrainRecipe

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_valid(path: Path) -> None:
    recipe = load(path, TrainRecipe)
    assert recipe.net.entry in zoo.ARCHITECTURES
    assert set(recipe.forge.methods) <= set(METHODS)
    assert recipe.trained_on
    assert recipe.licence


@pytest.mark.parametrize("method", METHODS)
def test_a_left_out_method_is_left_out_and_so_is_it_from_what_the_run_starts_from(method: str) -> None:
    folder = RECIPES[0].parent
    recipe = load(folder / f"without-{method}-cpu.toml", TrainRecipe)
    assert method not in recipe.forge.methods
    assert len(recipe.forge.methods) == len(METHODS) - 1
    if recipe.net.init != "random":
        assert method not in load(folder / f"{Path(recipe.net.init).name}.toml", TrainRecipe).forge.methods
