"""Convert published weights: ``facewitness import``. Names, layouts and labels are translated here and nowhere else.

Label conventions: MesoNet's one unit is P(real), which ``nets.mesonet`` keeps inside;
ClassNSeg's first half is the forged one, which ``nets.autoencoders`` keeps inside. No file is unpickled: HDF5,
safetensors, or ``torch.load(weights_only=True)``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facewitness.detectors import zoo
from facewitness.detectors.base import ONNX_FILE
from facewitness.detectors.export import export
from facewitness.detectors.graph import Graph, with_complexity
from facewitness.types import CardError

State = dict[str, Tensor]


class System(NamedTuple):
    """How one system's files are read: into the name of a card and a state of its net."""

    read: Callable[[Sequence[Path]], tuple[str, State]]
    files: str  # what must be given
    licence: str


def import_weights(system: str, files: Sequence[Path], out: Path, *, channels: str = "rgb") -> Path:
    """Write the published weights of a system as an exported folder, which ``facewitness.load`` and scans accept.

    ``channels`` is the order the weights were trained with; ``bgr`` turns the first layer round.

    Raises:
        CardError: a file cannot be read or is not of this system; the message names the key and the mend.
    """
    if system not in SYSTEMS:
        raise CardError(f"no importer for {system!r}; there are {', '.join(SYSTEMS)}")
    if channels not in ("rgb", "bgr"):
        raise CardError(f"channels are 'rgb' or 'bgr', not {channels!r}")
    if (out / ONNX_FILE).exists():
        raise CardError(f"{out} already holds a detector: give another --out")
    name, state = SYSTEMS[system].read(files)
    card = zoo.card(name)
    graph = Graph(card)
    _fits(state, graph.net, files)
    graph.net.load_state_dict(state)
    if channels == "bgr":
        _turn_round(graph.net)
    stem = files[0].stem.lower()
    told = f"by the authors ({card.paper}); imported from {', '.join(file.name for file in files)}"
    imported = replace(
        with_complexity(card, graph.net), name=f"{name}.{stem}", trained_on=told, licence=SYSTEMS[system].licence
    )
    return export(imported, graph, out)


def read_mesonet(files: Sequence[Path]) -> tuple[str, State]:
    """A Keras file of Meso-4 or MesoInception-4: layers of a kind in the order of their numbers."""
    path = _only(files, "mesonet")
    kinds = _keras(path)
    convolutions, norms, dense = (kinds.get(kind, []) for kind in ("conv2d", "batch_normalization", "dense"))
    name = "meso4" if len(convolutions) == 4 else "mesoinception4"
    net = Graph(zoo.card(name)).net
    ours: Mapping[type[nn.Module], list[Any]] = {nn.Conv2d: convolutions, nn.BatchNorm2d: norms, nn.Linear: dense}
    state: State = {}
    for kind, theirs in ours.items():
        names = [own for own, module in net.named_modules() if isinstance(module, kind)]
        if len(names) != len(theirs):
            counts = ", ".join(f"{len(found)} {what}" for what, found in kinds.items())
            raise CardError(
                f"{path}: {counts or 'no layers'}, where {name} has {len(names)} {kind.__name__}: not a MesoNet file; "
                "give Meso4_*.h5 or MesoInception_*.h5"
            )
        for own, (label, arrays) in zip(names, theirs, strict=True):
            for array, value in arrays.items():
                if array not in _KERAS_NAMES:
                    raise CardError(f"{path}: unknown array {label}/{array}: not a MesoNet file of Keras 2")
                state[f"{own}.{_KERAS_NAMES[array]}"] = _from_keras(path, f"{label}/{array}", value)
    for own, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            state[f"{own}.num_batches_tracked"] = torch.tensor(0)
    return name, state


def read_classnseg(files: Sequence[Path]) -> tuple[str, State]:
    """The encoder's and the decoder's state, in either order."""
    state: State = {}
    for path in files:
        for key, value in _torch_state(path).items():
            if key in state:
                raise CardError(f"{path}: {key!r} came with another file already: give one encoder and one decoder")
            state[key] = value
    return "classnseg", state


def read_xception(files: Sequence[Path]) -> tuple[str, State]:
    """Two-class Xception under the names of FaceForensics++ (``model.last_linear``) or of timm (``fc``)."""
    path = _only(files, "xception")
    state: State = {}
    for key, value in _torch_state(path).items():
        key = re.sub(r"^(module\.)?(model\.)?(body\.)?", "", key)
        key = re.sub(r"^last_linear\.(1\.)?", "fc.", key)
        if key.endswith("pointwise.weight") and value.ndim == 2:
            value = value[..., None, None]
        state[f"body.{key}"] = value
    return "xception", state


SYSTEMS: Mapping[str, System] = {
    "mesonet": System(read_mesonet, "one .h5 file of Meso-4 or MesoInception-4", "Apache-2.0"),
    "classnseg": System(read_classnseg, "the encoder's and the decoder's .pt file", "BSD-3-Clause"),
    "xception": System(read_xception, "one state of two classes (.pth, .pt or .safetensors)", "as its authors say"),
}

_KERAS_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def _only(files: Sequence[Path], system: str) -> Path:
    if len(files) != 1:
        raise CardError(f"{system} takes {SYSTEMS[system].files}, not {len(files)} files")
    return files[0]


def _keras(path: Path) -> dict[str, list[tuple[str, dict[str, NDArray[np.float32]]]]]:
    """The weighted layers of a Keras file by kind, each kind in the order of its numbers."""
    import h5py

    found: dict[str, list[tuple[int, str, dict[str, NDArray[np.float32]]]]] = {}
    try:
        with h5py.File(path) as file:
            top = file.get("model_weights", file)
            for label in top:
                arrays: dict[str, NDArray[np.float32]] = {}
                top[label].visititems(
                    lambda key, value, into=arrays: (
                        into.update({key.rpartition("/")[2].partition(":")[0]: value[()]})
                        if isinstance(value, h5py.Dataset)
                        else None
                    )
                )
                kind, _, number = label.rpartition("_")
                if arrays:
                    found.setdefault(kind, []).append((int(number) if number.isdigit() else 0, label, arrays))
    except (OSError, KeyError, AttributeError) as error:
        raise CardError(f"{path}: cannot be read as Keras weights (HDF5): {error}") from error
    return {kind: [layer[1:] for layer in sorted(layers, key=lambda layer: layer[0])] for kind, layers in found.items()}


def _from_keras(path: Path, key: str, value: NDArray[np.float32]) -> Tensor:
    """Kernels (h, w, in, out) to (out, in, h, w), and (in, out) to (out, in)."""
    if key.endswith("/kernel") and value.ndim == 4:
        if value.shape[0] != value.shape[1] and value.shape[2] == value.shape[3]:
            raise CardError(
                f"{path}: {key} is {value.shape}, which is (out, in, h, w): the file was saved channels-first; "
                "convert it with Keras to channels_last"
            )
        value = value.transpose(3, 2, 0, 1)
    elif key.endswith("/kernel"):
        value = value.T
    return torch.from_numpy(np.ascontiguousarray(value, np.float32))


def _torch_state(path: Path) -> State:
    """The state in a file of torch or safetensors. Whole pickled modules are refused."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CardError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # pickle, zip and safetensors raise kinds of their own
        raise CardError(
            f"{path}: not a plain state of weights. A whole pickled module is not opened, because it can run code: "
            f"where you trust it, save its state_dict() and give that file ({str(error).splitlines()[0]})"
        ) from error
    for key in ("state_dict", "model", "net"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CardError(f"{path}: holds no state of weights (names to tensors)")
    return dict(state)


def _fits(state: State, net: nn.Module, files: Sequence[Path]) -> None:
    """Name the first key that is missing, too much, or of another shape."""
    where = ", ".join(str(file) for file in files)
    own = net.state_dict()
    for key in sorted(set(own) & set(state)):
        if own[key].shape != state[key].shape:
            theirs, ours = tuple(state[key].shape), tuple(own[key].shape)
            if theirs[1:] == ours[1:]:
                mend = (
                    f"it has {theirs[0]} classes where a detector has {ours[0]}: as a start for training, use net.init"
                )
            elif sorted(theirs) == sorted(ours):
                mend = "its axes are in another order: save it with the channels in the published order"
            else:
                mend = "these are the weights of another model"
            raise CardError(f"{where}: {key!r} is {theirs}, not {ours}: {mend}")
    missing = sorted(key for key in set(own) - set(state) if not key.endswith("num_batches_tracked"))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CardError(
            f"{where}: no {missing[0]!r}{more}: a file is missing, or these are the weights of another model"
        )
    extra = sorted(set(state) - set(own))
    if extra:
        raise CardError(f"{where}: unknown {extra[0]!r}: these are the weights of another model, or of more than it")
    state.update({key: value for key, value in own.items() if key not in state})


def _turn_round(net: nn.Module) -> None:
    """Let the layers that read the picture take blue, green, red for what they took for red, green, blue."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 3:
            module.weight.data = module.weight.data.flip(1)
