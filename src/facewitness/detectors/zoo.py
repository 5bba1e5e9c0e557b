"""The one registry: the shipped detectors, every architecture to train, and ``load``, which opens any."""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from facewitness.detectors import cards
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.detectors.base import ONNX_FILE, WEIGHTS_FILE, Detector
from facewitness.provenance import install_command
from facewitness.types import Card, CardError, CropProfile, MissingExtraError

SHIPPED = ("default",)


def names() -> list[str]:
    """Shipped detectors first, then architectures to train."""
    return [*SHIPPED, *ARCHITECTURES]


def card(name: str) -> Card:
    """The card of a name of the zoo.

    Raises:
        CardError: no such name.
    """
    if name in SHIPPED:
        return cards.read(shipped_folder(name))
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    raise CardError(f"no detector {name!r} in the zoo; there are: {', '.join(names())}")


def resized(of: Card, crop: CropProfile) -> Card:
    """An architecture's card with another crop. Its net follows, where its layers depend on the crop's size."""
    args = {**of.args, "size_px": crop.size_px} if "size_px" in of.args else of.args
    return replace(of, crop=crop, args=args)


def shipped_folder(name: str) -> Path:
    """Where a shipped detector's ONNX and card lie inside the package."""
    return Path(str(files("facewitness.detectors") / "shipped" / name))


def load(name: str | Path, threads: int | None = None, device: str = "auto") -> Detector:
    """Open a detector by name of the zoo, or from an exported folder (ONNX + card), or from a run folder.

    Args:
        name: a name or a folder.
        threads: of one call; None leaves it to the runtime. Of exported folders only.
        device: ``cpu``, ``cuda``, the name of another execution provider of onnxruntime, or ``auto``: CUDA for a run
            folder where torch has it, the CPU otherwise.

    Raises:
        CardError: nothing of that name, no trained weights, or weights that are not the card's.
        DeviceError: the device is not there.
        MissingExtraError: a run folder, without the ``train`` extra.
    """
    if str(name) in SHIPPED:
        folder = shipped_folder(str(name))
    elif not (folder := Path(name)).is_dir():
        if str(name) in ARCHITECTURES:
            raise CardError(f"{name!r} is an architecture without trained weights: train it, then give its run folder")
        raise CardError(f"no detector {str(name)!r}: neither in the zoo ({', '.join(names())}) nor a folder")
    if (folder / ONNX_FILE).is_file():
        from facewitness.detectors.onnx_backend import OnnxDetector

        return OnnxDetector(folder, threads, "cpu" if device == "auto" else device)
    if (folder / WEIGHTS_FILE).is_file():
        try:
            from facewitness.detectors.torch_backend import load_run
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"{folder} is a run: export it, or install what runs it: {install_command('train')}"
            ) from error
        return load_run(folder, device)
    if (folder / cards.FILE).is_file() and cards.read(folder).members:
        from facewitness.detectors.fused import FusedDetector

        return FusedDetector(folder, threads, "cpu" if device == "auto" else device)
    raise CardError(f"{folder}: neither {ONNX_FILE} nor {WEIGHTS_FILE} in it; export a run, or finish its training")
