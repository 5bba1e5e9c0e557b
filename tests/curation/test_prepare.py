"""From a data set as it was unpacked to crops, masks and a manifest: end to end on real mp4 files."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from facewitness.curation import cropping
from facewitness.curation import prepare as preparing
from facewitness.curation.prepare import Wanted, prepare
from facewitness.data import manifest
from facewitness.data.sources import read_layout
from facewitness.media import image
from facewitness.types import CropProfile, FacewitnessError, Image, ManifestError, Sample
from tests.data import trees
from tests.fakes import astronaut, crowd, save, texture

SMALL = CropProfile(size_px=64, margin=0.3, min_face_px=40)
THREE = Wanted(frames=3, profile=SMALL)


def face() -> Image:
    """A head, (288, 256, 3)."""
    return np.asarray(Pillow.fromarray(astronaut()[:360, 80:400]).resize((256, 288)))


def moving(count: int = 6) -> tuple[list[Image], list[Image]]:
    """A head that moves to the right, and a mask over its mouth that moves along."""
    mask = np.zeros((288, 256, 3), np.uint8)
    mask[130:170, 90:150] = 255
    return [np.roll(face(), 4 * k, 1) for k in range(count)], [np.roll(mask, 4 * k, 1) for k in range(count)]


def _prepare(samples: list[Sample], out: Path, wanted: Wanted = THREE, workers: int = 0) -> list[Sample]:
    prepare(samples, out, wanted, workers=workers, progress=None)
    return manifest.read(out / "manifest.parquet", check_files=True)


def _log(out: Path) -> dict[str, dict[str, Any]]:
    return {Path(e["source"]).name: e for e in map(json.loads, (out / "frames.jsonl").read_text().splitlines())}


def test_faceforensics_end_to_end(tmp_path: Path) -> None:
    frames, masks = moving()
    root = trees.faceforensics(tmp_path / "ff", frames, masks, methods=("Deepfakes",))
    samples = _prepare(read_layout("faceforensics", root), tmp_path / "out")
    assert len(samples) == 12 * 3
    fake = [s for s in samples if s.video == "Deepfakes/974_953"]
    assert [(s.label, s.method, s.split, s.identities) for s in fake] == [
        (1, "Deepfakes", "test", ("ff:974", "ff:953"))
    ] * 3
    real = {s.path for s in samples if s.video == "original/974"}
    assert {s.original for s in fake} == real, "each stands beside the same frame of its original"
    pictures = [image.read(s.path) for s in fake]
    assert {p.shape for p in pictures} == {(64, 64, 3)}
    assert np.abs(pictures[0].astype(int) - pictures[2]).mean() < 12  # aligned: the head stands still
    centres = []
    for sample in fake:
        assert sample.region is not None
        assert sample.landmarks is not None
        region = image.read(sample.region)[..., 0]
        assert set(np.unique(region)) <= {0, 255}
        rows, columns = np.nonzero(region)
        centres.append((columns.mean(), rows.mean()))
        assert sample.landmarks.min() > 0
        assert sample.landmarks.max() < 64
    assert np.ptp(centres, axis=0).max() < 3  # and the mask, which moved with it, stands still as well
    assert all(s.region is None for s in samples if not s.label)


@pytest.mark.parametrize("name", ["deepfakedetection", "celebdf-v2", "uadfv"])
def test_the_other_video_sets_end_to_end(name: str, tmp_path: Path) -> None:
    build = {"deepfakedetection": trees.deepfakedetection, "celebdf-v2": trees.celebdf, "uadfv": trees.uadfv}[name]
    listed = read_layout(name, build(tmp_path / "set", [face()] * 3))
    samples = _prepare(listed, tmp_path / "out", replace(THREE, frames=1))
    assert [s.video for s in samples] == [s.video for s in listed]
    assert [(s.label, s.split) for s in samples] == [(s.label, s.split) for s in listed]


def test_the_sets_of_pictures_end_to_end(tmp_path: Path) -> None:
    dffd = _prepare(read_layout("dffd", trees.dffd(tmp_path / "dffd", face())), tmp_path / "one")
    assert len(dffd) == 9
    whole = [image.read(s.region) for s in dffd if s.region is not None]
    assert len(whole) == 3
    assert min(region.min() for region in whole) == 255
    celeba = _prepare(read_layout("celeba", trees.celeba(tmp_path / "celeba", face())), tmp_path / "two")
    assert celeba[0].attributes == ("Eyeglasses", "Smiling")


def test_a_gray_scale_map_keeps_its_values(tmp_path: Path) -> None:
    mask = tmp_path / "m.png"
    mask.write_bytes(image.encode_plane16(np.full((288, 256), 0.3, np.float32)))
    sample = Sample(save(face(), tmp_path / "a.png"), 1, "mine", mask=mask)
    (made,) = _prepare([sample], tmp_path / "out")
    assert made.mask is not None
    np.testing.assert_allclose(image.read_plane(made.mask)[20:40, 20:40], 0.3, atol=1e-3)


def test_the_largest_face_is_followed_or_all_are_kept(tmp_path: Path) -> None:
    picture = Sample(save(crowd(), tmp_path / "two.png"), 0)
    (one,) = _prepare([picture], tmp_path / "one")
    both = _prepare([picture], tmp_path / "both", replace(THREE, faces="all"))
    assert len(both) == 2
    np.testing.assert_array_equal(image.read(one.path), image.read(both[0].path))


def test_an_original_cut_at_another_place_is_none(tmp_path: Path) -> None:
    points = np.zeros((68, 2), np.float32)
    real = Sample(tmp_path / "real.mp4", 0)
    fake = Sample(tmp_path / "fake.mp4", 1, "swap", original=real.path)
    crops = {
        name: replace(sample, path=tmp_path / name / "000003.png", landmarks=points + move)
        for name, sample, move in (("real", real, 0), ("near", fake, 0.4), ("far", fake, 2))
    }
    found = preparing._with_originals([(real, [crops["real"]]), (fake, [crops["near"], crops["far"]])])
    assert [crop.original for crop in found] == [None, crops["real"].path, None]


def test_whatever_is_broken_has_a_status_and_stops_nothing(tmp_path: Path) -> None:
    good = trees.clip(tmp_path / "good.mp4", [face()] * 3)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.mp4").write_bytes(good.read_bytes()[:700])
    nobody = trees.clip(tmp_path / "nobody.mp4", [texture(96, 96)] * 2)
    small = save(np.asarray(Pillow.fromarray(face()).resize((154, 174))), tmp_path / "small.png")
    paths = [tmp_path / "empty.mp4", good, tmp_path / "cut.mp4", nobody, tmp_path / "absent.mp4", small]
    samples = [Sample(path, 1, "mine", region=tmp_path / "lost.mp4") for path in paths]
    wanted = replace(THREE, profile=replace(SMALL, min_face_px=65))
    assert len(_prepare(samples, tmp_path / "out", wanted)) == 3
    log = _log(tmp_path / "out")
    assert {name: entry["status"] for name, entry in log.items()} == {
        **{"empty.mp4": "unreadable", "cut.mp4": "unreadable", "absent.mp4": "unreadable"},
        **{"good.mp4": "ok", "nobody.mp4": "ok", "small.png": "ok"},
    }
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["files"] == {"unreadable": 3, "ok": 3}
    assert summary["frames"] == {"ok": 3, "no_face": 2, "face_too_small": 1}
    assert summary["notes"] == {"lost.mp4 missing or unreadable": 5, "region missing or unreadable": 1}
    assert "empty" in summary["skipped"][str(tmp_path / "empty.mp4")]


def test_a_mask_video_that_ends_early_leaves_the_rest_without(tmp_path: Path) -> None:
    frames, masks = moving(6)
    path, mask = trees.clip(tmp_path / "a.mp4", frames), trees.clip(tmp_path / "m.mp4", masks[:3])
    made = _prepare([Sample(path, 1, "mine", region=mask)], tmp_path / "out")
    assert [s.region is not None for s in made] == [True, True, False]  # frames 0, 2 and 5


def _bytes(out: Path) -> dict[str, bytes]:
    files = (p for p in out.rglob("*") if p.is_file() and p.name != "summary.json")
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in files}


@pytest.mark.slow
def test_workers_and_parts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = moving(8)
    samples = [Sample(trees.clip(tmp_path / "a.mp4", frames), 0), Sample(save(face(), tmp_path / "b.png"), 0)]
    wanted = replace(THREE, frames=None)
    assert len(_prepare(samples, tmp_path / "one", wanted)) == 9
    monkeypatch.setattr(preparing, "PART_FRAMES", 3)
    _prepare(samples, tmp_path / "two", wanted, workers=2)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_it_goes_on_where_a_kill_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [Sample(save(face(), tmp_path / f"{name}.png"), 0) for name in "abc"]
    out = tmp_path / "out"
    _prepare(samples, out)
    whole = _bytes(out)
    lines = (out / "frames.jsonl").read_text().splitlines()
    (out / "frames.jsonl").write_text(lines[0] + "\n" + lines[1][:30])
    (out / "manifest.parquet").unlink()
    seen: list[Path] = []
    monkeypatch.setattr(preparing, "crop_part", _spy(cropping.crop_part, seen))
    _prepare(samples, out)
    assert [path.name for path in seen] == ["b.png", "c.png"]
    assert _bytes(out) == whole


def _spy(real: Callable[[cropping.Part], cropping.Done], seen: list[Path]) -> object:
    def crop_part(part: cropping.Part) -> cropping.Done:
        seen.append(part.sample.path)
        return real(part)

    return crop_part


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    samples = [Sample(save(face(), tmp_path / "a.png"), 0)]
    _prepare(samples, tmp_path / "out")
    with pytest.raises(ManifestError, match="prepared with other profile"):
        _prepare(samples, tmp_path / "out", replace(THREE, profile=CropProfile(size_px=96)))
    with pytest.raises(ManifestError, match="nothing to prepare"):
        _prepare([], tmp_path / "out")


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [Sample(save(face(), tmp_path / f"{name}.png"), 0) for name in "ab"]
    out, real_write = tmp_path / "out", Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        if "b" in path.parent.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write)
        with pytest.raises(FacewitnessError, match=r"the disk is full.*start again"):
            _prepare(samples, out)
    assert len((out / "frames.jsonl").read_text().splitlines()) == 1
    assert len(_prepare(samples, out)) == 2


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    samples = [Sample(save(face(), tmp_path / folder / "a.png"), 0, dataset="x") for folder in ("one", "two", "ONE")]
    made = _prepare(samples, tmp_path / "out")
    assert len({s.path.as_posix().lower() for s in made}) == 3
