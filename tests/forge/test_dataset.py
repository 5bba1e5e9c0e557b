"""``facewitness forge``: what it writes, whom it refuses to swap, that it repeats and resumes."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from facewitness.data import manifest
from facewitness.forge import render
from facewitness.forge.dataset import forge_dataset
from facewitness.forge.methods import METHODS
from facewitness.media import image
from facewitness.types import CropProfile, ForgeError

PHOTOGRAPH = data.astronaut()
HERE = [name for name, m in METHODS.items() if not (m.generator or m.whole or m.donor == "expression")]
"""What can be made of two people without a smile, and without a network."""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two 'people' in a plain folder."""
    folder = tmp_path / "people"
    folder.mkdir()
    Pillow.fromarray(PHOTOGRAPH).save(folder / "a.png")
    Pillow.fromarray(np.ascontiguousarray(PHOTOGRAPH[:, ::-1])).save(folder / "b.png")
    return folder


def _forge(source: Path, out: Path, *methods: str, **options: object) -> Path:
    return forge_dataset(source, out, methods, progress=None, workers=1, **options)


def test_it_writes_images_masks_regions_and_a_manifest(people: Path, tmp_path: Path) -> None:
    samples = manifest.read(_forge(people, tmp_path / "out", encoding="png"))
    assert sorted(s.method for s in samples) == sorted(["real", *HERE] * 2)
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
        if METHODS[sample.method].donor == "face":
            assert len(sample.identities) == 2


def _bytes(folder: Path) -> dict[str, bytes]:
    """All but the summary, which tells how long it took."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "summary.json")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.slow
def test_same_seed_same_bytes_and_another_seed_others(people: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        _forge(people, tmp_path / name, "selfblend", seed=seed)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "three")


def test_a_forgery_is_stamped_and_a_real_photograph_is_not(people: Path, tmp_path: Path) -> None:
    samples = manifest.read(_forge(people, tmp_path / "out", "inpaint-diffusion"))
    stamped = {s.method: b"Synthetic" in s.path.read_bytes() for s in samples}
    assert stamped == {"real": False, "inpaint-diffusion": True}


@pytest.mark.slow
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


@pytest.mark.slow
def test_people_whose_source_forbids_swaps_are_not_swapped(people: Path, tmp_path: Path) -> None:
    rows = ["path,source,identity,tag,width,height,split"]
    rows += [f"{n}.png,{source},{source}-{n},,512,512,test" for n, source in (("a", "everyday"), ("b", "everyday"))]
    (people / "faces.csv").write_text("\n".join(rows) + "\n")
    samples = manifest.read(_forge(people, tmp_path / "out", "faceswap", "selfblend"))
    assert {s.method for s in samples} == {"real", "selfblend"}
    passed = json.loads((tmp_path / "out" / "summary.json").read_text())["passed_over"]
    assert passed == {"faceswap: the source allows no swaps": 2}
    with pytest.raises(ForgeError, match="source allows no swaps"):
        _forge(people, tmp_path / "swaps", "faceswap")


@pytest.mark.parametrize(
    ("methods", "message"), [(("deepfry",), "no method 'deepfry'"), (("faceswap",), "no donor of a face")]
)
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


@pytest.fixture(autouse=True)
def _no_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))


def test_a_real_copy_has_as_much_metadata_as_a_forged_one(people: Path, tmp_path: Path) -> None:
    """Or the size of the file would tell them apart."""
    samples = manifest.read(_forge(people, tmp_path / "out", "selfblend", "inpaint-patch", encoding="jpeg:90"))
    sizes = set()
    for sample in samples:
        plain = len(image.encode(image.read(sample.path), "jpeg:90"))
        with Pillow.open(sample.path) as picture:
            sizes.add((len(picture.info["exif"]), len(picture.info["xmp"])))
        assert plain < sample.path.stat().st_size
    assert len(sizes) == 1


def test_head_squares_are_of_one_size_and_their_landmarks_lie_in_them(people: Path, tmp_path: Path) -> None:
    square = CropProfile(size_px=96, margin=0.5)
    samples = manifest.read(_forge(people, tmp_path / "out", "selfblend", square=square))
    for sample in samples:
        assert image.read(sample.path).shape == (96, 96, 3)
        assert sample.landmarks is not None
        assert sample.landmarks.min() > 20
        assert sample.landmarks.max() < 76


def test_a_method_whose_network_is_missing_is_passed_over_or_named(people: Path, tmp_path: Path) -> None:
    methods = {s.method for s in manifest.read(_forge(people, tmp_path / "all"))}
    assert methods == {"real", *HERE}
    with pytest.raises(ForgeError, match="facewitness forge train-generator inpaint-conv"):
        _forge(people, tmp_path / "one", "inpaint-conv")


def test_a_smile_comes_from_another_person_and_needs_the_same_persons_neutral_face(
    people: Path, tmp_path: Path
) -> None:
    for name in ("c", "d"):
        Pillow.fromarray(PHOTOGRAPH[:, :: 1 if name == "c" else -1].copy()).resize((400, 400)).save(
            people / f"{name}.png"
        )
    rows = ["path,source,identity,tag,width,height,split"]
    who = (("a", "one", "neutral"), ("b", "one", "smiling"), ("c", "two", ""), ("d", "three", "smiling"))
    rows += [f"{name}.png,london,{person},{tag}/x,1,1,train" for name, person, tag in who]
    (people / "faces.csv").write_text("\n".join(rows) + "\n")
    samples = manifest.read(_forge(people, tmp_path / "out", "face2face"))
    forged = {s.path.stem[-1]: s.identities for s in samples if s.label}
    assert forged == {"c": ("two", "one"), "d": ("three", "one")}


def test_one_photograph_that_cannot_be_forged_stops_nothing(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(method: object, target: object, rng: np.random.Generator, donor: object) -> None:
        raise ForgeError("the landmarks lie on a line")

    monkeypatch.setattr(render, "forge_one", refuse)
    out = tmp_path / "out"
    samples = manifest.read(forge_dataset(people, out, ["selfblend"], progress=None, workers=0))
    assert [s.method for s in samples] == ["real", "real"]
    assert json.loads((out / "summary.json").read_text())["failed"] == {"selfblend: the landmarks lie on a line": 2}


def test_a_full_disk_is_one_line_and_what_was_made_is_kept(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real_write, written = tmp_path / "out", Path.write_bytes, []

    def write(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) > 5:  # the first photograph's four files and one of the next
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(ForgeError, match=r"No space left.*start again"):
        forge_dataset(people, out, ["selfblend"], progress=None, workers=0)
    monkeypatch.undo()
    assert len((out / "forgeries.jsonl").read_text().splitlines()) == 1
    assert len(manifest.read(forge_dataset(people, out, ["selfblend"], progress=None, workers=0))) == 4
