"""``facewitness lae``: train (stage 1), select (which fakes deserve a mask), finetune (stage 2)."""

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facewitness import config, storage
from facewitness.compute.progress import Progress
from facewitness.detectors.graph import Graph
from facewitness.detectors.torch_backend import load_run
from facewitness.training import loop
from facewitness.training.data import augment
from facewitness.training.data.draws import Draw
from facewitness.training.data.pairs import Pairs
from facewitness.training.lae import active, paint
from facewitness.training.lae.recipe import LaeRecipe
from facewitness.training.lae.stages import Attending, Reconstructing
from facewitness.types import Card, FacewitnessError, Image, RecipeError, Sample

SELECTION = "selection.json"
CONCEPTS = "concepts.npz"


class Opened(NamedTuple):
    """A run with its data."""

    folder: Path
    recipe: LaeRecipe
    card: Card
    graph: Graph
    train_set: Pairs
    validation_set: Pairs
    samples: list[Sample]


class MaskedFaces(NamedTuple):
    """Faces of the training set with a mask."""

    faces: list[int]
    crops: list[Image]
    masks: list[NDArray[np.uint8]]


def train(
    recipe: Path,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    resume: bool = False,
    progress: Progress = None,
) -> Path:
    """Stage 1 of a recipe, to a run folder as any training leaves one (``runs/NAME`` if ``out`` is left out).

    Raises:
        KeyboardInterrupt: stopped by Ctrl-C; ``resume`` goes on from the last epoch.
        RecipeError: the recipe does not fit, or the folder holds another run.
        FacewitnessError: the data cannot be used.
    """
    settings, out, checkpoint = loop.begin(recipe, LaeRecipe, out, overrides, resume=resume)
    card = loop.card_of(settings)
    train_set, validation_set, samples = loop.data(settings, card.crop, progress=progress)
    loop.record(out, settings, samples)
    graph = Graph(card)
    loaders = loop.loaders_of(settings, train_set, validation_set)
    module = Reconstructing(graph, settings)
    loop.learn(module, graph, card, settings, out, loaders, checkpoint, progress=progress)
    return out


def select(
    folder: Path, masks: int, out: Path, *, choice: str | None = None, oracle: bool = False, progress: Progress = None
) -> Path:
    """Choose fakes that deserve a mask and write them out as a folder to paint; with ``oracle`` it is painted already.

    Raises:
        CardError: ``folder`` is no finished run.
        FacewitnessError: there are not so many fakes, or the oracle does not know the mask of one.
    """
    opened = _open(folder, progress=progress)
    section = opened.recipe.ask
    if choice is not None:
        section = section.model_copy(update={"choice": choice})
    chosen = active.choose(_concepts(opened), opened.train_set, masks, section, opened.recipe.seed)
    crops, known = _squares(opened, chosen.faces, oracle=oracle)
    rows = [
        {"face": face, "path": str(opened.train_set.sample(face).path), "activation": round(activation, 6)}
        for face, activation in zip(chosen.faces, chosen.activation, strict=True)
    ]
    facts = {
        "run": str(folder.resolve()),
        "weights": opened.card.weights,
        "size_px": opened.card.crop.size_px,
        "choice": section.choice,
        "channels": chosen.channels,
        "accuracy": round(chosen.accuracy, 4),
        "answered_by": "oracle" if oracle else "a person",
    }
    command = f"facewitness lae finetune {folder} --masks {out} --out {folder}-painted"
    paint.write(out, crops, rows, facts, command, known)
    return out


def finetune(
    folder: Path,
    out: Path,
    *,
    masks: Path | None = None,
    oracle: int | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = None,
) -> Path:
    """Stage 2: regularise a run's encoder with painted ``masks``, or with so many that the manifest knows (``oracle``).

    Writes a run folder of its own, with ``selection.json``: every mask used, who answered and how they were chosen.

    Raises:
        RecipeError: neither or both of ``masks`` and ``oracle``, or an override does not fit.
        CardError: ``folder`` is no finished run.
        FacewitnessError: a mask cannot be used, or belongs to another run.
    """
    if (masks is None) == (oracle is None):
        raise RecipeError("give either painted masks or the number that the manifest is to answer")
    opened = _open(folder, overrides, progress=progress)
    settings = opened.recipe
    if oracle is not None:
        first = -(-oracle // settings.attend.epochs) if settings.attend.reselect else oracle
        asked, chosen = _answered(opened, first, MaskedFaces([], [], []), _concepts(opened))
        facts: dict[str, Any] = {"choice": settings.ask.choice, "answered_by": "oracle", "channels": chosen.channels}
    else:
        asked, facts = _painted(opened, folder, masks or Path())
    loop.open_folder(out, settings, resume=False)
    loop.settle(settings.seed, settings.trainer)
    loop.record(out, settings, opened.samples)
    module = Attending(opened.graph, settings.attend, settings.reconstruct.noise)
    training, validation = loop.loaders_of(settings, opened.train_set, opened.validation_set)
    extra = Masked(asked, opened.train_set, settings.attend.batch_masks)
    loaders = [Together(training, extra, settings.seed), validation]
    callbacks = [AskAgain(opened, extra, oracle)] if oracle is not None and settings.attend.reselect else []
    options: dict[str, Any] = {"max_epochs": settings.attend.epochs, "patience": settings.optim.patience}
    options["gradient_clip_val"] = settings.optim.clip or None
    module.train()  # whoever chose the faces looked at them in evaluation
    if loop.fit(module, loaders, None, settings.trainer, out, callbacks, progress=progress, **options):
        facts |= {"from": str(folder.resolve()), "masks": len(extra.asked.faces), "fakes": len(opened.train_set.own)}
        facts["faces"] = [str(opened.train_set.sample(face).path) for face in extra.asked.faces]
        storage.write_text(out / SELECTION, json.dumps(facts, indent=2) + "\n")
        loop.finish(out, opened.card, opened.graph, opened.validation_set)
    return out


class Masked(Dataset[dict[str, Tensor]]):
    """Faces with a mask, both rotated and mirrored at random."""

    def __init__(self, asked: MaskedFaces, pairs: Pairs, batch: int) -> None:
        self.asked, self.pairs, self.batch = asked, pairs, batch

    def __len__(self) -> int:
        return len(self.asked.faces)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        rng = np.random.default_rng((draw.seed, 31))
        matrix = augment.draw_jitter(self.pairs.recipe.augment, self.pairs.profile.size_px, rng)[:2]
        crop, mask = self.asked.crops[draw.index], self.asked.masks[draw.index]
        size = (crop.shape[1], crop.shape[0])
        crop = np.asarray(cv2.warpAffine(crop, matrix, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
        mask = np.asarray(cv2.warpAffine(mask, matrix, size), np.uint8)
        if rng.random() < 0.5:
            crop, mask = np.ascontiguousarray(crop[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
        return {"asked": torch.from_numpy(crop).permute(2, 0, 1), "masks": torch.from_numpy(mask)}


class AskAgain(lightning.Callback):
    """Before every epoch but the first: more masks from the oracle, chosen anew, up to the budget."""

    def __init__(self, opened: Opened, masked: Masked, budget: int) -> None:
        self.opened, self.masked, self.budget = opened, masked, budget

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Ask."""
        share = -(-self.budget // self.opened.recipe.attend.epochs)
        count = min(share, self.budget - len(self.masked.asked.faces))
        if trainer.current_epoch and count > 0:
            pooled = active.concepts(self.opened.graph, self.opened.train_set)
            self.masked.asked, _ = _answered(self.opened, count, self.masked.asked, pooled)
            pl_module.train()


class Together:
    """Batches of pairs, each with a batch of masked faces drawn beside it."""

    def __init__(self, pairs: DataLoader[Any], masked: Masked, seed: int) -> None:
        self.pairs, self.masked, self.seed, self.epoch = pairs, masked, seed, 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Any:
        rng = np.random.default_rng((self.seed, 32, self.epoch))
        self.epoch += 1
        for batch in self.pairs:
            drawn = rng.integers(len(self.masked), size=self.masked.batch)
            rows = [self.masked[Draw(int(index), int(rng.integers(2**31)), self.epoch)] for index in drawn]
            yield {**batch, **{key: torch.stack([row[key] for row in rows]) for key in ("asked", "masks")}}


def _open(folder: Path, overrides: Sequence[str] = (), *, progress: Progress) -> Opened:
    detector = load_run(folder, "cpu")
    try:
        told = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"{folder}: no recipe.json to go on from ({error})") from error
    settings = config.load(None, LaeRecipe, overrides, defaults=told)
    loop.settle(settings.seed, settings.trainer)
    train_set, validation_set, samples = loop.data(settings, detector.card.crop, progress=progress)
    return Opened(folder, settings, detector.card, detector.graph, train_set, validation_set, samples)


def _squares(
    opened: Opened, faces: Sequence[int], *, oracle: bool
) -> tuple[list[Image], list[NDArray[np.uint8]] | None]:
    """The crops of some faces, and what an oracle says of their masks."""
    crops, masks = [], []
    for face in faces:
        crop, region = opened.train_set.square(face)
        crops.append(crop)
        if oracle:
            if region is None:
                raise FacewitnessError(
                    f"{opened.train_set.sample(face).path}: its region is not in the manifest: paint instead"
                )
            masks.append(np.where(region > 127, 255, 0).astype(np.uint8))
    return crops, masks if oracle else None


def _concepts(opened: Opened) -> NDArray[np.float32]:
    """What a finished run's encoder makes of its training faces; kept in its folder, since one run is asked often."""
    faces = active.asked_about(opened.train_set)
    told = [str(opened.card.weights), *(str(opened.train_set.sample(int(face)).path) for face in faces)]
    decides = hashlib.sha256("\n".join(told).encode()).hexdigest()
    path = opened.folder / CONCEPTS
    try:
        with np.load(path) as kept:
            if str(kept["decides"]) == decides:
                return np.asarray(kept["pooled"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # there are none yet, or none that can be read: they are made anew
    pooled = active.concepts(opened.graph, opened.train_set)
    with contextlib.suppress(OSError), storage.atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, decides=decides, pooled=pooled)  # somebody else's run may not be written to
    return pooled


def _answered(
    opened: Opened, count: int, before: MaskedFaces, pooled: NDArray[np.float32]
) -> tuple[MaskedFaces, active.Choice]:
    """What an oracle has answered before, and ``count`` more of the fakes that were not asked about."""
    total = count + len(before.faces)
    chosen = active.choose(pooled, opened.train_set, total, opened.recipe.ask, opened.recipe.seed)
    new = [face for face in chosen.faces if face not in before.faces][:count]
    crops, masks = _squares(opened, new, oracle=True)
    return MaskedFaces([*before.faces, *new], [*before.crops, *crops], [*before.masks, *(masks or [])]), chosen


def _painted(opened: Opened, folder: Path, masks: Path) -> tuple[MaskedFaces, dict[str, Any]]:
    rows, planes, facts = paint.read(masks)
    if facts["weights"] != opened.card.weights:
        raise FacewitnessError(f"{masks} was asked for by another run ({facts['run']}): select again from {folder}")
    faces = [int(row["face"]) for row in rows]
    crops, _ = _squares(opened, faces, oracle=False)
    return MaskedFaces(faces, crops, planes), {key: facts[key] for key in ("choice", "answered_by", "channels")}
