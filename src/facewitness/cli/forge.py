"""``facewitness forge``: make forgeries, list manipulations, build a benchmark set, train generators."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.errors import group_with_default
from facewitness.cli.options import (
    STYLE,
    QuietOption,
    RecipeArgument,
    RecipeOption,
    SetOption,
    WorkersOption,
    check_choice,
    out_folder,
)

forge_app = typer.Typer(cls=group_with_default("make"), **STYLE)


@forge_app.command("make", epilog="Example: facewitness forge photos/ --out forged --method selfblend")
def forge_make(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            exists=True,
            help="A photograph, a folder of them, a folder with faces.csv or real/, a manifest.",
        ),
    ],
    out: Annotated[Path, out_folder("Folder for images, masks and manifest.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", metavar="NAME", help="A manipulation; repeatable; all at hand if left out."),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only samples of this split; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed gives the same bytes.")] = 0,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many photographs.")] = None,
    encoding: Annotated[
        str, typer.Option(metavar="KIND", help="jpeg:QUALITY, webp:QUALITY or png; real and forged alike.")
    ] = "jpeg:95",
    square: Annotated[
        int | None, typer.Option(metavar="PX", min=64, help="Forge aligned head squares of this size, not photographs.")
    ] = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write photographs and their forgeries, with masks and a manifest.

    Real and forged go through one encoder. Each forgery has its gray-scale mask and its binary region beside it.
    `make` may be left out: `facewitness forge SOURCE ...` does the same.
    """
    from facewitness.forge.dataset import SQUARE_MARGIN, forge_dataset
    from facewitness.forge.methods import METHODS
    from facewitness.media import image
    from facewitness.types import CropProfile

    for name in method or ():
        check_choice(name, METHODS, "--method", "see `facewitness forge list`")
    for name in split or ():
        check_choice(name, ("train", "val", "test"), "--split")
    try:
        image.suffix(encoding)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--encoding") from error
    with output.progress_bars(quiet) as progress:
        manifest = forge_dataset(
            source,
            out,
            method or (),
            splits=split or None,
            seed=seed,
            limit=limit,
            encoding=encoding,
            square=CropProfile(size_px=square, margin=SQUARE_MARGIN) if square else None,
            workers=workers,
            progress=progress,
        )
    typer.echo(f"manifest: {manifest}")


@forge_app.command("video", epilog="Example: facewitness forge video clips/ --out forged --method faceswap --crf 23")
def forge_video(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", exists=True, help="Videos, or photographs to be set in motion.")
    ],
    out: Annotated[Path, out_folder("Folder for clips, mask videos and manifest.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", metavar="NAME", help="A manipulation; repeatable; faceswap and selfblend."),
    ] = None,
    real: Annotated[bool, typer.Option("--real", help="No forgeries: real clips alone.")] = False,
    crf: Annotated[
        list[int] | None, typer.Option(metavar="N", min=0, max=51, help="Of H.264; repeatable: in turn. 23.")
    ] = None,
    part: Annotated[float, typer.Option(metavar="SHARE", min=0.05, max=1, help="Of the time, that is forged.")] = 1.0,
    seconds: Annotated[float, typer.Option(metavar="S", min=0.2, help="Length of a clip, at most.")] = 3.0,
    split: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only photographs of this split; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Of all chance.")] = 0,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many clips.")] = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write clips and forgeries of them, encoded alike, with a mask video for each forgery and a manifest.

    A forgery is held steady along the face's way through the clip. With --part it begins and ends within the clip.
    """
    from facewitness.forge.clips import METHODS_OF_CLIPS, ClipStyle, forge_clips
    from facewitness.forge.methods import METHODS

    for name in method or ():
        check_choice(name, METHODS, "--method", "see `facewitness forge list`")
    for name in split or ():
        check_choice(name, ("train", "val", "test"), "--split")
    style = ClipStyle(seed=seed, seconds=seconds, crf=tuple(crf or (23,)), part=part)
    methods = () if real else method or METHODS_OF_CLIPS
    with output.progress_bars(quiet) as progress:
        manifest = forge_clips(
            source, out, methods, style=style, splits=split, limit=limit, workers=workers, progress=progress
        )
    typer.echo(f"manifest: {manifest}")


@forge_app.command("list", epilog="Example: facewitness forge list")
def forge_list() -> None:
    """List the manipulations."""
    from facewitness.forge import generators
    from facewitness.forge.methods import METHODS

    rows = [("method", "family", "donor", "keeps identity", "generator", "what it does")]
    for name, method in METHODS.items():
        generator = ("trained" if generators.ready(name) else "to be trained") if method.generator else "none"
        rows.append((name, method.family, method.donor, output.yes(method.keeps_identity), generator, method.summary))
    output.columns(rows)


@forge_app.command("build", epilog="Example: facewitness forge build forge/toy")
def forge_build(
    recipe: RecipeArgument,
    out: Annotated[Path | None, out_folder("out/NAME of the recipe if left out.")] = None,
    overrides: SetOption = None,
    report_file: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write a report in Markdown with a contact sheet beside it."),
    ] = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Make a benchmark set: so many forgeries by each method in each split, and as many real photographs.

    Started again, it goes on where it stopped.
    """
    from facewitness.forge.build import build

    command = ["facewitness", *sys.argv[1:]]
    with output.progress_bars(quiet) as progress:
        manifest = build(
            recipe, out, overrides or (), report_file=report_file, command=command, workers=workers, progress=progress
        )
    typer.echo(f"manifest: {manifest}" + (f"; report: {report_file}" if report_file else ""))


@forge_app.command("train-generator", epilog="Example: facewitness forge train-generator synthesis --data photos/")
def forge_train_generator(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="One that needs a generator: see `forge list`.")],
    data: Annotated[
        Path, typer.Option("--data", metavar="DATA", exists=True, help="Real photographs; their train split is used.")
    ],
    recipe: RecipeOption = None,
    out: Annotated[Path | None, out_folder("Run folder; if left out, one in the cache.")] = None,
    overrides: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last epoch in the run folder.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Train the generator of a method and put it where the forge finds it. Needs the extra `train`."""
    from facewitness.forge.methods import METHODS

    check_choice(
        method, [name for name, one in METHODS.items() if one.generator], "METHOD", "see `facewitness forge list`"
    )
    from facewitness.training.generators.train import train_generator

    with output.progress_bars(quiet) as progress:
        folder = train_generator(
            method, data, recipe=recipe, out=out, overrides=overrides or (), resume=resume, progress=progress
        )
    typer.echo(f"generator: {folder}")
