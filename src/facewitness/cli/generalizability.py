"""``facewitness study``: run the generalizability study, see how far it is, report it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from facewitness.cli.errors import STYLE, JobsOption, PageOption, QuietOption, RecipeArgument, SetOption, StudyOption
from facewitness.types import FacewitnessError

generalizability_app = typer.Typer(**STYLE)


@generalizability_app.command(epilog="Example: facewitness study run recipes/study/cpu.toml --only meso4")
def run(
    recipe: RecipeArgument,
    out: StudyOption = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This detector's chains only; repeatable.")
    ] = None,
    jobs: JobsOption = 1,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help='Spread chains over a Ray cluster ("local": a new one here).')
    ] = "",
    overrides: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train, judge, compare heat maps and read neurons: what is not done yet. Needs the extra `train`.

    A finished run is never repeated; what was stopped goes on; what failed is tried again the next time.
    """
    from facewitness.experiments.generalizability.work import Done, Study, work

    def say(done: Done) -> None:
        typer.echo(f"{done.run}: {'failed: ' if done.failed else ''}{done.what}")

    study = Study(recipe, out, overrides or ())
    failed = work(study, only=only or (), jobs=jobs, ray=ray, progress=not quiet, say=say)
    if failed:
        raise FacewitnessError(f"{len(failed)} steps failed; type the same command again to try them once more")
    typer.echo(f"study: {study.out}; now: facewitness study report {recipe}")


@generalizability_app.command(epilog="Example: facewitness study status recipes/study/cpu.toml")
def status(recipe: RecipeArgument, out: StudyOption = None, overrides: SetOption = None) -> None:
    """Show which trainings are finished and what is known of them."""
    from facewitness.experiments.generalizability.work import Study
    from facewitness.experiments.generalizability.work import status as read_status

    rows = read_status(Study(recipe, out, overrides or (), by_record=True))
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    for row in [{key: key for key in rows[0]}, *rows]:
        typer.echo("  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip())
    finished = sum(row["training"] == "finished" for row in rows)
    typer.echo(f"{finished} of {len(rows)} trainings finished")


@generalizability_app.command(epilog="Example: facewitness study report recipes/study/cpu.toml --page study.md")
def report(
    recipe: RecipeArgument, out: StudyOption = None, page: PageOption = None, overrides: SetOption = None
) -> None:
    """Answer the four questions from what is kept, as tables, a page of Markdown and one HTML file.

    No photograph is read; what is not trained yet is named as a gap.
    """
    from facewitness.experiments.generalizability.report import report as run_report
    from facewitness.experiments.generalizability.work import Study

    study = Study(recipe, out, overrides or (), by_record=True)
    whole = run_report(study, page, ["facewitness", *sys.argv[1:]])
    typer.echo(f"tables: {study.out}; page: {whole.with_suffix('.md')} and {whole}")
