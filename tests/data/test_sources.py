"""Data-set readers on tiny folders in the true layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facewitness.data import manifest, sources, splits, terms
from facewitness.data.sources import faces, folder
from facewitness.types import ManifestError, Sample

HEADER = "path,source,identity,tag,width,height,split\n"
SHARED = Path(__file__).parents[3] / "shared" / "faces"


def table(at: Path, rows: str, header: str = HEADER) -> Path:
    (at / "faces.csv").write_text(header + rows)
    return at


def test_faces_are_real_samples_named_by_source(tmp_path: Path) -> None:
    table(tmp_path, "london/1.jpg,london,london-001,smiling,9,9,test\nlfw/2.jpg,lfw,lfw-7,,250,250,train\n")
    smiling = tmp_path / "london" / "1.jpg"
    assert faces.read(tmp_path) == [
        Sample(smiling, 0, identities=("london-001",), dataset="london", split="test", attributes=("smiling",)),
        Sample(tmp_path / "lfw" / "2.jpg", 0, identities=("lfw-7",), dataset="lfw", split="train"),
    ]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ("a,b\n", "path,source\n", "column 'identity' is missing"),
        ("a,london,,x,1,1,test\n", HEADER, "line 2, column 'identity': empty"),
        ("a,london\n", HEADER, "line 2, column 'identity': empty"),
        ("a,london,i,x,1,1,dev\n", HEADER, "line 2, column 'split': 'dev'"),
        ("a,instagram,i,x,1,1,test\n", HEADER, "'instagram' has no rule; write its terms into RULES"),
    ],
)
def test_faces_rows_that_do_not_fit(tmp_path: Path, rows: str, header: str, message: str) -> None:
    table(tmp_path, rows, header)
    with pytest.raises(ManifestError, match=message):
        faces.read(tmp_path)


def test_faces_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot read .*faces\.csv: No such file"):
        faces.read(tmp_path)


def test_rules_forbid_what_the_terms_forbid() -> None:
    assert [name for name, rule in terms.RULES.items() if rule.figures_allowed] == ["london", "canada"]
    assert not terms.RULES["everyday"].swap_allowed
    assert all(rule.citation and rule.terms for rule in terms.RULES.values())


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/faces")
def test_the_shared_photographs() -> None:
    samples = faces.read(SHARED)
    splits.verify(samples)
    assert {sample.dataset for sample in samples} == {"london", "canada", "everyday", "lfw"}
    assert all(sample.path.is_file() for sample in samples[::200])


def tree(at: Path, *names: str) -> Path:
    for name in names:
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).touch()
    return at


def test_plain_folder(tmp_path: Path) -> None:
    root = tree(tmp_path / "mine", "real/b.JPG", "real/deep/a.png", "real/notes.txt", "fake/b.png", "fake/swap/c.webp")
    tree(root, "masks/b.png", "masks/swap/c.bmp")
    assert folder.read(root) == [
        Sample(root / "real" / "b.JPG", 0, identities=("b",), dataset="mine"),
        Sample(root / "real" / "deep" / "a.png", 0, identities=("a",), dataset="mine"),
        Sample(
            root / "fake" / "b.png",
            1,
            "unnamed",
            identities=("b",),
            dataset="mine",
            original=root / "real" / "b.JPG",
            mask=root / "masks" / "b.png",
        ),
        Sample(
            root / "fake" / "swap" / "c.webp",
            1,
            "swap",
            identities=("c",),
            dataset="mine",
            mask=root / "masks" / "swap" / "c.bmp",
        ),
    ]


def test_a_forgery_and_its_original_stay_together(tmp_path: Path) -> None:
    root = tree(tmp_path, *(f"real/{i}.jpg" for i in range(40)), *(f"fake/{i}.png" for i in range(40)))
    where: dict[str, set[str]] = {}
    for sample in splits.assign(folder.read(root), (0.5, 0.25, 0.25)):
        where.setdefault(sample.path.stem, set()).add(sample.split)
    assert all(len(found) == 1 for found in where.values())
    assert {split for found in where.values() for split in found} == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("photos/a.txt",), "no photograph in it, and no folders real/ and fake/"),
        (("real/a.txt",), "nothing to read in real/ or fake/"),
        (("fake/a.jpg", "masks/a.jpg"), "lossy format"),
        (("fake/a.jpg", "masks/a.png", "masks/a.bmp"), "mask for the same photograph"),
        (("fake/real/a.jpg",), "cannot be called 'real'"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    tree(tmp_path, *names)
    with pytest.raises(ManifestError, match=message):
        folder.read(tmp_path)


def test_a_path_is_read_for_what_it_is(tmp_path: Path) -> None:
    plain = tree(tmp_path / "plain", "real/a.jpg")
    listed = table(tree(tmp_path / "listed", "real/a.jpg"), "a.jpg,lfw,lfw-7,,250,250,train\n")
    made = tree(tmp_path / "made", "real/a.jpg", "swap/a.jpg")  # as the forge leaves it
    manifest.write([Sample(made / "swap" / "a.jpg", 1, "swap")], made / "manifest.parquet")
    assert sources.read(plain) == folder.read(plain)
    assert sources.read(listed) == faces.read(listed)
    assert sources.read(made) == sources.read(made / "manifest.parquet") == manifest.read(made / "manifest.parquet")
    assert len(sources.read(made)) == 1
    photographs = sources.read(tree(tmp_path / "other", "photos/a.jpg", "b.png"))
    assert [(s.label, s.identities, s.dataset) for s in photographs] == [
        (0, ("b.png",), "other"),
        (0, ("photos/a.jpg",), "other"),
    ]
    (single,) = sources.read(tmp_path / "other" / "b.png")
    assert (single.label, single.identities) == (0, ("b",))
    with pytest.raises(ManifestError, match="no such file or folder; name a manifest or a folder of photographs"):
        sources.read(tmp_path / "nowhere")


def test_data_without_splits_is_divided_by_identity_and_a_manifest_is_left_as_it_is(tmp_path: Path) -> None:
    names = [f"{kind}{number}.jpg" for number in range(10) for kind in ("real/", "fake/swap/")]
    divided = sources.read_divided(tree(tmp_path / "own", *names), seed=1)
    splits = {split: {s.identities for s in divided if s.split == split} for split in ("train", "val", "test")}
    assert {split: len(people) for split, people in splits.items()} == {"train": 6, "val": 2, "test": 2}
    assert sum(len(people) for people in splits.values()) == 10  # a forgery stays with its original
    assert divided == sources.read_divided(tmp_path / "own", seed=1)
    assert {s.split for s in sources.read_divided(tree(tmp_path / "two", "a.jpg", "b.jpg"))} == {"train"}
    manifest.write([replace(s, split="val") for s in divided], tmp_path / "own" / "manifest.parquet")
    assert {s.split for s in sources.read_divided(tmp_path / "own")} == {"val"}


def test_a_folder_becomes_a_manifest_whose_photographs_are_judged_or_divided(tmp_path: Path) -> None:
    own = tree(tmp_path / "own", *(f"{number}.jpg" for number in range(5)))
    judged = sources.as_manifest(own, tmp_path / "out")
    assert judged == tmp_path / "out" / "manifest.parquet"
    assert {s.split for s in manifest.read(judged)} == {"test"}
    divided = sources.as_manifest(own, tmp_path / "other", divide=True)
    assert {s.split for s in manifest.read(divided)} == {"train", "val", "test"}
    assert sources.as_manifest(judged, tmp_path / "third") == judged
    assert sources.as_manifest(tmp_path / "out", tmp_path / "third") == judged
    assert not (tmp_path / "third").exists()


def test_wild_pairs_a_forgery_with_its_original_and_reports_on_what_it_calls_val(tmp_path: Path) -> None:
    (tmp_path / "wild.csv").write_text(
        "path,source,label,family,split,width,height\n"
        "dfl/real/a_f0001.jpg,dfl,real,real,val,9,9\n"
        "dfl/fake/a_f0001.jpg,dfl,fake,DeepFaceLab swap,val,9,9\n"
        "sg/fake/b.jpg,sg,fake,StyleGAN2,train,9,9\n"
    )
    real, swap, portrait = sources.read(tmp_path)
    assert (swap.method, swap.original, swap.video, swap.split) == ("deepfacelab-swap", real.path, "a", "test")
    assert (portrait.method, portrait.original) == ("stylegan2", None)
    assert portrait.split in ("train", "val")


def test_wild_keeps_a_part_of_train_aside_by_clip(tmp_path: Path) -> None:
    lines = [f"s/fake/clip{i // 3}_f{i % 3:04d}.jpg,s,fake,X,train,9,9" for i in range(300)]
    (tmp_path / "wild.csv").write_text("\n".join(["path,source,label,family,split,width,height", *lines]))
    samples = sources.read(tmp_path)
    splits.verify(samples)
    assert 15 < sum(sample.split == "val" for sample in samples) < 90


@pytest.mark.parametrize(
    ("row", "message"), [("a,s,true,x,train,1,1", "line 2, column 'label'"), ("a,s,real,x,test,1,1", "column 'split'")]
)
def test_wild_rows_that_do_not_fit(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "wild.csv").write_text(f"path,source,label,family,split,width,height\n{row}\n")
    with pytest.raises(ManifestError, match=message):
        sources.read(tmp_path)
