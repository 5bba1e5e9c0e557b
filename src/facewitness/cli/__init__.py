"""The door for people who type: parse, call one function, show what came back.

Nothing is decided here that a caller of the library would miss. Every import that costs time is inside the command that
needs it, so that ``facewitness --help`` answers at once and a scan never loads what only training needs.

Exit codes: 0 done; 1 it could not be done (one line on stderr says why and what to do); 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from facewitness import __version__
from facewitness.cli import output
from facewitness.cli.data import data_app
from facewitness.cli.errors import (
    STYLE,
    CommandGroup,
    DetectorOption,
    ManifestArgument,
    PageOption,
    QuietOption,
    RecipeArgument,
    ResumeOption,
    RunOption,
    SetOption,
    WorkersOption,
    check_choice,
    check_detector,
)
from facewitness.cli.experiment import experiment_app
from facewitness.cli.forge import forge_app
from facewitness.cli.lae import lae_app
from facewitness.cli.recipes import recipes_app
from facewitness.cli.study import study_app

app = typer.Typer(
    cls=CommandGroup,
    help="Find and locate face forgeries that the detector has never seen.",
    epilog="Example: facewitness scan photo.jpg holiday/ --out report",
    add_completion=False,
    pretty_exceptions_enable=False,
    **STYLE,
)
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


@app.command(epilog="Example: facewitness scan photo.jpg holiday/ --out report", no_args_is_help=True)
def scan(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", exists=True, readable=False, help="Photographs and folders of them."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder for the report.")],
    detector: DetectorOption = "default",
    workers: WorkersOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Find, score and locate every face; write a report.

    OUT/report.html is for reading, OUT/results.jsonl for programs (one object per file), OUT/overlays/ holds the maps.
    A scan that was stopped goes on where it was when the same command is typed again.
    """
    check_detector(detector)
    from facewitness.scanning.pipeline import scan_paths

    summary = scan_paths(
        paths, out, detector, workers=workers, progress=not quiet, command=["facewitness", *sys.argv[1:]]
    )
    if not quiet:
        output.scan_summary(summary)


@app.command(epilog="Example: facewitness train default-cpu --set optim.epochs=5")
def train(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a detector from a recipe into a run folder. Needs the extra `train`."""
    from facewitness.training.train import train as run_training

    run = run_training(recipe, out, overrides or (), resume=resume, progress=not quiet)
    typer.echo(f"run folder: {run}")


@app.command(epilog="Example: facewitness search add/search-cpu --out runs/search")
def search(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Let the data choose the cells of a detector (ADD). Needs the extra `train`.

    OUT/genotype.json is what was found: train it with --set net.args.genotype=OUT/genotype.json. OUT/cells.png draws
    it, OUT/alphas.png shows how it came about, OUT/genotypes.jsonl has the cells of every epoch.
    """
    from facewitness.training.search.run import search as run_search

    folder = run_search(recipe, out, overrides or (), resume=resume, progress=not quiet)
    typer.echo(f"genotype: {folder / 'genotype.json'}; drawn: {folder / 'cells.png'}")


@app.command(epilog="Example: facewitness export runs/mine detectors/mine")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", exists=True, file_okay=False, help="A run folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for model.onnx and card.json.")],
) -> None:
    """Turn a run folder into ONNX and a card. Needs the extra `train`."""
    from facewitness.detectors.export import export_run

    typer.echo(f"exported: {export_run(run, out)}")


@app.command(epilog="Example: facewitness evaluate forged/manifest.parquet --out scores --page page.md")
def evaluate(
    manifest: ManifestArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder for scores and table.")
    ],
    detector: DetectorOption = "default",
    split: Annotated[str, typer.Option(metavar="NAME", help="train, val, test or all.")] = "test",
    page: PageOption = None,
    readme: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Put a short table between the marks of a file."
        ),
    ] = None,
    left_out: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD=DETECTOR", help="A detector trained without a method, judged on it; repeatable."),
    ] = None,
    trained_on: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD", help="A method the detector has seen; repeatable; all if left out."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the bootstrap.")] = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure a detector on a manifest: one tidy table with intervals.

    OUT/table.csv has a row for each number of each method and source; OUT/scores.parquet a row for each photograph.
    """
    check_detector(detector)
    check_choice(split, ("train", "val", "test", "all"), "--split")
    others = dict(_pair(text) for text in left_out or ())
    from facewitness.evaluation.evaluate import evaluate as run_evaluation

    table = run_evaluation(
        manifest,
        detector,
        out,
        split=split,
        seed=seed,
        workers=workers,
        progress=not quiet,
        command=["facewitness", *sys.argv[1:]],
        page=page,
        readme=readme,
        left_out=others,
        trained_on=trained_on or None,
    )
    output.auc_by_method(table.with_suffix(".csv"))
    typer.echo(f"table: {table.with_suffix('.csv')}" + (f"; page: {page}" if page else ""))


app.add_typer(study_app)
app.add_typer(
    experiment_app,
    name="experiment",
    help="Train and judge many detectors by one recipe, and report.",
    epilog="Example: facewitness experiment run experiments/zoo -j 2",
)


@app.command("import", epilog="Example: facewitness import mesonet Meso4_DF.h5 --out detectors/meso4-df")
def import_(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="mesonet, classnseg or xception.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The published weights.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder for the detector.")],
    channels: Annotated[
        str, typer.Option(metavar="ORDER", help="rgb, or bgr for weights trained on pictures read by OpenCV.")
    ] = "rgb",
) -> None:
    """Turn published weights into a detector that scans. Needs the extra `train`."""
    check_choice(system, ("mesonet", "classnseg", "xception"), "SYSTEM")
    check_choice(channels, ("rgb", "bgr"), "--channels")
    from facewitness.detectors.published_weights import import_weights

    folder = import_weights(system, files, out, channels=channels)
    typer.echo(f"detector: {folder}; it is not calibrated: its scores carry no verdict")


@app.command(epilog="Examples: facewitness detectors; facewitness detectors default; facewitness detectors --measure")
def detectors(
    name: Annotated[str | None, typer.Argument(metavar="NAME|FOLDER", help="Show this card in full.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure how fast each is here (minutes); needs the extra `train`.")
    ] = False,
) -> None:
    """List the detectors at hand, or show one card in full."""
    from facewitness.detectors import cards, throughput, zoo

    if name is not None:
        if not Path(name).is_dir():
            check_choice(name, zoo.names(), "NAME|FOLDER", "or name a folder with a card.json")
        output.columns(list(output.flat(asdict(cards.read(Path(name)) if Path(name).is_dir() else zoo.card(name)))))
        return
    if measure:
        for known in zoo.names():
            typer.echo(f"measuring {known} ...", err=True)
            throughput.measure(known)
    output.zoo([(known, zoo.card(known), throughput.known(known)) for known in zoo.names()])


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="facewitness")


def _pair(text: str) -> tuple[str, str]:
    method, separator, detector = text.partition("=")
    if not (separator and method and detector):
        raise typer.BadParameter(f"{text!r} is not of the form METHOD=DETECTOR", param_hint="--left-out")
    check_detector(detector, "--left-out")
    return method, detector
