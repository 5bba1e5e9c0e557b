"""The manifest: what goes in comes out, and whatever does not fit is named by file, row and column."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.types import ManifestError, Sample

KINDS = ("csv", "parquet")


def same(a: Sample, b: Sample) -> bool:
    landmarks = (a.landmarks is None and b.landmarks is None) or np.array_equal(a.landmarks, b.landmarks)
    return landmarks and replace(a, landmarks=None) == replace(b, landmarks=None)


def full(folder: Path) -> list[Sample]:
    points = np.random.default_rng(0).normal(100, 30, (68, 2)).astype(np.float32)
    return [
        Sample(folder / "real" / "Zoë, 1.jpg", 0, video='a "quoted" one', identities=("zoë",), dataset="home"),
        Sample(
            path=folder / "fake.png",
            label=1,
            method="faceswap",
            identities=("zoë", "adam"),
            split="test",
            mask=folder / "m" / "fake.png",
            region=folder / "r.png",
            landmarks=points,
        ),
        Sample(Path("/elsewhere/photo.jpg"), 0, split="val"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_in_comes_out(tmp_path: Path, kind: str) -> None:
    samples = full(tmp_path)
    manifest.write(samples, tmp_path / f"m.{kind}")
    read = manifest.read(tmp_path / f"m.{kind}")
    assert len(read) == 3
    assert all(same(a, b) for a, b in zip(samples, read, strict=True))


def test_a_table_without_originals_finds_them_by_landmarks(tmp_path: Path) -> None:
    points = np.arange(136, dtype=np.float32).reshape(68, 2)
    reals = [Sample(tmp_path / f"{n}.png", 0, identities=("a",), landmarks=points + 9 * n) for n in range(2)]
    fakes = [
        Sample(tmp_path / f"{name}.png", 1, "swap", identities=(name, "b"), landmarks=points + 9.2)
        for name in ("a", "other")
    ]
    manifest.write([*reals, *fakes], tmp_path / "m.parquet")
    assert [s.original for s in manifest.read(tmp_path / "m.parquet")] == [None, None, reals[1].path, None]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_manifest_is_a_table_without_rows(tmp_path: Path, kind: str) -> None:
    manifest.write([], tmp_path / f"m.{kind}")
    assert manifest.read(tmp_path / f"m.{kind}") == []


@pytest.mark.parametrize("kind", KINDS)
def test_same_samples_same_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        manifest.write(full(tmp_path), tmp_path / f"{name}.{kind}")
    a, b = (tmp_path / f"{name}.{kind}" for name in ("a", "b"))
    assert manifest.digest(a) == manifest.digest(b) == hashlib.sha256(a.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_can_be_moved_with_its_manifest(tmp_path: Path, kind: str) -> None:
    (tmp_path / "old").mkdir()
    manifest.write(full(tmp_path / "old"), tmp_path / "old" / f"m.{kind}")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = manifest.read(tmp_path / "new" / f"m.{kind}")
    assert all(same(a, b) for a, b in zip(full(tmp_path / "new"), moved, strict=True))


def test_only_path_and_label_are_needed(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("label,path\n0,a.jpg\n1,b/../c.jpg\n")
    real, fake = manifest.read(tmp_path / "m.csv")
    assert real == Sample(tmp_path / "a.jpg", 0)
    assert fake == Sample(tmp_path / "c.jpg", 1, method=manifest.UNNAMED_METHOD)


def test_a_relative_manifest_path_gives_absolute_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.csv").write_text("label,path\n0,a.jpg\n")
    monkeypatch.chdir(tmp_path)
    assert manifest.read(Path("m.csv"))[0].path == tmp_path / "a.jpg"
    manifest.write([Sample(Path("a.jpg"), 0)], Path("n.csv"))
    assert manifest.read(Path("n.csv"))[0].path == tmp_path / "a.jpg"


def test_brackets_in_a_file_name_are_no_pattern(tmp_path: Path) -> None:
    manifest.write(full(tmp_path), tmp_path / "m[1].parquet")
    assert len(manifest.read(tmp_path / "m[1].parquet")) == 3


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbfpath,label\r\na.jpg,0\r\n\r\n")
    assert len(manifest.read(tmp_path / "m.csv")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,metod\na,0,x\n", "unknown column 'metod'; did you mean 'method'?"),
        ("path,label,zzz\na,0,x\n", "unknown column 'zzz'; known columns: path, label, method"),
        ("path,label,label\na,0,0\n", "column 'label' occurs twice"),
        ("path\na\n", "column 'label' is missing"),
        ("", "column 'path' is missing"),
        ("path,label\na,0\nb,fake\n", "line 3, column 'label': 'fake'; write 0 for real or 1 for fake"),
        ("path,label\na,\n", "line 2, column 'label': empty"),
        ("path,label\n,0\n", "line 2, column 'path': empty"),
        ("path,label,split\na,0,valid\n", "line 2, column 'split': 'valid' is no split; write one of train, val, test"),
        ("path,label\na,0\nb,0\n./a,1\n", "line 4, column 'path': .* is already in line 2"),
        ("path,label\na,0,1\n", "line 2: 3 cells for 2 columns"),
        ('path,label\n"a,0\n', "not valid CSV"),
        ("path,label,method\na,1,real\n", "line 2, column 'method': label 1 with method 'real'"),
        ("path,label,method\na,0,swap\n", "line 2, column 'method': label 0 with method 'swap'"),
        ("path,label,identities\na,0,x||y\n", "line 2, column 'identities'"),
        ("path,label,landmarks\na,0,1;2;3\n", r"line 2, column 'landmarks': needs 136 .*has 3 "),
        ("path,label,landmarks\na,0," + ";".join(["nan"] * 136) + "\n", "136 finite numbers"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message) as caught:
        manifest.read(tmp_path / "m.csv")
    assert str(tmp_path / "m.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": ["a", "b"], "label": [0, 2]}, "row 2, column 'label': 2; write 0"),
        ({"path": ["a"], "label": [None]}, "row 1, column 'label': empty"),
        ({"path": [3], "label": [0]}, "row 1, column 'path': 3 is not text"),
        ({"path": ["a"], "label": [0], "identities": [[""]]}, "row 1, column 'identities'"),
    ],
)
def test_parquet_cells_are_checked_too(tmp_path: Path, table: dict[str, list[object]], message: str) -> None:
    pl.DataFrame(table).write_parquet(tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=message):
        manifest.read(tmp_path / "m.parquet")


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_text("hello")
    (tmp_path / "latin.csv").write_bytes(b"path,label\n\xe9.jpg,0\n")
    for name, message in {
        "m.parquet": "not a readable Parquet table",
        "latin.csv": "not UTF-8",
        "m.xlsx": "rename or convert",
        "none.csv": "cannot read manifest .*none.csv: No such file",
    }.items():
        with pytest.raises(ManifestError, match=message):
            manifest.read(tmp_path / name)
    with pytest.raises(ManifestError, match="cannot read manifest"):
        manifest.digest(tmp_path / "none.csv")


def test_missing_files_are_found_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "m.csv").write_text("path,label,mask\na.jpg,1,gone.png\n")
    assert len(manifest.read(tmp_path / "m.csv")) == 1
    with pytest.raises(ManifestError, match=r"line 2, column 'mask': no file .*gone\.png"):
        manifest.read(tmp_path / "m.csv", check_files=True)


def test_writing_what_could_not_be_read_again_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="would be written twice"):
        manifest.write([Sample(Path("a"), 0), Sample(Path("./a"), 0)], tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="rename it or write"):
        manifest.write([Sample(Path("a"), 0, identities=("x|y",))], tmp_path / "m.csv")
    assert os.listdir(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.write(full(tmp_path), tmp_path / "m.csv")
    before = (tmp_path / "m.csv").read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        manifest.write([], tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == before
    assert os.listdir(tmp_path) == ["m.csv"]
