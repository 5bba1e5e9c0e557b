"""``facewitness train``, ``search`` and ``lae``: a detector from a recipe, cells from data, masks asked for."""

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.options import (
    STYLE,
    QuietOption,
    RecipeArgument,
    ResumeOption,
    RunOption,
    SetOption,
    check_choice,
    out_folder,
)

train_app = typer.Typer(**STYLE)
lae_app = typer.Typer(**STYLE)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", exists=True, file_okay=False, help="A run of LAE.")]


@train_app.command(epilog="Example: facewitness train base-cpu --set optim.epochs=5")
def train(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a detector from a recipe into a run folder. Needs the extra `train`."""
    from facewitness.training.train import train as run_training

    with output.progress_bars(quiet) as progress:
        run = run_training(recipe, out, overrides or (), resume=resume, progress=progress)
    typer.echo(f"run folder: {run}")


@train_app.command(epilog="Example: facewitness search add/search-cpu --out runs/search")
def search(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search the cells of a detector on data (ADD). Needs the extra `train`.

    OUT/genotype.json is what was found: train it with --set net.args.genotype=OUT/genotype.json. OUT/cells.png draws
    it, OUT/alphas.png shows how it came about, OUT/genotypes.jsonl has the cells of every epoch.
    """
    from facewitness.training.search.run import search as run_search

    with output.progress_bars(quiet) as progress:
        folder = run_search(recipe, out, overrides or (), resume=resume, progress=progress)
    typer.echo(f"genotype: {folder / 'genotype.json'}; drawn: {folder / 'cells.png'}")


@lae_app.command("train", epilog="Example: facewitness lae train lae/swap --out runs/lae")
def lae_train(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train stage 1: reconstruction and latent space. Needs the extra `train`."""
    from facewitness.training.lae.run import train as run_training

    with output.progress_bars(quiet) as progress:
        folder = run_training(recipe, out, overrides or (), resume=resume, progress=progress)
    typer.echo(f"run folder: {folder}")


@lae_app.command("select", epilog="Example: facewitness lae select runs/lae --masks 100 --out to-paint")
def lae_select(
    run: RunArgument,
    masks: Annotated[int, typer.Option("--masks", "-n", metavar="N", min=1, help="How many to ask for.")],
    out: Annotated[Path, out_folder("Folder to paint in.")],
    choice: Annotated[
        str | None, typer.Option(metavar="HOW", help="active or random; as the recipe says if left out.")
    ] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="Paint from the manifest's own regions.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Choose the forged faces to paint a mask for, and write them out. Needs the extra `train`."""
    if choice is not None:
        check_choice(choice, ("active", "random"), "--choice")
    from facewitness.training.lae.run import select as run_selection

    with output.progress_bars(quiet) as progress:
        folder = run_selection(run, masks, out, choice=choice, oracle=oracle, progress=progress)
    typer.echo(f"to paint: {folder} (README.txt in it says how)" if not oracle else f"painted: {folder}")


@lae_app.command(
    "finetune", epilog="Example: facewitness lae finetune runs/lae --masks to-paint --out runs/lae-finetuned"
)
def lae_finetune(
    run: RunArgument,
    out: Annotated[Path, out_folder("The new run folder.")],
    masks: Annotated[
        Path | None, typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="What was painted.")
    ] = None,
    oracle: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Take so many masks from the manifest instead.")
    ] = None,
    overrides: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train stage 2: teach the encoder's attention with masks. Needs the extra `train`."""
    if (masks is None) == (oracle is None):
        raise typer.BadParameter("give one of them", param_hint="--masks FOLDER or --oracle N")
    from facewitness.training.lae.run import finetune as run_finetuning

    with output.progress_bars(quiet) as progress:
        folder = run_finetuning(run, out, masks=masks, oracle=oracle, overrides=overrides or (), progress=progress)
    typer.echo(f"run folder: {folder}")
