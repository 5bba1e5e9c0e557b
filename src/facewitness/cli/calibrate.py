"""``facewitness calibrate``: the rate of false alarms on the user's own photographs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.options import (
    STYLE,
    DetectorOption,
    DeviceOption,
    QuietOption,
    WorkersOption,
    check_detector,
    out_folder,
)

calibrate_app = typer.Typer(**STYLE)


@calibrate_app.command(epilog="Example: facewitness calibrate archive/ --rate 0.01 --out mine")
def calibrate(
    reals: Annotated[
        Path,
        typer.Argument(
            metavar="REALS", exists=True, file_okay=False, help="Photographs you vouch for; a folder in it is a source."
        ),
    ],
    out: Annotated[Path, out_folder("Folder for the profile; its name is the profile's.")],
    rate: Annotated[
        float, typer.Option(metavar="SHARE", min=1e-6, max=0.5, help="False alarms to promise, as a share.")
    ] = 0.01,
    detector: DetectorOption = "default",
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Learn thresholds that keep a rate of false alarms on your own photographs.

    `facewitness scan --profile OUT` uses them. OUT/profile.json holds thresholds and bounds, OUT/report.html shows the
    photographs, the most suspicious first. To promise 1 %, 299 photographs with a face are needed.
    """
    check_detector(detector)
    from facewitness.scanning import profile

    with output.progress_bars(quiet) as progress:
        learnt = profile.calibrate(
            reals,
            out,
            detector,
            rate=rate,
            workers=workers,
            progress=progress,
            on_failure=output.failure,
            command=["facewitness", *sys.argv[1:]],
            device=device,
        )
    output.profile(learnt)
    typer.echo(f"profile: {out / profile.FILE}; use it: facewitness scan --profile {out} ...")
