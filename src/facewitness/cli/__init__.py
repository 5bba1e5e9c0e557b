"""The command line: parse, call one function, show what came back.

Nothing is decided here that a caller of the library would miss. Every import that costs time is inside the command that
needs it, so that ``facewitness --help`` answers at once and a scan never loads what only training needs.

Exit codes: 0 done; 1 it could not be done (one line on stderr says why and what to do); 2 wrong usage; 130 interrupted;
3, 4 and 5 what ``scan --fail-on`` asks for.
"""

from typing import Annotated

import typer

from facewitness import __version__
from facewitness.cli.calibrate import calibrate_app
from facewitness.cli.case import case_app
from facewitness.cli.data import data_app
from facewitness.cli.detectors import detectors_app
from facewitness.cli.errors import CommandGroup
from facewitness.cli.evaluate import evaluate_app
from facewitness.cli.experiment import experiment_app
from facewitness.cli.forge import forge_app
from facewitness.cli.options import STYLE
from facewitness.cli.recipes import recipes_app
from facewitness.cli.scan import scan_app
from facewitness.cli.serve import serve_app
from facewitness.cli.train import lae_app, train_app

app = typer.Typer(
    cls=CommandGroup,
    help="Detects and locates manipulated faces in photographs; how far that holds for methods absent from training is "
    "measured in its documentation.",
    epilog="Example: facewitness scan photo.jpg holiday/ --out report",
    pretty_exceptions_enable=False,
    **STYLE,
)


def _add(group: typer.Typer, name: str, summary: str, example: str) -> None:
    app.add_typer(group, name=name, help=summary, epilog=f"Example: facewitness {name} {example}")


app.add_typer(scan_app)
app.add_typer(serve_app)
app.add_typer(calibrate_app)
_add(case_app, "case", "Check a case file.", "verify case-17")
_add(forge_app, "forge", "Make forgeries with exact masks.", "photos/ --out forged --method selfblend")
_add(data_app, "data", "Prepare, audit, divide and show data sets.", "audit forged/manifest.parquet")
app.add_typer(train_app)
_add(
    lae_app,
    "lae",
    "LAE: train, ask for masks, finetune with what was painted.",
    "select runs/lae --masks 100 --out to-paint",
)
_add(recipes_app, "recipes", "List and copy the recipes that come with the package.", "copy zoo/xception my-recipes")
_add(evaluate_app, "evaluate", "Measure a detector on labelled photographs.", "forged --out scores --report report.md")
_add(
    experiment_app,
    "experiment",
    "Train and judge many detectors by one recipe, and report.",
    "run experiments/zoo -j 2",
)
app.add_typer(detectors_app)


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


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="facewitness")
