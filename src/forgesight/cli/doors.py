"""How commands answer what goes wrong: one line on stderr and an exit code. No command is here."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from forgesight.types import ForgesightError

_EXTRA_OF = {
    **dict.fromkeys(
        ("torch", "torchvision", "timm", "lightning", "torchmetrics", "safetensors", "onnx", "onnxscript"), "train"
    ),
    "matplotlib": "train",
    "ray": "cluster",
}
_AFTER_INTERRUPT = {
    "scan": "type the same command again to go on; no finished file is scanned twice",
    "train": "add --resume to the same command to go on from the last checkpoint",
    "forge": "type the same command again; the same seed gives the same bytes",
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
            if error.filename is None:  # a closed pipe among others, which typer ends quietly
                raise
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
