"""Recipes: one TOML file plus ``--set a.b=c`` becomes a frozen, validated model. An unknown key is an error.

``extends = "other.toml"`` takes over what another recipe says, so that a variant states only what differs.

This module reads and checks. What a recipe may contain is declared by the pydantic model its verb hands in.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from facewitness.types import RecipeError


class Recipe(BaseModel):
    """A section of a recipe: frozen, and strict about keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


R = TypeVar("R", bound=Recipe)

PACKAGED = Path(__file__).resolve().with_name("recipes")
"""The folder of the recipes that come with the package."""


def packaged_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package: names such as ``zoo/xception``, sorted, and their files."""
    files = sorted(PACKAGED.rglob("*.toml"))
    return {file.relative_to(PACKAGED).with_suffix("").as_posix(): file for file in files}


def related_recipes(file: Path) -> dict[Path, Path]:
    """Return a packaged recipe and every other one that it extends or names, by path below the packaged folder."""
    waiting, found = [file.resolve()], dict[Path, Path]()
    while waiting:
        current = waiting.pop()
        if current.relative_to(PACKAGED) in found:
            continue
        found[current.relative_to(PACKAGED)] = current
        names = re.findall(r'"([^"\n]+\.toml)"', current.read_text(encoding="utf-8"))
        others = [(current.parent / name).resolve() for name in names]
        waiting += [other for other in others if other.is_file() and other.is_relative_to(PACKAGED)]
    return found


def named(path: str) -> Path:
    """Return the data that a recipe names.

    Raises:
        RecipeError: it names none.
    """
    if not path:
        raise RecipeError(
            "data.path: say which photographs: --set data.path=DATA (a folder of photographs, a folder with real/ and "
            "fake/, or a manifest)"
        )
    return Path(path)


def locate(recipe: str | Path) -> Path:
    """Return the file of a recipe, given as a path or as the name of one that comes with the package.

    Raises:
        RecipeError: it is neither.
    """
    if Path(recipe).is_file():
        return Path(recipe)
    known = packaged_recipes()
    name = Path(recipe).as_posix().removesuffix(".toml")
    if name in known:
        return known[name]
    guess = get_close_matches(name, known, 1)
    hint = f"did you mean {guess[0]!r}?" if guess else "`facewitness recipes list` names those of the package"
    raise RecipeError(f"{recipe}: neither a recipe file nor the name of a packaged recipe; {hint}")


def load(
    path: Path | None, model: type[R], overrides: Sequence[str] = (), *, defaults: Mapping[str, Any] | None = None
) -> R:
    """Read a recipe file and what it extends, apply ``a.b=c`` overrides (TOML values), validate.

    What the file does not say is taken from ``defaults``; without a file they are the recipe.

    Raises:
        RecipeError: the file or an override cannot be read, a key is unknown, or a value does not fit.
    """
    return validate(read(path, overrides, defaults=defaults), model, f"recipe {path}" if path else "recipe")


def read(
    path: Path | None, overrides: Sequence[str] = (), *, defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the values of a recipe as ``load`` finds them, not yet validated.

    Raises:
        RecipeError: the file or an override cannot be read.
    """
    data = _laid_over(defaults or {}, _read(path) if path else {})
    for override in overrides:
        _apply(data, override)
    return data


def validate(data: Mapping[str, Any], model: type[R], where: str) -> R:
    """Return the model of a recipe's values.

    Raises:
        RecipeError: a key is unknown, or a value does not fit; the message begins with ``where``.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{where}: " + "; ".join(_explain(e, model) for e in error.errors())) from error


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A recipe's values, laid key by key over those of the recipe it ``extends``."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read recipe {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} is not valid TOML: {error}") from error
    base = data.pop("extends", None)
    if base is None:
        return data
    if path in seen:
        raise RecipeError(f"recipe {path} extends itself, by way of {seen[-1]}")
    return _laid_over(_read(path.parent / str(base), (*seen, path)), data)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    whole = {key: dict(value) if isinstance(value, dict) else value for key, value in below.items()}
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        whole[key] = {**whole[key], **value} if both else value
    return whole


def _apply(data: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"override {override!r} is not of the form a.b=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # an unquoted word is a string: --set data.split=val
    *sections, last = key.strip().split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise RecipeError(f"override {override!r}: {section!r} is a value, not a section")
    data[last] = value


def _explain(error: Any, model: type[Recipe]) -> str:
    location = [str(part) for part in error["loc"]]
    if error["type"] != "extra_forbidden":
        return f"{'.'.join(location)}: {error['msg']}"
    known: list[str] = []
    fields = model.model_fields
    for part in location[:-1]:
        annotation = fields[part].annotation if part in fields else None
        fields = getattr(annotation, "model_fields", {})
    known = sorted(fields)
    guess = get_close_matches(location[-1], known, 1)
    hint = f"did you mean {guess[0]!r}?" if guess else f"known keys: {', '.join(known)}"
    return f"unknown key {'.'.join(location)!r}; {hint}"
