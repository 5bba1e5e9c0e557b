"""How commands answer what goes wrong: one line on stderr and an exit code."""

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from facewitness.provenance import install_command
from facewitness.types import FacewitnessError

_OF_TRAIN = "torch torchvision timm lightning scipy safetensors onnx onnxscript matplotlib sklearn h5py markdown_it"
_EXTRA_OF = dict.fromkeys(_OF_TRAIN.split(), "train") | {"ray": "cluster"}
_AFTER_INTERRUPT = {
    "scan": "type the same command again to go on; no finished file is scanned twice",
    "lae": "lae train: add --resume to the same command; the others begin anew",
    "train": "add --resume to the same command to go on from the last checkpoint",
    "evaluate": "type the same command again to go on; what is finished is kept",
    "experiment": "type the same command again to go on; no finished run is repeated",
    "forge": "type the same command again to go on (forge train-generator: with --resume); what is finished is kept",
    "calibrate-video": "type the same command again to go on; what is finished is kept",
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


def group_with_default(command: str) -> type[TyperGroup]:
    """A group with a default command: ``facewitness forge DATA`` is short for ``facewitness forge make DATA``."""

    class DefaultGroup(TyperGroup):
        default = command

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
                args = [self.default, *args]
            return super().parse_args(ctx, args)

    return DefaultGroup


def say_error(message: str) -> None:
    """One line on stderr, whatever the message was made of."""
    typer.echo("facewitness: " + " ".join(message.split()), err=True)
