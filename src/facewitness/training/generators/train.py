"""``facewitness forge train-generator METHOD``: train a method's network and put it where the forge finds it."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch import callbacks
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facewitness import config, runtime, storage
from facewitness.compute.progress import Progress
from facewitness.data import sources
from facewitness.data.splits import spread
from facewitness.data.terms import swap_allowed
from facewitness.detectors.export import store_half, write_onnx
from facewitness.forge import generators
from facewitness.forge.forgery import Portrait
from facewitness.media.faces import padded
from facewitness.storage import sha256
from facewitness.training import loop
from facewitness.training.data.cache import FaceCache, cached_faces
from facewitness.training.data.draws import Draw, Draws
from facewitness.training.generators.adversarial import Adversarial
from facewitness.training.generators.generator import Generator
from facewitness.training.generators.recipe import GeneratorRecipe, defaults
from facewitness.training.generators.tasks import TASKS, Components, Face, Task, components, groups
from facewitness.types import CropProfile, FacewitnessError, ForgeError, Sample

TOLERANCE = 2e-3
"""Largest difference between torch and onnxruntime that a trained generator may show, of a range of 1."""


def train_generator(
    method: str,
    data: Path,
    *,
    recipe: Path | None = None,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    progress: Progress = None,
) -> Path:
    """Train the network of ``method`` on the train split of ``data`` and return the folder the forge reads.

    The run (recipe, checkpoints, metrics, samples) stands in ``out``, ``CACHE/forge/METHOD/run`` if left out. Stopped,
    it goes on with ``resume`` from its last epoch. A generator trained before is used until the new one is done.

    Raises:
        ForgeError: no such method, or one without a network.
        RecipeError: the recipe does not fit, or ``out`` holds another run.
        FacewitnessError: the data cannot be used.
    """
    if method not in TASKS:
        raise ForgeError(f"{method!r} has no network to fit; there are {', '.join(TASKS)}")
    task = TASKS[method]
    settings = config.load(recipe, GeneratorRecipe, overrides, defaults=defaults(task))
    out = out or generators.folder(method) / "run"
    if not resume and (out / "finished").exists():
        shutil.rmtree(out)  # a finished run of ours: its network is in use, and this one will replace it
    checkpoint = loop.open_folder(out, settings, resume=resume)
    loop.settle(settings.seed, settings.trainer)
    samples = _samples(task, data, settings)
    loop.record(out, settings, samples)
    squares = Squares(cached_faces(samples, settings.data.loose_side_px, progress=progress), samples, task, settings)
    generator = _generator(settings, squares.components)
    module = Adversarial(generator, settings.optim, local=task.local)
    average = callbacks.WeightAveraging(avg_fn=loop.moving_average(settings.optim.average))
    batch, epoch = settings.optim.batch, settings.optim.batch * settings.optim.steps
    draws = Draws(squares.sources, settings.data.source_power, epoch, settings.seed)
    workers = loop.forked(settings.data.workers)
    loader = DataLoader(squares, sampler=draws, batch_size=batch, drop_last=True, **workers)
    loop.fit(
        module,
        [loader],
        checkpoint,
        settings.trainer,
        out,
        [average, Samples(out, squares)],
        progress=progress,
        automatic="bf16-mixed",  # on this task two and a half times as fast on a CPU that has it; loses nothing visible
        max_epochs=settings.optim.epochs,
        log_every_n_steps=min(10, settings.optim.steps),
    )
    _publish(task, settings, generator, squares.sources, out)
    return generators.folder(method)


class Squares(Dataset[dict[str, Tensor]]):
    """Examples of a task, made from the aligned squares of some faces."""

    def __init__(self, faces: FaceCache, samples: Sequence[Sample], task: Task, settings: GeneratorRecipe) -> None:
        self.task, self.seed = task, settings.seed
        self.size_px = settings.data.size_px
        profile = CropProfile(size_px=self.size_px, margin=settings.data.margin)
        windows = (faces.portrait(i) for i in range(len(faces)))
        squares = (window if task.native else generators.square(window, profile) for window in windows)
        self.portraits = [Portrait(square.image, square.landmarks) for square in squares]
        self.sources = [samples[i].dataset for i in faces.sample]
        count = settings.data.groups
        if len(self.portraits) < 2 * count:
            raise FacewitnessError(f"{len(self.portraits)} faces are too few for {count} groups: give more")
        self.groups = groups(self.portraits, count, settings.seed) if count > 1 else np.zeros(len(faces), np.int64)
        self.components = _components(self.portraits, settings)

    def __len__(self) -> int:
        return len(self.portraits)

    def face(self, index: int, rng: np.random.Generator) -> Face:
        """A square, or a tile drawn from a window, and what is known about it."""
        code = self.components.codes[index] if self.components else np.zeros(0, np.float32)
        portrait = tile(self.portraits[index], self.size_px, rng) if self.task.native else self.portraits[index]
        return Face(portrait, int(self.groups[index]), code)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        rng = np.random.default_rng((draw.seed, 11))
        face = self.face(draw.index, rng)
        if not face.code.size and rng.random() < 0.5:
            face = face._replace(portrait=mirrored(face.portrait))
        example = self.task.example(face, rng)
        return {
            "input": torch.from_numpy(np.ascontiguousarray(example.input)),
            "truth": torch.from_numpy(example.truth),
            "weight": torch.from_numpy(np.ascontiguousarray(example.weight, np.float32)),
            "group": torch.tensor(example.group),
        }


def tile(portrait: Portrait, size_px: int, rng: np.random.Generator) -> Portrait:
    """A square of a picture, anywhere in it, which is mirrored where it is smaller."""
    image = padded(portrait.image, size_px)
    top, left = (int(rng.integers(side - size_px + 1)) for side in image.shape[:2])
    cut = np.ascontiguousarray(image[top : top + size_px, left : left + size_px])
    return Portrait(cut, np.asarray(portrait.landmarks - np.array([left, top]), np.float32))


_MIRROR = np.array(
    [
        *(*range(16, -1, -1), *range(26, 16, -1)),  # jaw, brows
        *(*range(27, 31), *range(35, 30, -1)),  # nose
        *(*range(45, 41, -1), 47, 46, *range(39, 35, -1), 41, 40),  # eyes
        *(*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)),  # mouth
    ]
)


def mirrored(portrait: Portrait) -> Portrait:
    """Left and right exchanged, the 68 landmarks with their numbers as well."""
    points = portrait.landmarks[_MIRROR].copy()
    points[:, 0] = portrait.image.shape[1] - 1 - points[:, 0]
    return Portrait(np.ascontiguousarray(portrait.image[:, ::-1]), points)


def _samples(task: Task, data: Path, settings: GeneratorRecipe) -> list[Sample]:
    """Real photographs of the train split; of sources that forbid swaps only where the person stays who they are."""
    samples = [s for s in sources.read_divided(data, settings.seed) if s.split == "train" and s.label == 0]
    if not task.keeps_identity:
        samples = [s for s in samples if swap_allowed(s.dataset)]
    if not samples:
        raise FacewitnessError(f"{data}: no real photograph in split 'train' that {task.method} may be taught on")
    return spread(samples, settings.data.limit)


def _components(portraits: Sequence[Portrait], settings: GeneratorRecipe) -> Components | None:
    if not settings.net.noise:
        return None
    try:
        return components(portraits, settings.net.noise, settings.seed)
    except ValueError as error:
        raise FacewitnessError(f"{error}: give more photographs, or a smaller net.noise") from error


def _generator(settings: GeneratorRecipe, parts: Components | None) -> Generator:
    options = settings.net.model_dump()
    generator = Generator(settings.data.size_px, decoders=settings.data.groups, **options)
    if generator.unfold is not None and parts is not None:
        # The first layer is the faces' principal components and stays so: a code always means the same coarse face.
        generator.unfold.weight.data = torch.from_numpy(np.ascontiguousarray(parts.axes.T))
        generator.unfold.bias.data = torch.from_numpy(parts.mean)
        generator.unfold.requires_grad_(False)
    return generator.to(memory_format=torch.channels_last)


class Samples(callbacks.Callback):
    """After every epoch a picture of what the network does to eight faces: input, truth, made."""

    def __init__(self, out: Path, squares: Squares) -> None:
        self.path, self.squares = out / "samples.png", squares

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw it."""
        if not isinstance(pl_module, Adversarial):
            raise TypeError(f"samples are drawn from {Adversarial.__name__}, not from {type(pl_module).__name__}")
        chosen = np.linspace(0, len(self.squares) - 1, 8).astype(int)
        rng = np.random.default_rng(5)
        examples = [self.squares.task.example(self.squares.face(int(i), rng), rng) for i in chosen]
        generator = pl_module.generator.eval()
        inputs = torch.from_numpy(np.stack([e.input for e in examples])).to(pl_module.device)
        with torch.no_grad():
            made = generator(inputs).float().cpu().numpy()
            if generator.noise:
                noise = torch.randn(8, generator.noise, generator=torch.Generator().manual_seed(5))
                extra = generator(noise.to(inputs))
                made = np.concatenate([made, extra.float().cpu().numpy()], axis=1)
        generator.train()
        rows = [[e.truth for e in examples]] + ([[e.input[:3] for e in examples]] if inputs.ndim == 4 else [])
        rows += [[m[start : start + 3] for m in made] for start in range(0, made.shape[1], 3)]
        sheet = np.concatenate([np.concatenate([generators.picture(one) for one in row], axis=1) for row in rows])
        sheet = np.clip(sheet, 0, 255).astype(np.uint8)
        cv2.imwrite(str(self.path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _publish(task: Task, settings: GeneratorRecipe, generator: Generator, datasets: Sequence[str], out: Path) -> None:
    """Export the averaged weights, check them, and put network and card into place as one step after the other."""
    generator.cpu().eval()
    example = (
        torch.rand(1, settings.net.noise)
        if settings.net.noise
        else torch.rand(1, settings.net.inputs, settings.data.size_px, settings.data.size_px)
    )
    path = out / generators.MODEL
    steps = 2**settings.net.depth
    sides = {side: steps * torch.export.Dim(f"steps{side}", min=2) for side in (2, 3)} if task.native else None
    write_onnx(generator, example, path, "input", ["made"], **({"dynamic_shapes": {"inputs": sides}} if sides else {}))
    with torch.no_grad():
        wanted = generator(example).numpy()

    def gap(model: Path) -> float:
        return float(np.abs(runtime.session(model).run(None, {"input": example.numpy()})[0] - wanted).max())

    half = store_half(path, out / "half.onnx")
    if gap(half) <= TOLERANCE:  # what is quantised inside may need all digits
        half.replace(path)
    half.unlink(missing_ok=True)
    if (apart := gap(path)) > TOLERANCE:
        raise FacewitnessError(f"{path}: onnxruntime and torch differ by {apart:.2g}, more than {TOLERANCE}: not used")
    card = {
        "version": generators.VERSION,
        "method": task.method,
        "weights": sha256(path),
        "size_px": settings.data.size_px,
        "margin": settings.data.margin,
        "recipe": settings.model_dump(mode="json"),
        "trained_on": dict(sorted(Counter(datasets).items())),
        **({"noise": settings.net.noise} if settings.net.noise else {}),
    }
    (out / generators.CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    folder = generators.folder(task.method)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (generators.MODEL, generators.CARD):
        with storage.atomic_write(folder / name) as part:
            shutil.copyfile(out / name, part)
    (out / "finished").touch()
