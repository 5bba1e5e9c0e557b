"""``facewitness lae``: train, ask for masks, finetune with what was painted."""

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.options import STYLE, QuietOption, RecipeArgument, ResumeOption, RunOption, SetOption, check_choice
from facewitness.cli.progress import progress_bars

lae_app = typer.Typer(**STYLE)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", exists=True, file_okay=False, help="A run of LAE.")]


@lae_app.command(epilog="Example: facewitness lae train lae/swap --out runs/lae")
def train(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train stage 1: reconstruction and latent space. Needs the extra `train`."""
    from facewitness.training.lae.run import train as run_training

    with progress_bars(quiet) as progress:
        folder = run_training(recipe, out, overrides or (), resume=resume, progress=progress)
    typer.echo(f"run folder: {folder}")


@lae_app.command(epilog="Example: facewitness lae select runs/lae --masks 100 --out to-paint")
def select(
    run: RunArgument,
    masks: Annotated[int, typer.Option("--masks", "-n", metavar="N", min=1, help="How many to ask for.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder to paint in.")],
    choice: Annotated[
        str | None, typer.Option(metavar="HOW", help="active or random; as the recipe says if left out.")
    ] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="Paint from the manifest's own regions.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Choose the forged faces that deserve a mask and write them out to be painted."""
    if choice is not None:
        check_choice(choice, ("active", "random"), "--choice")
    from facewitness.training.lae.run import select as run_selection

    with progress_bars(quiet) as progress:
        folder = run_selection(run, masks, out, choice=choice, oracle=oracle, progress=progress)
    typer.echo(f"to paint: {folder} (README.txt in it says how)" if not oracle else f"painted: {folder}")


@lae_app.command(epilog="Example: facewitness lae finetune runs/lae --masks to-paint --out runs/lae-finetuned")
def finetune(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="The new run folder.")],
    masks: Annotated[
        Path | None, typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="What was painted.")
    ] = None,
    oracle: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Let the manifest answer for so many masks instead.")
    ] = None,
    overrides: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train stage 2: teach the encoder's attention with masks. Needs the extra `train`."""
    if (masks is None) == (oracle is None):
        raise typer.BadParameter("give one of them", param_hint="--masks FOLDER or --oracle N")
    from facewitness.training.lae.run import finetune as run_finetuning

    with progress_bars(quiet) as progress:
        folder = run_finetuning(run, out, masks=masks, oracle=oracle, overrides=overrides or (), progress=progress)
    typer.echo(f"run folder: {folder}")
