"""Readers for Celeb-DF v1 and v2 (Li et al., 2020).

    Celeb-real/id0_0000.mp4  YouTube-real/00170.mp4  Celeb-synthesis/id0_id1_0000.mp4  List_of_testing_videos.txt

A line of the list is ``1 YouTube-real/00170.mp4``, and there **1 means real**. What is not in the list is for training;
there is no official validation split.
"""

import re
from functools import partial
from pathlib import Path

from facewitness.data.sources.layouts import VIDEOS, Choice, Layout, chosen, demand, files
from facewitness.types import REAL_METHOD, ManifestError, Sample

LIST = "List_of_testing_videos.txt"
METHOD = "Celeb-synthesis"
_FOLDERS = {"Celeb-real": 0, "YouTube-real": 0, METHOD: 1}  # folder -> our label


def _read(root: Path, choice: Choice, *, dataset: str) -> list[Sample]:
    """A sample for each video; those of the official list in the split ``test``, all others in ``train``.

    Raises:
        ManifestError: the wrong folder, no list, or a list that contradicts the folders or names what is not there.
    """
    chosen(choice, (METHOD,))
    there = [path for name in _FOLDERS for path in files(root / name, VIDEOS)]
    expected = "Celeb-real, YouTube-real and Celeb-synthesis"
    if not there:
        return demand([], root, expected)
    testing = _testing(root, choice)
    known = {path.relative_to(root).as_posix() for path in there}
    lost = sorted(testing - known)
    if lost:
        raise ManifestError(f"{root}: {len(lost)} of the videos in {LIST} are missing, first {lost[0]}: fetch them")
    return [_sample(path, path.relative_to(root).as_posix() in testing, dataset) for path in there]


def _testing(root: Path, choice: Choice) -> set[str]:
    path = choice.splits or root / LIST
    path = path / LIST if path.is_dir() else path
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ManifestError(
            f"cannot read {path}: {error.strerror or error}; the list comes with the data set: put it there, or name "
            "it with --splits"
        ) from error
    found = set()
    for number, line in enumerate(lines, 1):
        flag, _, name = line.strip().partition(" ")
        if not line.strip():
            continue
        folder = name.strip().partition("/")[0]
        if flag not in ("0", "1") or folder not in _FOLDERS:
            raise ManifestError(f"{path}: line {number}: {line.strip()!r} is not '1 FOLDER/VIDEO' or '0 FOLDER/VIDEO'")
        label = 1 - int(flag)  # the list counts real as 1
        if label != _FOLDERS[folder]:
            raise ManifestError(f"{path}: line {number}: says {'fake' if label else 'real'} of a video in {folder}")
        found.add(name.strip())
    return found


def _sample(path: Path, testing: bool, dataset: str) -> Sample:
    folder = path.parent.name
    people = re.findall(r"id\d+", path.stem) if folder != "YouTube-real" else [f"youtube-{path.stem}"]
    if len(people) != 1 + _FOLDERS[folder]:
        raise ManifestError(f"{path}: the name tells no {'pair of ids' if _FOLDERS[folder] else 'id'}; restore it")
    target, *_, clip = path.stem.split("_") if _FOLDERS[folder] else ("", "")
    original = path.parents[1] / "Celeb-real" / f"{target}_{clip}{path.suffix}"
    return Sample(
        path=path,
        label=_FOLDERS[folder],
        method=METHOD if _FOLDERS[folder] else REAL_METHOD,
        video=f"{folder}/{path.stem}",
        identities=tuple(f"celebdf:{person}" for person in people),
        dataset=dataset,
        split="test" if testing else "train",
        original=original if _FOLDERS[folder] and original.is_file() else None,
    )


V1 = Layout(
    "celebdf-v1", "Celeb-DF v1: Celeb-real, YouTube-real, Celeb-synthesis", partial(_read, dataset="celebdf-v1")
)
V2 = Layout("celebdf-v2", "Celeb-DF v2: the same folders, more videos", partial(_read, dataset="celebdf-v2"))
