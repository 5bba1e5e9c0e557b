"""Recipes: what is read, what is refused, and whether the refusal names the mend."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facewitness.config import Recipe, load
from facewitness.types import RecipeError


class Optimiser(Recipe):
    learning_rate: float = 0.1
    warmup: int = 0


class Whole(Recipe):
    name: str
    epochs: int = 1
    methods: tuple[str, ...] = ()
    optimiser: Optimiser = Optimiser()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "one"\nepochs = 3\n[optimiser]\nlearning_rate = 0.5\n', encoding="utf-8")
    return path


def test_reads_a_file_and_keeps_defaults(recipe: Path) -> None:
    assert load(recipe, Whole) == Whole(name="one", epochs=3, optimiser=Optimiser(learning_rate=0.5, warmup=0))


def test_is_frozen(recipe: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(recipe, Whole).epochs = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs=7", {"epochs": 7}),
        (" epochs = 7", {"epochs": 7}),
        ('name="two"', {"name": "two"}),
        ("name=two", {"name": "two"}),  # an unquoted word is a string
        ('methods=["a", "b"]', {"methods": ("a", "b")}),
        ("optimiser.warmup=9", {"optimiser": Optimiser(learning_rate=0.5, warmup=9)}),
        ("optimiser={warmup = 2}", {"optimiser": Optimiser(warmup=2)}),
    ],
)
def test_override(recipe: Path, override: str, expected: dict[str, Any]) -> None:
    loaded = load(recipe, Whole, [override])
    assert {key: getattr(loaded, key) for key in expected} == expected


def test_the_last_override_holds(recipe: Path) -> None:
    assert load(recipe, Whole, ["epochs=7", "epochs=8"]).epochs == 8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "is not of the form a.b=value"),
        ("=3", "is not of the form a.b=value"),
        ("epochs.more=3", "'epochs' is a value, not a section"),
        ("epochs=many", "epochs: Input should be a valid integer"),
        ("epoch=3", "unknown key 'epoch'; did you mean 'epochs'?"),
        ("optimiser.learning_rat=3", "unknown key 'optimiser.learning_rat'; did you mean 'learning_rate'?"),
        ("optimiser.zzz=3", "unknown key 'optimiser.zzz'; known keys: learning_rate, warmup"),
    ],
)
def test_a_wrong_override_names_the_mend(recipe: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        load(recipe, Whole, [override])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_mistake_is_named_at_once(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.toml: .*epochs.*; .*zzz"):
        load(recipe, Whole, ["epochs=many", "zzz=1"])


def test_a_key_that_must_be_there(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.touch()
    with pytest.raises(RecipeError, match="name: Field required"):
        load(empty, Whole)


@pytest.mark.parametrize("content", [b"epochs = ", b"\xff\xfe"])
def test_not_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"broken\.toml is not valid TOML"):
        load(path, Whole)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read recipe .*nothing\.toml: No such file"):
        load(tmp_path / "nothing.toml", Whole)


def test_a_recipe_may_extend_another(recipe: Path, tmp_path: Path) -> None:
    variant = tmp_path / "variant.toml"
    variant.write_text('extends = "recipe.toml"\nepochs = 9\n[optimiser]\nwarmup = 4\n', encoding="utf-8")
    assert load(variant, Whole) == Whole(name="one", epochs=9, optimiser=Optimiser(learning_rate=0.5, warmup=4))


def test_recipes_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.toml").write_text(f'extends = "{other}.toml"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match="extends itself"):
        load(tmp_path / "a.toml", Whole)


def test_a_missing_base_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "gone.toml"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"cannot read recipe .*gone\.toml"):
        load(tmp_path / "a.toml", Whole)
