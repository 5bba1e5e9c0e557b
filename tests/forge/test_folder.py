"""``forgesight forge``: what it writes, whom it refuses to swap, that it repeats and resumes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from forgesight.data import manifest
from forgesight.forge.folder import forge_folder
from forgesight.media import image
from forgesight.types import ForgeError

PHOTOGRAPH = data.astronaut()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two 'people' in a plain folder."""
    folder = tmp_path / "people"
    folder.mkdir()
    Pillow.fromarray(PHOTOGRAPH).save(folder / "a.png")
    Pillow.fromarray(np.ascontiguousarray(PHOTOGRAPH[:, ::-1])).save(folder / "b.png")
    return folder


def _forge(source: Path, out: Path, *methods: str, **options: object) -> Path:
    return forge_folder(source, out, methods, progress=False, workers=1, **options)  # type: ignore[arg-type]


def test_it_writes_images_masks_regions_and_a_manifest(people: Path, tmp_path: Path) -> None:
    samples = manifest.read(_forge(people, tmp_path / "out", encoding="png"))
    assert sorted(s.method for s in samples) == sorted(["real", "faceswap", "selfblend", "inpaint"] * 2)
    real = {s.path.stem: image.read(s.path) for s in samples if s.label == 0}
    for sample in samples:
        if sample.label == 0:
            assert sample.mask is None
            continue
        assert sample.mask is not None
        assert sample.region is not None
        forged, region = image.read(sample.path), image.read(sample.region)[..., 0] > 0
        original = real[sample.path.stem]
        assert np.array_equal(forged[~region], original[~region])
        truth = np.abs(forged.astype(float) - original) @ [0.299, 0.587, 0.114] / 255
        np.testing.assert_allclose(image.read_plane(sample.mask), truth, atol=1e-4)
        if sample.method == "faceswap":
            assert len(sample.identities) == 2


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_same_seed_same_bytes_and_another_seed_others(people: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        _forge(people, tmp_path / name, "selfblend", seed=seed)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "three")


def test_a_forgery_is_stamped_and_a_real_photograph_is_not(people: Path, tmp_path: Path) -> None:
    samples = manifest.read(_forge(people, tmp_path / "out", "inpaint"))
    stamped = {s.method: b"Synthetic" in s.path.read_bytes() for s in samples}
    assert stamped == {"real": False, "inpaint": True}


def test_it_goes_on_where_a_kill_left_it(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _forge(people, out, "selfblend")
    whole = _bytes(out)
    log = out / "forgeries.jsonl"
    lines = log.read_text().splitlines()
    log.write_text(lines[0] + "\n" + lines[1][:20])  # killed while it wrote the second line
    (out / "manifest.parquet").unlink()
    (out / "selfblend" / "0001-b.jpg").write_bytes(b"half")
    _forge(people, out, "selfblend")
    assert _bytes(out) == whole


def test_other_settings_in_the_same_folder_are_refused(people: Path, tmp_path: Path) -> None:
    _forge(people, tmp_path / "out", "selfblend", seed=1)
    with pytest.raises(ForgeError, match="other settings"):
        _forge(people, tmp_path / "out", "selfblend", seed=2)


def test_people_whose_source_forbids_swaps_are_not_swapped(people: Path, tmp_path: Path) -> None:
    rows = ["path,source,identity,tag,width,height,split"]
    rows += [f"{n}.png,{source},{source}-{n},,512,512,test" for n, source in (("a", "everyday"), ("b", "everyday"))]
    (people / "faces.csv").write_text("\n".join(rows) + "\n")
    samples = manifest.read(_forge(people, tmp_path / "out", "faceswap", "selfblend"))
    assert {s.method for s in samples} == {"real", "selfblend"}
    assert json.loads((tmp_path / "out" / "passed_over.json").read_text())["faceswap"] == 2
    with pytest.raises(ForgeError, match="source allows"):
        _forge(people, tmp_path / "swaps", "faceswap")


@pytest.mark.parametrize(("methods", "message"), [(("deepfry",), "no method 'deepfry'"), (("faceswap",), "two people")])
def test_what_cannot_be_done_is_said_in_one_line(
    methods: tuple[str, ...], message: str, people: Path, tmp_path: Path
) -> None:
    with pytest.raises(ForgeError, match=message):
        _forge(people / "a.png", tmp_path / "out", *methods)


def test_a_folder_without_faces_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "blank"
    folder.mkdir()
    Pillow.new("RGB", (64, 64)).save(folder / "blank.png")
    with pytest.raises(ForgeError, match="no face"):
        _forge(folder, tmp_path / "out", "selfblend")
