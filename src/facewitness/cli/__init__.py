"""The command line: parse, call one function, show what came back.

Nothing is decided here that a caller of the library would miss. Every import that costs time is inside the command that
needs it, so that ``facewitness --help`` answers at once and a scan never loads what only training needs.

Exit codes: 0 done; 1 it could not be done (one line on stderr says why and what to do); 2 wrong usage; 130 interrupted.
"""

from typing import Annotated

import typer

from facewitness import __version__
from facewitness.cli.data import data_app
from facewitness.cli.detectors import detectors_app
from facewitness.cli.errors import CommandGroup
from facewitness.cli.evaluate import evaluate_app
from facewitness.cli.experiment import experiment_app
from facewitness.cli.forge import forge_app
from facewitness.cli.lae import lae_app
from facewitness.cli.options import STYLE
from facewitness.cli.recipes import recipes_app
from facewitness.cli.scan import scan_app
from facewitness.cli.train import train_app

app = typer.Typer(
    cls=CommandGroup,
    help="Find and locate face forgeries that the detector has never seen.",
    epilog="Example: facewitness scan photo.jpg holiday/ --out report",
    add_completion=False,
    pretty_exceptions_enable=False,
    **STYLE,
)
app.add_typer(scan_app)
app.add_typer(
    forge_app,
    name="forge",
    help="Make forgeries with exact masks.",
    epilog="Example: facewitness forge photos/ --out forged --method selfblend",
)
app.add_typer(
    data_app,
    name="data",
    help="Prepare, audit, divide and show data sets.",
    epilog="Example: facewitness data audit forged/manifest.parquet",
)
app.add_typer(train_app)
app.add_typer(
    lae_app,
    name="lae",
    help="LAE: train, ask for masks, finetune with what was painted.",
    epilog="Example: facewitness lae select runs/lae --masks 100 --out to-paint",
)


app.add_typer(
    recipes_app,
    name="recipes",
    help="List and copy the recipes that come with the package.",
    epilog="Example: facewitness recipes copy zoo/xception my-recipes",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facewitness {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


app.add_typer(
    evaluate_app,
    name="evaluate",
    help="Measure a detector on labelled photographs.",
    epilog="Example: facewitness evaluate forged --out scores --page page.md",
)
app.add_typer(
    experiment_app,
    name="experiment",
    help="Train and judge many detectors by one recipe, and report.",
    epilog="Example: facewitness experiment run experiments/zoo -j 2",
)


app.add_typer(detectors_app)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="facewitness")
