"""Options and arguments that several commands share, and checks of their values."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from facewitness.types import RecipeError

STYLE: dict[str, Any] = {
    "no_args_is_help": True,
    "rich_markup_mode": None,  # plain text: quicker, and the same in a pipe
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def _recipe(text: str) -> Path:
    from facewitness import config

    try:
        return config.locate(text)
    except RecipeError as error:
        raise typer.BadParameter(str(error)) from None


def out_folder(help: str) -> Any:
    """What ``--out`` is where a command writes a folder."""
    return typer.Option("--out", "-o", metavar="DIR", file_okay=False, help=help)


WorkersOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Processes that find faces; by the number of cores if left out.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Change one value of the recipe; repeatable.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
DetectorOption = Annotated[
    str,
    typer.Option("--detector", "-d", metavar="NAME|FOLDER", help="A name of the zoo, a run folder or an exported one."),
]
ProfileOption = Annotated[
    Path | None, typer.Option(metavar="DIR", exists=True, help="Thresholds of `facewitness calibrate`.")
]
RateOption = Annotated[
    float | None, typer.Option(metavar="SHARE", min=1e-6, max=0.5, help="False alarms to allow, with --profile.")
]
ThresholdOption = Annotated[
    float | None, typer.Option(metavar="SCORE", min=0, max=1, help="Call fake from here on; its rate is not known.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="cpu, cuda, another provider of onnxruntime, or auto.")
]
RecipeArgument = Annotated[
    Path, typer.Argument(metavar="RECIPE", parser=_recipe, help="A TOML file, or a name of `facewitness recipes list`.")
]
DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        exists=True,
        help="A manifest, a photograph, or a folder: real/ fake/ (masks/), faces.csv, or photographs alone.",
    ),
]
RunOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Run folder; runs/NAME of the recipe if left out.")
]
StudyOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Runs and tables; out/NAME of the recipe if left out.")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Trainings at once, as processes.")]
RecipeOption = Annotated[
    Path | None, typer.Option("--recipe", metavar="RECIPE", parser=_recipe, help="The method's own if left out.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the run folder.")]
ReportOption = Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write a report in Markdown.")]
SplitOption = Annotated[str, typer.Option("--split", metavar="NAME", help="train, val or test.")]
MethodsOption = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="METHOD", help="Fakes of this method only; repeatable; all if left out."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="At most N reals and N fakes of each method.")
]


FramesOption = Annotated[
    str, typer.Option("--frames", metavar="N|all", help="Of a video: frames of each face that are looked for, or all.")
]


def frame_count(text: str) -> int | None:
    """The number that ``--frames`` names; None for all."""
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise typer.BadParameter(f"{text!r} is neither a number of frames nor all", param_hint="--frames")
    return int(text)


def check_choice(value: str, known: Iterable[str], option: str, mend: str = "") -> None:
    """Refuse a value that is not among the known ones, with a guess at what was meant."""
    known = list(known)
    if value not in known:
        guess = get_close_matches(value, known, 1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"known: {', '.join(known)}"
        raise typer.BadParameter("; ".join(filter(None, (f"no {value!r}; {hint}", mend))), param_hint=option)


def check_detector(name: str, option: str = "--detector") -> None:
    """Refuse, as wrong usage, what is neither a shipped detector nor a folder."""
    from facewitness.detectors import zoo
    from facewitness.detectors.architectures import ARCHITECTURES

    if Path(name).is_dir():
        return
    if name in ARCHITECTURES:
        raise typer.BadParameter(
            f"{name!r} is an architecture without weights; train it and name its run folder", param_hint=option
        )
    check_choice(name, zoo.SHIPPED, option, "or name a run folder or an exported one")
