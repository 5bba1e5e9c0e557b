"""What all commands share: how they look, and how they answer what goes wrong: one line on stderr and an exit code.

No command is here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from forgesight.types import ForgesightError

STYLE: dict[str, Any] = {
    "no_args_is_help": True,
    "rich_markup_mode": None,  # plain text: quicker, and the same in a pipe
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
WorkersOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Processes that find faces; by the number of cores if left out.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Change one value of the recipe; repeatable.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]

_EXTRA_OF = {
    **dict.fromkeys(
        ("torch", "torchvision", "timm", "lightning", "torchmetrics", "safetensors", "onnx", "onnxscript"), "train"
    ),
    "matplotlib": "train",
    "sklearn": "train",
    "h5py": "train",
    "ray": "cluster",
}
_AFTER_INTERRUPT = {
    "scan": "type the same command again to go on; no finished file is scanned twice",
    "lae": "lae train: add --resume to the same command; the others begin anew",
    "train": "add --resume to the same command to go on from the last checkpoint",
    "compare": "type the same command again to go on; no finished run is repeated",
    "forge": "type the same command again to go on (forge fit: with --resume); what is finished is kept",
    "data": "type the same command again to go on; what is finished is kept",
}


class Doors(TyperGroup):
    """Turns what is expected to go wrong into one line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. What nobody foresaw keeps its traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say_error("interrupted: " + _AFTER_INTERRUPT.get(ctx.invoked_subcommand, "nothing was kept"))
            raise typer.Exit(130) from None
        except ForgesightError as error:
            say_error(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _EXTRA_OF:
                raise
            say_error(f'this needs {package}, which is not installed: pip install "forgesight[{_EXTRA_OF[package]}]"')
        except OSError as error:
            if error.errno == errno.ENOSPC:
                say_error("the disk is full; what is finished is kept: make room and type the same command again")
            elif error.filename is None:  # a closed pipe among others, which typer ends quietly
                raise
            else:
                say_error(f"{error.filename}: {error.strerror}")
        raise typer.Exit(1)


class ForgeDoors(TyperGroup):
    """``forgesight forge SOURCE ...`` is short for ``forgesight forge make SOURCE ...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``make`` in front of anything that does not begin with a subcommand."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


def say_error(message: str) -> None:
    """One line on stderr, whatever the message was made of."""
    typer.echo("forgesight: " + " ".join(message.split()), err=True)


def check_choice(value: str, known: Iterable[str], option: str, mend: str = "") -> None:
    """Refuse a value that is not among the known ones, with a guess at what was meant."""
    known = list(known)
    if value not in known:
        guess = get_close_matches(value, known, 1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"known: {', '.join(known)}"
        raise typer.BadParameter("; ".join(filter(None, (f"no {value!r}; {hint}", mend))), param_hint=option)
