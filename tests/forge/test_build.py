"""``facewitness forge build``: a benchmark set of every method, from a recipe, with stand-ins for generators."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from facewitness.data import manifest
from facewitness.forge.build import build
from facewitness.forge.manipulations import attribute
from facewitness.forge.methods import METHODS
from facewitness.media import image
from facewitness.types import ForgeError, ManifestError, RecipeError
from tests.fakes import astronaut
from tests.forge import generators as nets

RECIPE = """
name = "tiny"
seed = 4
data.path = "{data}"
square.size_px = 96
counts.train = 3
"""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people of a source that allows everything, neutral and smiling, and two who may not be swapped."""
    folder = tmp_path_factory.mktemp("photographs")
    rows = ["path,source,identity,tag,width,height,split"]
    number = 0
    for source, people, tags in (("london", 4, ("neutral", "smiling")), ("everyday", 2, ("",))):
        for person in range(people):
            for tag in tags:
                number += 1
                tinted = np.clip(astronaut().astype(float) * (0.6 + 0.04 * number), 0, 255).astype(np.uint8)
                name = f"{source}-{person}-{tag}.png"
                Pillow.fromarray(np.roll(tinted, 3 * number, 1)).save(folder / name)
                rows.append(f"{name},{source},{source}-{person},{tag},512,512,train")
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def recipe(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(data=photographs))
    return path


def test_a_test_bed_of_every_method(recipe: Path, tmp_path: Path) -> None:
    nets.install(tmp_path / "cache")
    out, file = tmp_path / "out", tmp_path / "docs" / "report.md"
    samples = manifest.read(build(recipe, out, report_file=file, workers=0, progress=None), check_files=True)
    assert Counter(s.method for s in samples if s.label) == dict.fromkeys(METHODS, 3)
    told = [json.loads(line) for line in (out / "forgeries.jsonl").read_text().splitlines()]
    parts = {(made["method"], row["name"]): made["description"].get("part") for row in told for made in row["forged"]}
    for sample in samples:
        part = parts.get((sample.method, sample.path.stem))
        assert (part in attribute.PARTS) == (sample.label == 1 and sample.method.startswith("attribute-"))
        assert set(sample.attributes) <= {"neutral", "smiling", part}
        assert part is None or f"{sample.method}/{part}" in sample.kinds
    assert all(METHODS[s.method].keeps_identity or s.dataset == "london" for s in samples if s.label)
    assert {image.read(s.path).shape for s in samples} == {(96, 96, 3)}
    real = {s.path.stem: s for s in samples if not s.label}
    for sample in samples:
        if sample.label and sample.path.stem in real:
            assert sample.region is not None
            region = image.read(sample.region)[..., 0] > 127
            far = ~region & ~_grown(region)  # beyond the reach of JPEG's blocks
            gap = np.abs(image.read(sample.path).astype(int) - image.read(real[sample.path.stem].path))
            assert not far.any() or gap[far].mean() < 1
    text = file.read_text()
    assert f"{3 * len(METHODS)} forgeries by {len(METHODS)} methods" in text
    assert "![Original, forged and map" in text
    assert all(f"| {name} |" in text for name in METHODS)
    assert image.read(file.with_suffix(".jpg")).shape[0] > len(METHODS) * 150
    settings = json.loads((out / "forge.json").read_text())
    assert set(settings["networks"]) == set(nets.INPUTS)


def _grown(region: np.ndarray) -> np.ndarray:
    blocks = region.reshape(6, 16, 6, 16).any((1, 3))
    return np.asarray(blocks.repeat(16, 0).repeat(16, 1))


def test_nobody_who_did_not_consent_is_on_the_sheet(recipe: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "report.md"
    options = ["methods=['selfblend']", "counts.train=10"]
    build(recipe, out, options, report_file=file, workers=0, progress=None)
    from facewitness.forge.report import contact_sheet

    everyday = [s for s in manifest.read(out / "manifest.parquet") if s.dataset == "everyday"]
    assert any(s.label for s in everyday)
    assert contact_sheet(everyday, 0) is None


def test_networks_that_are_missing_are_named_together(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match=r"train-generator deepfake; facewitness forge train-generator neural"):
        build(recipe, tmp_path / "out", workers=0, progress=None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("count.train=3", RecipeError, "did you mean 'counts'"),
        ("methods=['deepfry']", ForgeError, "no method 'deepfry'"),
        ("data.path=nowhere", ManifestError, "nowhere"),
        ("encoding=gif", RecipeError, "unknown encoding"),
    ],
)
def test_a_recipe_that_does_not_fit(
    override: str, error: type[Exception], message: str, recipe: Path, tmp_path: Path
) -> None:
    options = ["methods=['selfblend']", override]
    with pytest.raises(error, match=message):
        build(recipe, tmp_path / "out", options, workers=0, progress=None)


def test_a_split_without_photographs_is_an_error(recipe: Path, tmp_path: Path) -> None:
    options = ["methods=['selfblend']", "counts.train=0", "counts.test=3"]
    with pytest.raises(ForgeError, match="no real photograph in the splits"):
        build(recipe, tmp_path / "out", options, workers=0, progress=None)


def test_fewer_people_are_all_photographs_of_each(recipe: Path, tmp_path: Path) -> None:
    options = ["methods=['face2face']", "data.people=2", "counts.train=2"]
    samples = manifest.read(build(recipe, tmp_path / "out", options, workers=0, progress=None))
    assert {s.identities[0] for s in samples} <= {"london-0", "london-3", "everyday-0", "everyday-1"}
    assert sum(s.label for s in samples) == 2
