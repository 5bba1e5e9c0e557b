"""``facewitness case``: check a case file that a scan has written."""

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.options import STYLE

case_app = typer.Typer(**STYLE)


@case_app.command(epilog="Example: facewitness case verify case-17")
def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="What `scan --case` wrote.")
    ],
) -> None:
    """Check that every file of a case is as it was; name what is changed, missing or additional.

    The exit code is 0 where all is as it was, and 1 where it is not.
    """
    from facewitness import storage
    from facewitness.scanning import checksums

    differences = checksums.verify(folder)
    for difference in differences:
        typer.echo(f"{difference.what}: {difference.path}")
    if differences:
        raise typer.Exit(1)
    typer.echo(f"every file is as it was; SHA-256 of {checksums.NAME}: {storage.sha256(folder / checksums.NAME)}")


@case_app.callback()
def _group() -> None:
    """Hold the subcommands."""
