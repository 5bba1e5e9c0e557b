"""``facewitness scan``: photographs and videos in, a report out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.errors import say_error
from facewitness.cli.options import (
    STYLE,
    DetectorOption,
    DeviceOption,
    WorkersOption,
    check_detector,
    frame_count,
    out_folder,
)

scan_app = typer.Typer(**STYLE)


@scan_app.command(epilog="Example: facewitness scan photo.jpg holiday/ --out report", no_args_is_help=True)
def scan(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", exists=True, readable=False, help="Photographs, videos, and folders of them."),
    ],
    out: Annotated[Path, out_folder("Folder for the report.")],
    detector: DetectorOption = "default",
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    frames: Annotated[
        str,
        typer.Option(metavar="N|all", help="Of a video: frames of each face that are looked for, or all there are."),
    ] = "32",
    table: Annotated[
        bool, typer.Option("--csv", help="Also write OUT/frames.csv: the score of each face of each frame of videos.")
    ] = False,
    stability: Annotated[
        bool, typer.Option("--stability", help="Judge each face again under mild changes; a verdict must hold.")
    ] = False,
    profile: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, help="Thresholds of `facewitness calibrate`.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="SHARE", min=1e-6, max=0.5, help="False alarms to allow, with --profile.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SCORE", min=0, max=1, help="Call fake from here on; its rate is not known.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Find, score and locate every face; write a report.

    OUT/report.html is for reading, OUT/results.jsonl for programs (one object per file), OUT/overlays/ holds the maps.
    A scan that was stopped goes on where it was when the same command is typed again. The exit code is 1 where no file
    could be read, and 0 where one could, whatever the verdicts.
    """
    check_detector(detector)
    from facewitness.scanning.frame_table import write_frames
    from facewitness.scanning.pipeline import FAILURES, scan_paths
    from facewitness.scanning.profile import thresholds

    with output.progress_bars(quiet) as progress:
        summary = scan_paths(
            paths,
            out,
            detector,
            workers=workers,
            progress=progress,
            on_failure=output.failure,
            command=["facewitness", *sys.argv[1:]],
            device=device,
            frames=frame_count(frames),
            stable=stability,
            adjust=thresholds(profile, rate, threshold),
        )
    if table:
        write_frames(out)
    if not quiet:
        output.scan_summary(summary)
    if not set(summary.statuses) - set(FAILURES):
        say_error(f"no photograph was read, and no video; {summary.passed_over} files were passed over by their names")
        raise typer.Exit(1)
