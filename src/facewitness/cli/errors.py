"""What all commands share: how they look, and how they answer what goes wrong: one line on stderr and an exit code.

No command is here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facewitness.provenance import install_command
from facewitness.types import FacewitnessError, RecipeError

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
RecipeArgument = Annotated[
    Path,
    typer.Argument(metavar="RECIPE", parser=_recipe, help="A TOML file, or a name of `facewitness recipes list`."),
]
ManifestArgument = Annotated[
    Path, typer.Argument(metavar="MANIFEST", exists=True, dir_okay=False, help="Parquet or CSV, a row per photograph.")
]
RunOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Run folder; runs/NAME of the recipe if left out.")
]
StudyOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Runs and tables; out/NAME of the recipe if left out.")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Trainings at once, as processes.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the run folder.")]
PageOption = Annotated[
    Path | None, typer.Option("--page", metavar="FILE", help="Write the results as a page of Markdown.")
]
SplitOption = Annotated[str, typer.Option("--split", metavar="NAME", help="train, val or test.")]
MethodsOption = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="METHOD", help="Fakes of this method only; repeatable; all if left out."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="At most N reals and N fakes of each method.")
]

_EXTRA_OF = {
    **dict.fromkeys(
        ("torch", "torchvision", "timm", "lightning", "torchmetrics", "safetensors", "onnx", "onnxscript"), "train"
    ),
    "matplotlib": "train",
    "sklearn": "train",
    "h5py": "train",
    "markdown_it": "train",
    "ray": "cluster",
}
_AFTER_INTERRUPT = {
    "scan": "type the same command again to go on; no finished file is scanned twice",
    "lae": "lae train: add --resume to the same command; the others begin anew",
    "train": "add --resume to the same command to go on from the last checkpoint",
    "compare": "type the same command again to go on; no finished run is repeated",
    "study": "type the same command again to go on; no finished run is repeated",
    "forge": "type the same command again to go on (forge fit: with --resume); what is finished is kept",
    "data": "type the same command again to go on; what is finished is kept",
}


class CommandGroup(TyperGroup):
    """Turns what is expected to go wrong into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. What nobody foresaw keeps its traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say_error("interrupted: " + _AFTER_INTERRUPT.get(ctx.invoked_subcommand, "nothing was kept"))
            raise typer.Exit(130) from None
        except FacewitnessError as error:
            say_error(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _EXTRA_OF:
                raise
            say_error(f"this needs {package}, which is not installed: {install_command(_EXTRA_OF[package])}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                say_error("the disk is full; what is finished is kept: make room and type the same command again")
            elif error.filename is None:  # a closed pipe among others, which typer ends quietly
                raise
            else:
                say_error(f"{error.filename}: {error.strerror}")
        raise typer.Exit(1)


class ForgeGroup(TyperGroup):
    """``facewitness forge SOURCE ...`` is short for ``facewitness forge make SOURCE ...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``make`` in front of anything that does not begin with a subcommand."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


def say_error(message: str) -> None:
    """One line on stderr, whatever the message was made of."""
    typer.echo("facewitness: " + " ".join(message.split()), err=True)


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

    if Path(name).is_dir():
        return
    if name in zoo.ARCHITECTURES:
        raise typer.BadParameter(
            f"{name!r} is an architecture without weights; train it and name its run folder", param_hint=option
        )
    check_choice(name, zoo.SHIPPED, option, "or name a run folder or an exported one")
