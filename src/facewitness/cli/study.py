"""The commands that compare: many detectors, many levels of damage, a paper's tables. They stand beside evaluate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.errors import (
    STYLE,
    DetectorOption,
    LimitOption,
    ManifestArgument,
    MethodsOption,
    PageOption,
    QuietOption,
    SplitOption,
    WorkersOption,
    check_choice,
    check_detector,
)

study_app = typer.Typer(**STYLE)


@study_app.command(epilog="Example: facewitness robustness forged/manifest.parquet --operator jpeg --out robust")
def robustness(
    manifest: ManifestArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder for rows and curves.")
    ],
    detector: DetectorOption = "default",
    split: SplitOption = "test",
    method: MethodsOption = None,
    operator: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This degradation only; repeatable; all if left out.")
    ] = None,
    limit: LimitOption = None,
    target: Annotated[
        str, typer.Option(metavar="KIND", help="Truth of a map from the damaged pair, or the damaged fake alone.")
    ] = "pair",
    page: PageOption = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of noise and of what is drawn.")] = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure how a detector and its map hold under compression, blur, noise and the like.

    OUT/curves.csv has a row for each number at each level, as it is and as its share of the undamaged one. A run that
    was stopped goes on.
    """
    from facewitness.media.degrade import OPERATORS

    check_detector(detector)
    check_choice(split, ("train", "val", "test"), "--split")
    check_choice(target, ("pair", "fake"), "--target")
    for name in operator or ():
        check_choice(name, tuple(OPERATORS), "--operator")
    from facewitness.evaluation.robustness_report import robustness as measure

    table = measure(
        manifest,
        detector,
        out,
        page=page,
        command=["facewitness", *sys.argv[1:]],
        split=split,
        methods=method or (),
        operators=operator or tuple(OPERATORS),
        limit=limit,
        target=target,
        seed=seed,
        workers=workers,
        progress=not quiet,
    )
    typer.echo(f"table: {table}" + (f"; page: {page}" if page else ""))


@study_app.command(
    epilog="Example: facewitness cluster runs/mine forged/manifest.parquet --anchor forged/real/1.jpg --out out"
)
def cluster(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="A run folder, an exported folder, or a name.")],
    manifest: ManifestArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder for table, figure and record.")
    ],
    anchor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, help="The one photograph of the manifest whose label is known."),
    ] = None,
    split: SplitOption = "test",
    method: MethodsOption = None,
    limit: LimitOption = None,
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="How often to reduce, cluster and name.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all chance.")] = 0,
    workers: WorkersOption = None,
) -> None:
    """Tell real from forged by clusters of a detector's features and one known photograph. Needs the extra `train`.

    OUT/cluster.json has the accuracy of every draw, OUT/cluster.png the first. Without --anchor each draw takes
    another photograph.
    """
    check_choice(split, ("train", "val", "test"), "--split")
    check_detector(detector, "DETECTOR")
    from facewitness.evaluation.clustering import cluster as run_clustering

    record = run_clustering(
        detector,
        manifest,
        out,
        anchor=anchor,
        split=split,
        methods=method or (),
        limit=limit,
        draws=draws,
        seed=seed,
        workers=workers,
        command=["facewitness", *sys.argv[1:]],
    )
    output.clusters(record)
