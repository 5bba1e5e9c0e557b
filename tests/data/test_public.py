"""The public data sets in their own layouts: names, labels, splits, identities; and what a wrong folder is told."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from facewitness.data.sources import LAYOUTS, Choice, read_layout
from facewitness.data.splits import verify
from facewitness.types import ManifestError, Sample
from tests.data import trees

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "splits"


def _by_video(samples: list[Sample]) -> dict[str, Sample]:
    found = {sample.video or "": sample for sample in samples}
    assert len(found) == len(samples), "a video's id occurs twice"
    return found


def test_faceforensics(tmp_path: Path) -> None:
    samples = _by_video(read_layout("faceforensics", trees.faceforensics(tmp_path)))
    assert len(samples) == 6 + 2 * 6
    assert Counter(s.split for s in samples.values()) == {"train": 6, "val": 6, "test": 6}
    real, fake = samples["original/953"], samples["Deepfakes/974_953"]
    assert (real.label, real.method, real.split, real.identities) == (0, "real", "test", ("ff:953",))
    assert (fake.label, fake.method, fake.split, fake.identities) == (1, "Deepfakes", "test", ("ff:974", "ff:953"))
    assert fake.original == samples["original/974"].path
    assert fake.region == tmp_path / "manipulated_sequences/Deepfakes/masks/videos/974_953.mp4"
    assert samples["FaceShifter/974_953"].region is None
    assert {s.dataset for s in samples.values()} == {"faceforensics"}


def test_faceforensics_of_some_methods_and_another_compression(tmp_path: Path) -> None:
    trees.faceforensics(tmp_path, level="raw")
    samples = read_layout("faceforensics", tmp_path, Choice(compression="c0", methods=("Deepfakes",)))
    assert {s.method for s in samples} == {"real", "Deepfakes"}
    with pytest.raises(ManifestError, match="expected original_sequences/youtube/c40/videos"):
        read_layout("faceforensics", tmp_path, Choice(compression="c40"))
    with pytest.raises(ManifestError, match="no compression 'c50'"):
        read_layout("faceforensics", tmp_path, Choice(compression="c50"))
    with pytest.raises(ManifestError, match="did you mean 'Deepfakes'"):
        read_layout("faceforensics", tmp_path, Choice(methods=("DeepFakes",)))


def test_faceforensics_never_guesses_a_split(tmp_path: Path) -> None:
    trees.faceforensics(tmp_path)
    (tmp_path / "val.json").rename(tmp_path / "faceforensics_val.json")
    assert len(read_layout("faceforensics", tmp_path)) == 18
    (tmp_path / "faceforensics_val.json").unlink()
    with pytest.raises(ManifestError, match=r"val\.json is missing"):
        read_layout("faceforensics", tmp_path)
    (tmp_path / "val.json").write_text('[["001"]]')
    with pytest.raises(ManifestError, match="not a list of pairs"):
        read_layout("faceforensics", tmp_path)
    (tmp_path / "val.json").write_text('[["001", "000"]]')
    with pytest.raises(ManifestError, match="video 000 is in the list of train already"):
        read_layout("faceforensics", tmp_path)
    (tmp_path / "val.json").write_text('[["001", "004"]]')
    with pytest.raises(ManifestError, match="do not name 002"):
        read_layout("faceforensics", tmp_path)


@pytest.mark.shared
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the official lists are not here")
def test_the_official_split_of_faceforensics_is_720_140_140(tmp_path: Path) -> None:
    videos = tmp_path / "original_sequences" / "youtube" / "c23" / "videos"
    videos.mkdir(parents=True)
    for number in range(1000):
        (videos / f"{number:03d}.mp4").touch()
    fakes = tmp_path / "manipulated_sequences" / "Face2Face" / "c23" / "videos"
    fakes.mkdir(parents=True)
    for split in ("train", "val", "test"):
        for one, other in json.loads((REFERENCE / f"faceforensics_{split}.json").read_text()):
            (fakes / f"{one}_{other}.mp4").touch()
            (fakes / f"{other}_{one}.mp4").touch()
    samples = read_layout("faceforensics", tmp_path, Choice(splits=REFERENCE))
    counts = Counter((s.method, s.split) for s in samples)
    for method in ("real", "Face2Face"):
        assert [counts[method, split] for split in ("train", "val", "test")] == [720, 140, 140]
    verify(samples)  # nobody is in two of them


def test_deepfakedetection(tmp_path: Path) -> None:
    samples = _by_video(read_layout("deepfakedetection", trees.deepfakedetection(tmp_path)))
    fake = samples["DeepFakeDetection/01_02__kitchen_pan__YCSEBZO4"]
    assert (fake.label, fake.identities) == (1, ("dfd:01", "dfd:02"))
    assert fake.region is not None
    assert samples["original/02__kitchen_pan"].identities == ("dfd:02",)
    assert fake.original == getattr(samples.get("original/01__kitchen_pan"), "path", None)


@pytest.mark.parametrize("name", ["celebdf-v1", "celebdf-v2"])
def test_celebdf_counts_real_as_one_and_we_do_not(name: str, tmp_path: Path) -> None:
    samples = _by_video(read_layout(name, trees.celebdf(tmp_path)))
    assert {v: (s.label, s.split) for v, s in samples.items()} == {
        "Celeb-real/id0_0000": (0, "train"),
        "Celeb-real/id1_0000": (0, "test"),
        "YouTube-real/00170": (0, "test"),
        "Celeb-synthesis/id0_id1_0000": (1, "train"),
        "Celeb-synthesis/id1_id0_0000": (1, "test"),
    }
    assert samples["Celeb-synthesis/id1_id0_0000"].identities == ("celebdf:id1", "celebdf:id0")
    assert samples["Celeb-synthesis/id1_id0_0000"].original == samples["Celeb-real/id1_0000"].path
    assert {s.dataset for s in samples.values()} == {name}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 Celeb-real/id0_0000.mp4", "says fake of a video in Celeb-real"),  # as in a list with our own labels
        ("1 Celeb-synthesis/id0_id1_0000.mp4", "says real of a video in Celeb-synthesis"),
        ("1 Celeb-real/id9_0000.mp4", r"1 of the videos in .* are missing"),
        ("real Celeb-real/id0_0000.mp4", "is not '1 FOLDER/VIDEO'"),
    ],
)
def test_a_celebdf_list_that_contradicts_the_folders_is_refused(line: str, message: str, tmp_path: Path) -> None:
    (trees.celebdf(tmp_path) / "List_of_testing_videos.txt").write_text(line + "\n")
    with pytest.raises(ManifestError, match=message):
        read_layout("celebdf-v2", tmp_path)


@pytest.mark.shared
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the official lists are not here")
def test_the_official_list_of_celebdf_v2_has_178_real_and_340_fake(tmp_path: Path) -> None:
    official = REFERENCE / "celebdf_v2_test_videos.txt"
    for line in official.read_text().splitlines():
        path = tmp_path / line.split()[1]
        path.parent.mkdir(exist_ok=True)
        path.touch()
    samples = read_layout("celebdf-v2", tmp_path, Choice(splits=official))
    assert Counter(s.label for s in samples) == {0: 178, 1: 340}


def test_uadfv_keeps_a_fake_and_its_original_together(tmp_path: Path) -> None:
    samples = _by_video(read_layout("uadfv", trees.uadfv(tmp_path)))
    assert {v: (s.label, s.identities) for v, s in samples.items()} == {
        "real/0000": (0, ("uadfv:0000",)),
        "fake/0000_fake": (1, ("uadfv:0000",)),
    }
    assert samples["fake/0000_fake"].original == samples["real/0000"].path


def test_dffd(tmp_path: Path) -> None:
    samples = read_layout("dffd", trees.dffd(tmp_path))
    assert Counter((s.method, s.label) for s in samples) == {("real", 0): 3, ("stylegan_ffhq", 1): 3, ("faceapp", 1): 3}
    assert Counter(s.split for s in samples) == {"train": 3, "val": 3, "test": 3}
    assert all((s.region is not None) == (s.method == "faceapp") for s in samples)


def test_dffd_as_its_authors_code_wants_it(tmp_path: Path) -> None:
    for folder in ("train/Real", "eval/Fake", "eval/Mask"):
        trees.save(trees.texture(), tmp_path / folder / "7.png")
    samples = read_layout("dffd", tmp_path)
    assert [(s.label, s.split, s.region is not None) for s in samples] == [(0, "train", False), (1, "val", True)]


def test_celeba(tmp_path: Path) -> None:
    samples = read_layout("celeba", trees.celeba(tmp_path))
    assert [(s.split, s.identities, s.attributes) for s in samples] == [
        ("train", ("celeba:2880",), ("Eyeglasses", "Smiling")),
        ("val", ("celeba:2937",), ()),
        ("test", ("celeba:2880",), ("Bald",)),
    ]
    (tmp_path / "identity_CelebA.txt").unlink()
    assert read_layout("celeba", tmp_path)[0].identities == ("celeba:000001",)
    (tmp_path / "list_eval_partition.txt").unlink()
    with pytest.raises(ManifestError, match=r"list_eval_partition\.txt is missing"):
        read_layout("celeba", tmp_path)


def test_a_plain_folder_may_hold_videos(tmp_path: Path) -> None:
    for name in ("real/a.mp4", "fake/mine/a.mp4", "masks/mine/a.mp4"):
        trees.clip(tmp_path / name)
    trees.save(trees.texture(), tmp_path / "fake" / "other" / "b.png")
    real, *fakes = read_layout("folder", tmp_path)
    assert (real.video, real.label) == ("real/a", 0)
    assert [(f.video, f.method, f.region is not None) for f in fakes] == [
        ("fake/mine/a", "mine", True),
        (None, "other", False),
    ]
    assert {s.method for s in read_layout("folder", tmp_path, Choice(methods=("mine",)))} == {"real", "mine"}


def test_a_csv_of_your_own(tmp_path: Path) -> None:
    trees.clip(tmp_path / "a.mp4")
    table = tmp_path / "mine.csv"
    table.write_text("path,label,method,video\na.mp4,1,mine,a\n")
    assert [(s.label, s.method, s.video) for s in read_layout("csv", table)] == [(1, "mine", "a")]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_wrong_folder_is_told_what_was_expected(name: str, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    with pytest.raises(ManifestError, match=r"expected|(faces|wild)\.csv|real/|a manifest is"):
        read_layout(name, tmp_path)
    with pytest.raises(ManifestError):
        read_layout(name, tmp_path / "absent")


def test_an_unknown_data_set_is_guessed_at() -> None:
    with pytest.raises(ManifestError, match="did you mean 'celebdf-v2'"):
        read_layout("celebdf-v3", Path())
