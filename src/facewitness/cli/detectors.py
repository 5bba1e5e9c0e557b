"""``facewitness export``, ``import`` and ``detectors``: detectors as folders, and what there is."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.options import (
    STYLE,
    FramesOption,
    QuietOption,
    WorkersOption,
    check_choice,
    frame_count,
    out_folder,
)

detectors_app = typer.Typer(**STYLE)


@detectors_app.command(epilog="Example: facewitness export runs/mine detectors/mine")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", exists=True, file_okay=False, help="A run folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for model.onnx and card.json.")],
) -> None:
    """Turn a run folder into ONNX and a card. Needs the extra `train`."""
    from facewitness.detectors.export import export_run

    typer.echo(f"exported: {export_run(run, out)}")


@detectors_app.command(
    epilog="Example: facewitness fuse blend=detectors/blend trace=detectors/trace --data val/ --out detectors/both"
)
def fuse(
    members: Annotated[
        list[str], typer.Argument(metavar="NAME=FOLDER...", help="Exported detectors. The first draws the map.")
    ],
    data: Annotated[Path, typer.Option(metavar="DATA", exists=True, help="Reals and fakes none of them has seen.")],
    out: Annotated[Path, out_folder("Folder for the detector.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Of the detector.")] = "fused",
    split: Annotated[str, typer.Option(metavar="SPLIT", help="Of DATA: val, test, train or all.")] = "val",
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Join detectors that look for different things into one, and calibrate it. Needs the extra `train`."""
    from facewitness.data.sources import as_manifest
    from facewitness.evaluation.fuse import fuse as run_fuse

    folders = dict(member.partition("=")[::2] for member in members)
    if "" in folders.values() or len(folders) < 2:
        raise typer.BadParameter("give two or more, as NAME=FOLDER", param_hint="NAME=FOLDER")
    with output.progress_bars(quiet) as progress:
        folder = run_fuse(
            {member: Path(path) for member, path in folders.items()},
            as_manifest(data, out),
            out,
            name=name,
            split=split,
            workers=workers,
            progress=progress,
        )
    typer.echo(f"detector: {folder}")


@detectors_app.command(
    "calibrate-video",
    epilog="Example: facewitness calibrate-video detectors/mine made=clips/ own=my-videos/ --out calibration",
)
def calibrate_video(
    detector: Annotated[
        Path, typer.Argument(metavar="FOLDER", exists=True, file_okay=False, help="An exported detector.")
    ],
    data: Annotated[list[str], typer.Argument(metavar="[NAME=]CLIPS...", help="Real clips: folders or manifests.")],
    out: Annotated[Path, out_folder("Folder for the scan of the clips.")],
    frames: FramesOption = "32",
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Learn a detector's thresholds for videos on real clips and write them into its card.

    The rates are per clip. 299 clips are needed. A run that was stopped goes on.
    """
    from facewitness.detectors import zoo
    from facewitness.evaluation.video import read_clips
    from facewitness.evaluation.video_calibration import WithoutThresholds
    from facewitness.evaluation.video_calibration import calibrate_video as calibrate
    from facewitness.scanning.files import RESULTS_NAME
    from facewitness.scanning.pipeline import scan_paths

    samples = []
    for text in data:
        name, separator, path = text.rpartition("=")
        if not Path(path).exists():
            raise typer.BadParameter(f"{path!r} does not exist", param_hint="[NAME=]CLIPS")
        found = [sample for sample in read_clips(Path(path)) if sample.label == 0]
        samples += [replace(sample, dataset=name) for sample in found] if separator else found
    wanted, paths = frame_count(frames), [sample.path for sample in samples]
    with output.progress_bars(quiet) as progress:
        scan_paths(paths, out, WithoutThresholds(zoo.load(detector)), workers=workers, progress=progress, frames=wanted)
    learnt = calibrate(detector, samples, out / RESULTS_NAME)
    typer.echo(f"fake from {learnt.fake_above:.4f}, real below {learnt.real_below:.4f}, spans {learnt.span_above:.4f}")
    for name, count in learnt.counts.items():
        typer.echo(
            f"{name}: {count} clips; no more than {learnt.bounds[name]:.1%} of such clips are called fake (95 %)"
        )


@detectors_app.command("import", epilog="Example: facewitness import mesonet Meso4_DF.h5 --out detectors/meso4-df")
def import_(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="mesonet, classnseg or xception.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The published weights.")
    ],
    out: Annotated[Path, out_folder("Folder for the detector.")],
    channels: Annotated[
        str, typer.Option(metavar="ORDER", help="rgb, or bgr for weights trained on pictures read by OpenCV.")
    ] = "rgb",
) -> None:
    """Turn published weights into a detector that scans. Needs the extra `train`."""
    check_choice(system, ("mesonet", "classnseg", "xception"), "SYSTEM")
    check_choice(channels, ("rgb", "bgr"), "--channels")
    from facewitness.detectors.published_weights import import_weights

    folder = import_weights(system, files, out, channels=channels)
    typer.echo(f"detector: {folder}; it is not calibrated: its scores carry no verdict")


@detectors_app.command(epilog="Examples: facewitness detectors default; facewitness detectors --measure")
def detectors(
    name: Annotated[str | None, typer.Argument(metavar="NAME|FOLDER", help="Show this card in full.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure how fast each is here (minutes); needs the extra `train`.")
    ] = False,
) -> None:
    """List the detectors at hand, or show one card in full."""
    from facewitness.detectors import cards, throughput, zoo

    if name is not None:
        if not Path(name).is_dir():
            check_choice(name, zoo.names(), "NAME|FOLDER", "or name a folder with a card.json")
        output.columns(list(output.flat(asdict(cards.read(Path(name)) if Path(name).is_dir() else zoo.card(name)))))
        return
    if measure:
        for known in zoo.names():
            typer.echo(f"measuring {known} ...", err=True)
            throughput.measure(known)
    output.zoo([(known, zoo.card(known), throughput.known(known)) for known in zoo.names()])
