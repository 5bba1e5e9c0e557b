"""``facewitness recipes``: list and copy the recipes that come with the package."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.options import STYLE, check_choice

recipes_app = typer.Typer(**STYLE)


@recipes_app.command("list", epilog="Example: facewitness recipes list")
def recipes_list() -> None:
    """List the packaged recipes: name, and the first line of what each says of itself."""
    from facewitness.config import packaged_recipes

    rows = [("recipe", "what it is")]
    for name, file in packaged_recipes().items():
        first = file.read_text(encoding="utf-8").partition("\n")[0]
        rows.append((name, first.removeprefix("#").strip()))
    output.columns(rows)


@recipes_app.command("copy", epilog="Example: facewitness recipes copy zoo/xception my-recipes")
def recipes_copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of `facewitness recipes list`.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder to copy into.")] = Path("recipes"),
) -> None:
    """Copy a recipe, with every recipe that it extends or names, to edit it."""
    from facewitness.config import packaged_recipes, related_recipes

    known = packaged_recipes()
    check_choice(name, known, "NAME", "see `facewitness recipes list`")
    for relative, file in related_recipes(known[name]).items():
        target = out / relative
        if target.exists():
            typer.echo(f"kept: {target} is already there")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        typer.echo(f"copied: {target}")
