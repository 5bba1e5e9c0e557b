"""``facewitness serve``: a page and an API on this machine."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.options import (
    STYLE,
    DetectorOption,
    DeviceOption,
    ProfileOption,
    RateOption,
    ThresholdOption,
    WorkersOption,
    check_detector,
)
from facewitness.provenance import install_command
from facewitness.service.settings import KEPT_HOURS, LOOPBACK, Limits, Settings
from facewitness.types import FacewitnessError, MissingExtraError

serve_app = typer.Typer(**STYLE)


@serve_app.command(epilog="Example: facewitness serve --data scans")
def serve(
    host: Annotated[
        str, typer.Option(metavar="NAME", help="Address to listen on; others than loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port to listen on.")] = 8000,
    data: Annotated[
        Path,
        typer.Option(metavar="DIR", file_okay=False, help="Folder for what is sent and what is found; made if absent."),
    ] = Path("facewitness-data"),
    token: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="File whose first line every request has to give."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="Host name by which it is asked, as behind a proxy; repeatable."),
    ] = None,
    detector: DetectorOption = "default",
    profile: ProfileOption = None,
    rate: RateOption = None,
    threshold: ThresholdOption = None,
    stability: Annotated[
        bool, typer.Option(help="Judge each face again under mild changes: four times the time.")
    ] = True,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    keep_hours: Annotated[
        float, typer.Option(metavar="HOURS", min=0.1, help="Delete scans and their files after so long.")
    ] = KEPT_HOURS,
) -> None:
    """Serve a page to drop photographs on, and an API. Needs the extra `serve`.

    What is sent stays in the data folder until it is deleted or --keep-hours have passed. A scan that was stopped goes
    on when the same folder is served again.
    """
    check_detector(detector)
    secret = None if token is None else _secret(token)
    if host not in LOOPBACK and secret is None:
        raise typer.BadParameter("others could reach this address: give a --token file as well", param_hint="--host")
    try:
        import uvicorn

        from facewitness.scanning.profile import thresholds
        from facewitness.service.app import create_app
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the service needs {error.name}: {install_command('serve')}") from error
    hosts = (*LOOPBACK, *(() if host in LOOPBACK else (host,)), *(name or ()))
    settings = Settings(data, detector, secret, hosts, workers, device, Limits(kept_hours=keep_hours))
    settings = replace(settings, stable=stability, adjust=thresholds(profile, rate, threshold))
    typer.echo(f"facewitness: http://{f'[{host}]' if ':' in host else host}:{port}/ (Ctrl-C ends it)")
    uvicorn.run(
        create_app(settings), host=host, port=port, log_level="warning", timeout_keep_alive=15, server_header=False
    )


def _secret(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or len(lines[0].strip()) < 16:
        raise FacewitnessError(f"{file}: its first line is the token, of at least 16 characters")
    return lines[0].strip()
