"""Readers for FaceForensics++ (Roessler et al., 2019; FaceShifter: Li et al., 2020) and DeepFakeDetection in its tree.

    original_sequences/youtube/c23/videos/000.mp4         manipulated_sequences/METHOD/c23/videos/000_003.mp4
    original_sequences/actors/c23/videos/01__scene.mp4    manipulated_sequences/DeepFakeDetection/c23/videos/...
    manipulated_sequences/METHOD/masks/videos/000_003.mp4 (the region that was blended or tracked, not what changed)

``000_003`` is target, then source. The official split is by pairs and is read from the user's copy of its three lists.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from facewitness.data.manifest import SPLITS
from facewitness.data.sources.layouts import VIDEOS, Choice, chosen, demand, files
from facewitness.types import REAL_METHOD, ManifestError, Sample, Split

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
_LEVELS = {"raw": ("raw", "c0"), "c0": ("c0", "raw"), "c23": ("c23",), "c40": ("c40",)}


def read(root: Path, choice: Choice) -> list[Sample]:
    """A sample for each video; every video has an official split.

    Raises:
        ManifestError: the wrong folder, an unknown compression or method, or the split lists are missing or do not
            name a video.
    """
    splits: dict[str, Split] = {}  # read when there is a video: an empty folder is told of first

    def sample(path: Path, method: str) -> Sample:
        splits.update({} if splits else official(root, choice))
        numbers = [path.stem] if method == "original" else path.stem.split("_")
        own = {splits.get(number) for number in numbers}
        split = own.pop()
        if own or split is None:
            names = " and ".join(numbers)
            raise ManifestError(
                f"{path}: the split lists do not name {names} together; is the file named TARGET_SOURCE?"
            )
        return _sample(path, method, tuple(f"ff:{number}" for number in numbers), "faceforensics", split)

    return _read(root, choice, "youtube", chosen(choice, METHODS), sample, lambda name: name.partition("_")[0])


def read_dfd(root: Path, choice: Choice) -> list[Sample]:
    """DeepFakeDetection: actors 01 to 28, all in the split ``train``, since there is no official one.

    Raises:
        ManifestError: the wrong folder, an unknown compression, or a file whose name tells no actor.
    """

    def sample(path: Path, method: str) -> Sample:
        numbers = path.stem.partition("__")[0]
        if not re.fullmatch(r"\d\d(_\d\d)?", numbers):
            raise ManifestError(
                f"{path}: the name begins with no actor, as 01__ or 01_02__; restore the original names"
            )
        return _sample(path, method, tuple(f"dfd:{number}" for number in numbers.split("_")), "deepfakedetection")

    def original(name: str) -> str:
        actors, scene = (*name.split("__"), "")[:2]
        return f"{actors.partition('_')[0]}__{scene}"

    return _read(root, choice, "actors", ["DeepFakeDetection"], sample, original)


def _read(
    root: Path,
    choice: Choice,
    reals: str,
    methods: Sequence[str],
    sample: Callable[[Path, str], Sample],
    original: Callable[[str], str],
) -> list[Sample]:
    """The videos of a folder of originals and of those of some methods, each with its mask and its original."""
    samples = [sample(path, "original") for path in _videos(root / "original_sequences" / reals, choice)]
    originals = {one.path.stem: one.path for one in samples}
    for method in methods:
        folder = root / "manipulated_sequences" / method
        for path in _videos(folder, choice):
            mask = folder / "masks" / "videos" / path.name
            region = mask if mask.is_file() else None
            samples.append(replace(sample(path, method), region=region, original=originals.get(original(path.stem))))
    return demand(samples, root, f"original_sequences/{reals}/{choice.compression}/videos and manipulated_sequences")


def official(root: Path, choice: Choice) -> dict[str, Split]:
    """The split of each of the thousand source videos, from ``train.json``, ``val.json`` and ``test.json``.

    They are looked for in ``choice.splits``, else in the data set and its folder ``splits``; a name may begin with
    ``faceforensics_``.

    Raises:
        ManifestError: a list is missing or unreadable, or names a video twice.
    """
    folders = [choice.splits] if choice.splits else [root, root / "splits", root / "dataset" / "splits"]
    found: dict[str, Split] = {}
    for split in SPLITS:
        names = (f"{split}.json", f"faceforensics_{split}.json")
        path = next((f / name for f in folders for name in names if (f / name).is_file()), None)
        if path is None:
            raise ManifestError(
                f"{folders[0]}: the official split list {names[0]} is missing; it comes with the download script of "
                "FaceForensics++: put train.json, val.json and test.json there, or name their folder with --splits"
            )
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
            videos = [str(name) for target, source in pairs for name in (target, source)]
        except (OSError, ValueError, TypeError) as error:
            raise ManifestError(f"{path} is not a list of pairs of videos: {error}") from error
        for name in videos:
            if name in found:
                raise ManifestError(f"{path}: video {name} is in the list of {found[name]} already")
            found[name] = split  # type: ignore[assignment]  # SPLITS are the three values of Split
    return found


def _videos(folder: Path, choice: Choice) -> list[Path]:
    if choice.compression not in _LEVELS:
        raise ManifestError(f"no compression {choice.compression!r}; there are c0 (or raw), c23 and c40")
    for level in _LEVELS[choice.compression]:
        found = files(folder / level / "videos", VIDEOS)
        if found:
            return found
    return []


def _sample(path: Path, method: str, people: tuple[str, ...], dataset: str, split: Split = "train") -> Sample:
    label = int(method != "original")
    return Sample(path, label, method if label else REAL_METHOD, f"{method}/{path.stem}", people, dataset, split)
