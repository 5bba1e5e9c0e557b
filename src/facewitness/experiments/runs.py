"""What all studies share: the name a run gets from what decides it, and photographs that are cut once for all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from facewitness import storage
from facewitness.data import manifest as manifests
from facewitness.detectors import cards, zoo
from facewitness.evaluation.crops import FaceCrop, crop_samples
from facewitness.experiments.code import code_digest
from facewitness.training.recipe import CHECKPOINTS, VERSION, TrainRecipe
from facewitness.types import CropProfile, FacewitnessError, RecipeError, Sample

FAILURES = (FacewitnessError, RuntimeError, MemoryError)
"""What may end one run of many without ending the others."""


def key(training: TrainRecipe, data: str) -> str:
    """What decides a run, as a hash; ``data`` is that of its photographs.

    Raises:
        RecipeError: the recipe names no entry of the zoo.
    """
    recipe = training.model_dump(mode="json", exclude_defaults=True)  # a new key with a default changes nothing
    recipe["trainer"] = {"precision": training.trainer.precision}
    for left_out in ("path", "workers"):
        recipe["data"].pop(left_out, None)
    if training.net.entry not in zoo.ARCHITECTURES:
        raise RecipeError(f"{training.name}: net.entry: no architecture {training.net.entry!r}")
    card = zoo.ARCHITECTURES[training.net.entry]
    decides = {
        "recipe": recipe,
        "data": data,
        "card": {key: value for key, value in asdict(card).items() if key not in ("about", "paper", "licence")},
        "net": code_digest(card.build.partition(":")[0]),
        "version": VERSION,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


def data_digest(manifest: Path, methods: Sequence[str]) -> str:
    """SHA-256 of all that is trained on: reals and the fakes of some methods, what is known of them, their files."""
    found = hashlib.sha256()
    for sample in manifests.of_methods(manifests.read(manifest), methods):
        if sample.split != "test":
            files = (sample.path, sample.region, sample.mask)
            contents = [storage.sha256(file) if file is not None and file.is_file() else "-" for file in files]
            points = "-" if sample.landmarks is None else sample.landmarks.tolist()
            known = (sample.label, sample.method, sample.dataset, sample.identities, sample.split, points)
            found.update(f"{known} {contents}\n".encode())
    return found.hexdigest()


def why(error: BaseException) -> str:
    """A failure in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def slug(name: str) -> str:
    """A name as that of a file or a folder."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def short(*parts: object) -> str:
    """A name for what these decide, as a file's."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]


def trained(folder: Path, train: Callable[[bool], object], last: str = cards.FILE) -> str:
    """See that a run is finished, which its file ``last`` says: by ``train(resume)``, if not. Says what had to be done.

    What was stopped before its first epoch was over begins anew; of a finished run only the weights are kept.
    """
    if (folder / last).exists():
        return "trained before"
    checkpoints = folder / CHECKPOINTS
    resume = (checkpoints / "last.ckpt").exists()
    if not resume and folder.exists():
        shutil.rmtree(folder)
    train(resume)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return "trained to its end" if resume else "trained"


class CropCache:
    """``evaluation.crops.cuts`` that cuts a photograph once for all detectors of a profile."""

    def __init__(self) -> None:
        self.kept: dict[CropProfile, dict[str, FaceCrop]] = {}

    def __call__(
        self, samples: Sequence[Sample], profile: CropProfile, workers: int | None = None
    ) -> Generator[FaceCrop, None, None]:
        """The cut of each sample, in order."""
        kept = self.kept.setdefault(profile, {})
        missing = [sample for sample in samples if str(sample.path) not in kept]
        with closing(crop_samples(missing, profile, workers)) as fresh:
            for sample in samples:
                if str(sample.path) not in kept:
                    kept[str(sample.path)] = next(fresh)
                yield kept[str(sample.path)]
