"""The folders of the runs of every packaged experiment: their names must not change, or hours of training are lost.

``run_names.json`` holds the names that the first version of the experiments gave over the same toy manifest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facewitness.config import packaged_recipes
from facewitness.data import manifest
from facewitness.experiments.plan import GENOTYPE, Plan, Run
from facewitness.experiments.recipe import load
from facewitness.types import Sample

NAMES: dict[str, list[str]] = json.loads(Path(__file__).with_name("run_names.json").read_text())
EXPERIMENTS = [name.removeprefix("experiments/") for name in packaged_recipes() if name.startswith("experiments/")]
METHODS = (
    *("deepfake", "faceswap", "faceswap-poisson", "neuraltextures", "face2face"),
    *("inpaint-conv", "inpaint-diffusion", "inpaint-patch", "selfblend", "blended", "synthesis"),
    *("attribute-transposed", "attribute-nearest", "attribute-bilinear"),
    *("attgan", "deepfacelab-swap", "sdxl", "flux1-schnell", "flux1-dev", "stylegan2"),
    *("reconstruct-shuffle-8", "reconstruct-quantised-4"),
    *("Celeb-synthesis", "Face2Face", "FaceSwap", "NeuralTextures", "Deepfakes", "DeepFakeDetection"),
)
PARTS = ("hair", "brows", "skin", "lips")
SOURCES = (
    *("lfw", "london", "canada", "everyday"),
    *("celebdf-v1", "celebdf-v2", "faceforensics", "deepfakedetection"),
)


def _write_manifest(path: Path) -> None:
    """A file of fixed bytes for every source, split, method and part of the face."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = []
    for source in SOURCES:
        for split in ("train", "val", "test"):
            for method in ("real", *METHODS):
                for part in PARTS if method.startswith("attribute") else (None,):
                    name = "-".join(filter(None, (source, split, method, part))) + ".png"
                    (path.parent / name).write_bytes(name.encode())
                    known: dict[str, Any] = {
                        "identities": (f"{source}-{split}",),
                        "attributes": (part,) if part else (),
                    }
                    label = int(method != "real")
                    video = name if source.startswith("celebdf") else None  # told apart by video
                    samples.append(
                        Sample(path.parent / name, label, method, video, dataset=source, split=split, **known)
                    )
    manifest.write(samples, path)


def test_every_packaged_experiment_is_held() -> None:
    assert sorted(EXPERIMENTS) == sorted(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_names_of_runs_do_not_change(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = packaged_recipes()[f"experiments/{name}"]
    settings = load(recipe)
    for file in {
        settings.manifest,
        settings.judged or settings.manifest,
        *(run.manifest for run in settings.run if run.manifest),
    }:
        _write_manifest(Path(file))
    plan = Plan(recipe)
    for run in settings.run:
        if run.kind == "search":
            genotype = plan.folder(Run(run.name)) / GENOTYPE
            genotype.parent.mkdir(parents=True)
            genotype.write_text("gdas-v1")
    assert sorted(plan.folder(run).name for run in plan.runs()) == NAMES[name]
