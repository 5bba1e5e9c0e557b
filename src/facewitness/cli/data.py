"""``facewitness data``: crop faces from data sets, check them, divide, join, thin out and show them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli import output
from facewitness.cli.options import STYLE, DataArgument, QuietOption, WorkersOption, check_choice, out_folder
from facewitness.types import Sample

data_app = typer.Typer(**STYLE)

OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The new manifest, .parquet or .csv.")]
SeedOption = Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same.")]


@data_app.command("sources", epilog="Example: facewitness data sources")
def data_sources() -> None:
    """List the layouts that `prepare` knows."""
    from facewitness.data.sources import LAYOUTS

    output.columns([("source", "what it is"), *((layout.name, layout.summary) for layout in LAYOUTS.values())])


@data_app.command("prepare", epilog="Example: facewitness data prepare celebdf-v2 /data/Celeb-DF-v2 --out prepared")
def data_prepare(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="See `facewitness data sources`.")],
    root: Annotated[Path, typer.Argument(metavar="ROOT", exists=True, help="The data set as it was unpacked.")],
    out: Annotated[Path, out_folder("Folder for the crops.")],
    frames: Annotated[int, typer.Option(metavar="N", min=1, help="Frames of each video, evenly spread.")] = 10,
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.001, help="One frame each so many seconds instead.")
    ] = None,
    faces: Annotated[str, typer.Option(metavar="WHICH", help="largest (the one that fills most) or all.")] = "largest",
    size: Annotated[int, typer.Option(metavar="PX", min=16, help="Side of the crops.")] = 256,
    margin: Annotated[float, typer.Option(metavar="SHARE", min=0, max=2, help="Around the face, of its side.")] = 0.3,
    smallest: Annotated[int, typer.Option(metavar="PX", min=1, help="A face with a shorter side is skipped.")] = 40,
    compression: Annotated[str, typer.Option(metavar="NAME", help="FaceForensics++: c0, c23 or c40.")] = "c23",
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", metavar="NAME", help="Only this one; repeatable.")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(metavar="PATH", exists=True, help="The official lists, if they lie elsewhere.")
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="At most so many files, evenly spread.")] = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Crop aligned faces, and their masks alike, from the videos or pictures of a data set.

    OUT/manifest.parquet has a row for each crop, OUT/frames.jsonl the status of every frame, OUT/summary.json what was
    skipped and why. Started again, it goes on where it stopped.
    """
    from facewitness.curation.prepare import Wanted, prepare
    from facewitness.data.sources import LAYOUTS, Choice, read_layout
    from facewitness.data.splits import spread
    from facewitness.types import CropProfile

    check_choice(source, LAYOUTS, "SOURCE", "see `facewitness data sources`")
    check_choice(faces, ("largest", "all"), "--faces")
    samples = spread(read_layout(source, root, Choice(compression, tuple(method or ()), splits)), limit)
    profile = CropProfile(size_px=size, margin=margin, min_face_px=smallest)
    wanted = Wanted(None if every else frames, every, "all" if faces == "all" else "largest", profile)
    with output.progress_bars(quiet) as progress:
        summary = prepare(samples, out, wanted, workers=workers, progress=progress)
    for name in ("files", "frames", "crops", "notes"):
        typer.echo(f"{name}: " + ("; ".join(f"{key} {value}" for key, value in summary[name].items()) or "none"))
    typer.echo(f"manifest: {out / 'manifest.parquet'}")


@data_app.command("pack", epilog="Example: facewitness data pack photos/ --out pack")
def data_pack(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", exists=True, help="As `train` takes it.")],
    out: Annotated[Path, out_folder("Folder for the archives.")],
    side: Annotated[int, typer.Option(metavar="PX", min=64, help="Longest side of a face's window.")] = 352,
    finder: Annotated[
        str, typer.Option(metavar="NAME", help="Face finder of photographs without landmarks.")
    ] = "mtcnn",
    limit: Annotated[float, typer.Option(metavar="MIB", min=1, help="Size of an archive, at most.")] = 50,
    seed: SeedOption = 0,
    quiet: QuietOption = False,
) -> None:
    """Pack the faces of `train` and `val`, for training on a machine that data travels to slowly. Needs `train`.

    Unpacked together, the archives are a folder of DATA with a manifest and landmarks.
    """
    from facewitness.media.faces import FINDERS
    from facewitness.training.data.pack import pack

    check_choice(finder, FINDERS, "--finder")
    with output.progress_bars(quiet) as progress:
        made = pack(
            data, out, side_px=side, finder=finder, limit_bytes=round(limit * 2**20), seed=seed, progress=progress
        )
    for path in made:
        typer.echo(f"archive: {path}")


@data_app.command("audit", epilog="Example: facewitness data audit prepared/manifest.parquet --out audit")
def data_audit(
    data: DataArgument,
    out: Annotated[Path | None, out_folder("Folder for audit.json.")] = None,
    report_file: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write a report in Markdown.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 if there is something to warn of.")] = False,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Find what a detector could learn instead of forgeries: people in two splits, file formats, sizes, metadata."""
    from facewitness.curation.audit import audit, markdown
    from facewitness.storage import write_text

    with output.progress_bars(quiet) as progress:
        found = audit(data, workers=workers, progress=progress)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "audit.json", json.dumps(found.as_json(), indent=2) + "\n")
    if report_file:
        report_file.parent.mkdir(parents=True, exist_ok=True)
        title = data.resolve().parent.name if data.is_file() else data.resolve().name
        write_text(report_file, markdown(found, title, data, ["facewitness", *sys.argv[1:]]))
    rows = [("where", "feature", "AUC", "95 % interval", "real", "fake")]
    for s in found.shortcuts[:12]:
        rows.append((s.where, s.feature, f"{s.auc:.3f}", f"{s.low:.3f}-{s.high:.3f}", str(s.reals), str(s.fakes)))
    output.columns(rows)
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"warnings: {len(found.warnings)}" if found.warnings else "clean: nothing to warn of")
    if strict and found.warnings:
        raise typer.Exit(1)


@data_app.command("split", epilog="Example: facewitness data split all.csv --out divided.parquet")
def data_split(
    data: DataArgument,
    out: OutOption,
    shares: Annotated[
        tuple[float, float, float], typer.Option(metavar="TRAIN VAL TEST", help="Shares, which add up to 1.")
    ] = (0.7, 0.15, 0.15),
    seed: SeedOption = 0,
) -> None:
    """Divide a manifest anew; one person, and people shown together, stay in one split."""
    from facewitness.data import sources, splits

    _write(splits.assign(sources.read(data), shares, seed), out)


@data_app.command("merge", epilog="Example: facewitness data merge one.parquet two.csv --out both.parquet")
def data_merge(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="DATA", exists=True, help="Two or more manifests or folders.")
    ],
    out: OutOption,
    official: Annotated[
        bool, typer.Option("--official", help="Leave splits that divide videos, not people, as Celeb-DF's do.")
    ] = False,
) -> None:
    """Join data into one manifest; a person in two splits is an error."""
    from facewitness.curation.tables import merge

    _write(merge(manifests, official), out)


@data_app.command("sample", epilog="Example: facewitness data sample big.parquet --out small.parquet --most 100")
def data_sample(
    data: DataArgument,
    out: OutOption,
    most: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many of each method in each split.")
    ] = None,
    match_sources: Annotated[
        bool, typer.Option("--match-sources", help="As many reals as fakes of each source in each split.")
    ] = False,
    seed: SeedOption = 0,
) -> None:
    """Take a smaller set out of a large one."""
    from facewitness.curation.tables import thin
    from facewitness.data import sources

    if most is None and not match_sources:
        raise typer.BadParameter("say what to keep: --most N, --match-sources or both", param_hint="--most")
    _write(thin(sources.read(data), most, match_sources=match_sources, seed=seed), out)


@data_app.command("show", epilog="Example: facewitness data show forged/manifest.parquet --out sheet.jpg")
def data_show(
    data: DataArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="A contact sheet, .jpg or .png.")
    ] = None,
    each: Annotated[int, typer.Option(metavar="N", min=1, help="Pictures of each method on the sheet.")] = 6,
    seed: SeedOption = 0,
) -> None:
    """Count what is in a manifest; draw a contact sheet."""
    from facewitness.curation.contact_sheet import contact_sheet
    from facewitness.curation.tables import counts
    from facewitness.data import sources
    from facewitness.media import image

    samples = sources.read(data)
    output.columns(counts(samples))
    if out is None:
        return
    if out.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise typer.BadParameter(f"{out.name!r} is neither .jpg nor .png", param_hint="--out")
    out.parent.mkdir(parents=True, exist_ok=True)
    encoding = "png" if out.suffix.lower() == ".png" else "jpeg:90"
    out.write_bytes(image.encode(contact_sheet(samples, each, seed), encoding))
    typer.echo(f"sheet: {out}")


def _write(samples: Sequence[Sample], out: Path) -> None:
    """Write a manifest and print what is in it."""
    from facewitness.curation.tables import counts
    from facewitness.data import manifest

    manifest.write(samples, out)
    output.columns(counts(samples))
