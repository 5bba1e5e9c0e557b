"""``facewitness experiment``: run a recipe of experiments, see how far it is, report it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facewitness.cli import output
from facewitness.cli.options import STYLE, JobsOption, QuietOption, RecipeArgument, ReportOption, SetOption, StudyOption
from facewitness.types import FacewitnessError

if TYPE_CHECKING:
    from facewitness.experiments.runner import Outcome

experiment_app = typer.Typer(**STYLE)


@experiment_app.command(epilog="Example: facewitness experiment run experiments/generalizability -j 2 --only meso4")
def run(
    recipe: RecipeArgument,
    out: StudyOption = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="This run, label or group only, and what initializes it; repeatable."),
    ] = None,
    jobs: JobsOption = 1,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help='Spread runs over a Ray cluster ("local": a new one here).')
    ] = "",
    overrides: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train, judge and analyse what is not done yet. Needs the extra `train`.

    A finished run is never repeated; what was stopped goes on; what failed is tried again the next time.
    """
    from facewitness.experiments.plan import Plan
    from facewitness.experiments.runner import run_experiment

    def report(outcome: Outcome) -> None:
        typer.echo(f"{outcome.step}: {outcome.text}")

    plan = Plan(recipe, out, overrides or ())
    with output.progress_bars(quiet) as progress:
        failed = run_experiment(plan, only=only or (), jobs=jobs, ray_address=ray, progress=progress, report=report)
    if failed:
        raise FacewitnessError(f"{len(failed)} steps failed; type the same command again to try them once more")
    typer.echo(f"experiment: {plan.out}; next: facewitness experiment report {recipe}")


@experiment_app.command(epilog="Example: facewitness experiment status experiments/generalizability")
def status(recipe: RecipeArgument, out: StudyOption = None, overrides: SetOption = None) -> None:
    """Show which runs are finished, judged and analysed."""
    from facewitness.experiments.plan import Plan
    from facewitness.experiments.runner import status as read_status

    rows = read_status(Plan(recipe, out, overrides or (), trust_record=True))
    output.columns([tuple(rows[0]), *(tuple(row.values()) for row in rows)])
    finished = sum(row["training"] == "finished" for row in rows)
    typer.echo(f"{finished} of {len(rows)} trainings finished")


@experiment_app.command(epilog="Example: facewitness experiment report experiments/zoo --report docs/results/zoo.md")
def report(
    recipe: RecipeArgument,
    out: StudyOption = None,
    report_file: ReportOption = None,
    cards: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write a model card for every architecture of the zoo."),
    ] = None,
    overrides: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write tables, figures and a report from what is finished; what is missing is named.

    OUT/table.csv has a row for each number. The report is Markdown with its figures beside it, and one HTML file.
    """
    from facewitness.experiments.model_cards import write_cards
    from facewitness.experiments.plan import Plan
    from facewitness.experiments.report import write_report

    plan = Plan(recipe, out, overrides or (), trust_record=True)
    with output.progress_bars(quiet) as progress:
        table = write_report(plan, report_file, command=["facewitness", *sys.argv[1:]], progress=progress)
    if cards is not None:
        write_cards(cards, table.with_suffix(".parquet"), report_file)
    written = f"; report: {report_file} and {report_file.with_suffix('.html')}" if report_file else ""
    typer.echo(f"table: {table}{written}")
