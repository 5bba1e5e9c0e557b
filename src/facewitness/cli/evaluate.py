"""``facewitness evaluate``: measure a detector, also under degradation and treatments, also by clusters of features."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from facewitness.cli import output
from facewitness.cli.errors import group_with_default
from facewitness.cli.options import (
    STYLE,
    DataArgument,
    DetectorOption,
    FramesOption,
    LimitOption,
    MethodsOption,
    QuietOption,
    ReportOption,
    SplitOption,
    WorkersOption,
    check_choice,
    check_detector,
    frame_count,
    out_folder,
)

evaluate_app = typer.Typer(cls=group_with_default("run"), **STYLE)


@evaluate_app.command("run", epilog="Example: facewitness evaluate forged --out scores --report report.md")
def run(
    data: DataArgument,
    out: Annotated[Path, out_folder("Folder for scores and table.")],
    detector: DetectorOption = "default",
    split: Annotated[str, typer.Option(metavar="NAME", help="train, val, test or all.")] = "test",
    report_file: ReportOption = None,
    readme: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Put a short table into a Markdown file, between its two marks.",
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
    from facewitness.data.sources import as_manifest
    from facewitness.evaluation.evaluate import evaluate as run_evaluation

    with output.progress_bars(quiet) as progress:
        table = run_evaluation(
            as_manifest(data, out),
            detector,
            out,
            split=split,
            seed=seed,
            workers=workers,
            progress=progress,
            command=["facewitness", *sys.argv[1:]],
            report_file=report_file,
            readme=readme,
            left_out=others,
            trained_on=trained_on or None,
        )
    output.auc_by_method(table.with_suffix(".csv"))
    typer.echo(f"table: {table.with_suffix('.csv')}" + (f"; report: {report_file}" if report_file else ""))


@evaluate_app.command(epilog="Example: facewitness evaluate video forged-clips --out scores")
def video(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", exists=True, help="A manifest of videos, or a folder of real ones.")
    ],
    out: Annotated[Path, out_folder("Folder for the scan and the table.")],
    detector: DetectorOption = "default",
    frames: FramesOption = "32",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the bootstrap.")] = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure a detector on labelled videos: frames, whole videos, and forged spans along time.

    OUT/scan is a scan of the videos, which resumes; OUT/table.csv has a row for each number.
    """
    check_detector(detector)
    from facewitness.detectors import zoo
    from facewitness.evaluation.video import evaluate_clips, read_clips
    from facewitness.scanning.files import RESULTS_NAME
    from facewitness.scanning.pipeline import scan_paths

    samples, ready, wanted = read_clips(data), zoo.load(detector), frame_count(frames)
    paths = [sample.path for sample in samples]
    with output.progress_bars(quiet) as progress:
        scan_paths(paths, out / "scan", ready, workers=workers, progress=progress, frames=wanted)
    table = evaluate_clips(samples, out / "scan" / RESULTS_NAME, out, ready.card.name, seed=seed)
    output.video_numbers(table)
    typer.echo(f"table: {table}")


@evaluate_app.command(epilog="Example: facewitness evaluate robustness forged --operator jpeg --out robust")
def robustness(
    data: DataArgument,
    out: Annotated[Path, out_folder("Folder for rows and curves.")],
    detector: DetectorOption = "default",
    split: SplitOption = "test",
    method: MethodsOption = None,
    operator: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This degradation only; repeatable; all if left out.")
    ] = None,
    limit: LimitOption = None,
    target: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="pair: the truth of a map is the damaged fake against its original damaged alike; fake: against the "
            "undamaged original.",
        ),
    ] = "pair",
    report_file: ReportOption = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of noise and of what is drawn.")] = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure how a detector and its map hold under compression, blur, noise and the like.

    OUT/curves.csv has a row for each number at each level, as it is and as its share of the undamaged one. A run that
    was stopped goes on.
    """
    from facewitness.media.degrade import OPERATORS

    check_choice(target, ("pair", "fake"), "--target")
    for name in operator or ():
        check_choice(name, tuple(OPERATORS), "--operator")
    from facewitness.evaluation.robustness_report import robustness as measure

    options = {"operators": operator or tuple(OPERATORS), "limit": limit, "target": target, "seed": seed}
    _judge_again(measure, data, out, detector, split, method, report_file, quiet, workers=workers, **options)


@evaluate_app.command(epilog="Example: facewitness evaluate treatments forged --out treated --report treated.md")
def treatments(
    data: DataArgument,
    out: Annotated[Path, out_folder("Folder for rows and table.")],
    detector: DetectorOption = "default",
    split: SplitOption = "test",
    method: MethodsOption = None,
    limit: LimitOption = None,
    report_file: ReportOption = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of noise and of what is drawn.")] = 0,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure false alarms and changed verdicts under filters, messengers, screenshots and the like.

    OUT/treatments.csv has a row for each number of each treatment and source. A run that was stopped goes on.
    """
    from facewitness.evaluation.treatments import treatments as measure

    _judge_again(
        measure, data, out, detector, split, method, report_file, quiet, limit=limit, seed=seed, workers=workers
    )


def _judge_again(
    measure: Callable[..., Path],
    data: Path,
    out: Path,
    detector: str,
    split: str,
    methods: list[str] | None,
    report_file: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Run what judges the photographs of a manifest again after changing them, and say where its table is."""
    check_detector(detector)
    check_choice(split, ("train", "val", "test"), "--split")
    from facewitness.data.sources import as_manifest

    options |= {"split": split, "methods": methods or (), "command": ["facewitness", *sys.argv[1:]]}
    with output.progress_bars(quiet) as progress:
        table = measure(as_manifest(data, out), detector, out, report_file=report_file, progress=progress, **options)
    typer.echo(f"table: {table}" + (f"; report: {report_file}" if report_file else ""))


@evaluate_app.command(
    epilog="Example: facewitness evaluate cluster runs/mine forged --anchor forged/real/1.jpg --out out"
)
def cluster(
    detector: Annotated[str, typer.Argument(metavar="DETECTOR", help="A run folder, an exported folder, or a name.")],
    data: DataArgument,
    out: Annotated[Path, out_folder("Folder for table, figure and record.")],
    anchor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, help="The one photograph of the manifest whose label is known."),
    ] = None,
    split: SplitOption = "test",
    method: MethodsOption = None,
    limit: LimitOption = None,
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="Repetitions of reducing and clustering.")] = 10,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all chance.")] = 0,
    workers: WorkersOption = None,
) -> None:
    """Separate real from forged by clusters of a detector's features and one known photograph. Needs the extra `train`.

    OUT/cluster.json has the accuracy of every draw, OUT/cluster.png the first. Without --anchor each draw takes
    another photograph.
    """
    check_choice(split, ("train", "val", "test"), "--split")
    check_detector(detector, "DETECTOR")
    from facewitness.data.sources import as_manifest
    from facewitness.evaluation.clustering import cluster as run_clustering

    record = run_clustering(
        detector,
        as_manifest(data, out),
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


def _pair(text: str) -> tuple[str, str]:
    method, separator, detector = text.partition("=")
    if not (separator and method and detector):
        raise typer.BadParameter(f"{text!r} is not of the form METHOD=DETECTOR", param_hint="--left-out")
    check_detector(detector, "--left-out")
    return method, detector
