"""``facewitness scan``: photographs and videos in, a report out."""

import re
import sys
import tempfile
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.errors import say_error
from facewitness.cli.options import (
    STYLE,
    DetectorOption,
    DeviceOption,
    ProfileOption,
    RateOption,
    ThresholdOption,
    WorkersOption,
    check_detector,
    frame_count,
)

scan_app = typer.Typer(**STYLE)

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # Path leaves one slash of two
_STANDARD_INPUT = Path("-")


class FailOn(StrEnum):
    """What ``--fail-on`` may name, in the order in which it decides the exit code."""

    FAKE = "fake"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


FAIL_CODES = {FailOn.FAKE: 3, FailOn.INCONCLUSIVE: 4, FailOn.ERROR: 5}


def _files(paths: list[Path]) -> list[Path]:
    for path in paths:
        if _ADDRESS.match(str(path)):
            raise typer.BadParameter(f"{path}: addresses are not fetched; download the file and name it")
        if path != _STANDARD_INPUT and not path.exists() and not path.is_symlink():
            raise typer.BadParameter(f"Path {str(path)!r} does not exist.")
    return paths


@scan_app.command(
    epilog="Examples: facewitness scan photo.jpg holiday/ --out report; facewitness scan photo.jpg --case case-17",
    no_args_is_help=True,
)
def scan(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH",
            callback=_files,
            help="Photographs, videos, folders of them; - reads one from standard input.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Folder for the report.")
    ] = None,
    case: Annotated[
        Path | None,
        typer.Option("--case", metavar="DIR", file_okay=False, help="As --out, with a PDF and checksums of all."),
    ] = None,
    frames: Annotated[
        str,
        typer.Option(metavar="N|all", help="Of a video: frames of each face that are looked for, or all there are."),
    ] = "32",
    table: Annotated[
        bool, typer.Option("--csv", help="Also write OUT/frames.csv: the score of each face of each frame of videos.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print results as JSON, a line for each file; then --out may be left out.")
    ] = False,
    detector: DetectorOption = "default",
    profile: ProfileOption = None,
    rate: RateOption = None,
    threshold: ThresholdOption = None,
    stability: Annotated[
        bool | None,
        typer.Option(
            "--stability/--no-stability", help="Judge each face again under mild changes; on for --case, else off."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave out what matches in folders; repeatable.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="Give up a file after so many seconds; 300 if left out.")
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option(help="Exit with 3 for fake, 4 for inconclusive, 5 for error; repeatable.")
    ] = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Find, score and locate every face; write a report.

    OUT/report.html is for reading, OUT/results.jsonl for programs (one object per file), OUT/results.csv for
    spreadsheets, OUT/overlays/ holds the maps. A scan that was stopped goes on where it was when the same command is
    typed again. The exit code is 1 where no file could be read, and 0 where one could, whatever the verdicts, unless
    --fail-on says otherwise.
    """
    if out is not None and case is not None:
        raise typer.BadParameter("give one of --out and --case", param_hint="--case")
    if out is None and case is None and not json:
        raise typer.BadParameter("say where the report goes: --out DIR, --case DIR, or --json", param_hint="--out")
    check_detector(detector)
    from facewitness.scanning import checksums
    from facewitness.scanning.frame_table import write_frames
    from facewitness.scanning.pipeline import FAILURES, scan_paths
    from facewitness.scanning.profile import thresholds

    with ExitStack() as stack:
        folder = case or out
        kept = folder is not None
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facewitness-")))
        summary = scan_paths(
            [_kept_input(folder) if path == _STANDARD_INPUT else path for path in paths],
            folder,
            detector,
            workers=workers,
            progress=stack.enter_context(output.progress_bars(quiet)),
            on_failure=output.failure,
            command=["facewitness", *sys.argv[1:]],
            device=device,
            frames=frame_count(frames),
            stable=case is not None if stability is None else stability,
            adjust=thresholds(profile, rate, threshold),
            as_case=case is not None,
            exclude=exclude or (),
            time_limit_s=timeout,
        )
        if table:
            write_frames(folder)
            if case is not None:
                checksums.write(folder)  # of the table too
        if json:
            output.results(folder, maps=kept)
        elif not quiet:
            output.scan_summary(summary)
    if case is not None and not quiet:
        output.case(case, to_stderr=json)
    if not set(summary.statuses) - set(FAILURES):
        say_error(f"no photograph was read, and no video; {summary.passed_over} files were passed over by their names")
        raise typer.Exit(1)
    found = {*summary.verdicts, *(["error"] if set(summary.statuses) & set(FAILURES) else [])}
    for name, code in FAIL_CODES.items():
        if name in (fail_on or ()) and name in found:
            raise typer.Exit(code)


def _kept_input(folder: Path) -> Path:
    """Keep standard input in the output folder, under a name made of its content, so that a scan can go on."""
    from facewitness import storage

    file = folder / "stdin" / "input"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(sys.stdin.buffer.read())
    named = file.with_name(storage.sha256(file)[:16])
    if named.exists():  # with its time of change, by which a scan knows it
        file.unlink()
        return named
    return file.rename(named)
