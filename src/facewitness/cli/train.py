"""``facewitness train`` and ``facewitness search``: a detector from a recipe, cells from data."""

import typer

from facewitness.cli.options import STYLE, QuietOption, RecipeArgument, ResumeOption, RunOption, SetOption
from facewitness.cli.progress import progress_bars

train_app = typer.Typer(**STYLE)


@train_app.command(epilog="Example: facewitness train default-cpu --set optim.epochs=5")
def train(
    recipe: RecipeArgument,
    out: RunOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a detector from a recipe into a run folder. Needs the extra `train`."""
    from facewitness.training.train import train as run_training

    with progress_bars(quiet) as progress:
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
    """Let the data choose the cells of a detector (ADD). Needs the extra `train`.

    OUT/genotype.json is what was found: train it with --set net.args.genotype=OUT/genotype.json. OUT/cells.png draws
    it, OUT/alphas.png shows how it came about, OUT/genotypes.jsonl has the cells of every epoch.
    """
    from facewitness.training.search.run import search as run_search

    with progress_bars(quiet) as progress:
        folder = run_search(recipe, out, overrides or (), resume=resume, progress=progress)
    typer.echo(f"genotype: {folder / 'genotype.json'}; drawn: {folder / 'cells.png'}")
