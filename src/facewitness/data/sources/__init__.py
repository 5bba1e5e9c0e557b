"""Data sources, one file per layout: ``read`` takes whatever a user names as data, ``read_layout`` a named layout."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from facewitness.data import manifest, splits
from facewitness.data.sources import celeba, celebdf, dffd, faceforensics, faces, folder, uadfv, wild
from facewitness.data.sources.layouts import Choice, Layout
from facewitness.types import ManifestError, Sample

__all__ = ["LAYOUTS", "MANIFESTS", "Choice", "Layout", "as_manifest", "read", "read_divided", "read_layout"]

MANIFESTS = ("manifest.parquet", "manifest.csv")
SHARES = (0.6, 0.2, 0.2)
"""Of people in train, val and test, where the data has no splits: ten photographs are enough for each to get two."""
_ALL = (
    Layout("faceforensics", "FaceForensics++ with FaceShifter: c0, c23, c40, mask videos", faceforensics.read),
    Layout("deepfakedetection", "DeepFakeDetection, in the tree of FaceForensics++", faceforensics.read_dfd),
    celebdf.V1,
    celebdf.V2,
    Layout("dffd", "DFFD: entire synthesis and attribute changes, with masks", dffd.read),
    Layout("uadfv", "UADFV: real/ and fake/ videos", uadfv.read),
    Layout("celeba", "CelebA: real photographs, attributes, official partition", celeba.read),
    Layout("faces", "a folder with faces.csv: real photographs and their terms", lambda root, _: faces.read(root)),
    Layout("wild", "a folder with wild.csv: forgeries by real software, real faces", lambda root, _: wild.read(root)),
    Layout("folder", "a folder with real/ and fake/METHOD/, or of real photographs alone; or videos", folder.read_all),
    Layout("csv", "a manifest of your own, CSV or Parquet, of pictures or videos", lambda root, _: manifest.read(root)),
)
_TABLES = (faces, wild)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in _ALL})
"""The layouts that ``facewitness data prepare`` knows, by name."""


def read(path: Path) -> list[Sample]:
    """Return the samples of whatever a user names as data.

    Args:
        path: a manifest; a photograph; or a folder with a manifest, with a ``faces.csv`` or a ``wild.csv``, with
            ``real/`` and ``fake/``, or with real photographs alone. A manifest in a folder goes before everything else
            there: a set made by ``facewitness forge`` has a ``real/`` too.

    Raises:
        ManifestError: the path is none of these.
    """
    if path.suffix.lower() in folder.PHOTOGRAPHS and path.is_file():
        return [Sample(path, 0, identities=(path.stem,), dataset="own")]
    if path.is_file():
        return manifest.read(path)
    if not path.is_dir():
        raise ManifestError(f"{path}: no such file or folder; name a manifest or a folder of photographs")
    file = _manifest_in(path)
    if file is not None:
        return manifest.read(file)
    table = next((reader for reader in _TABLES if (path / reader.TABLE).is_file()), None)
    return folder.read(path) if table is None else table.read(path)


def read_divided(path: Path, seed: int = 0) -> list[Sample]:
    """Return the samples of ``read``; where the data has no splits, deal them by identity, 60, 20 and 20 in a hundred.

    Fewer than three people are not divided: all stay in ``train``.
    """
    samples = read(path)
    if _has_splits(path) or len(set(splits.groups(samples))) < len(manifest.SPLITS):
        return samples
    return splits.assign(samples, SHARES, seed)


def as_manifest(path: Path, out: Path, *, divide: bool = False, seed: int = 0) -> Path:
    """Return a manifest of whatever a user names as data: the one there is, or one that is written into ``out``.

    Args:
        path: see ``read``.
        out: folder for ``manifest.parquet``, if there is none yet.
        divide: deal splits as ``read_divided`` does; otherwise data without splits is all in ``test``, to be judged.
        seed: of the splits.

    Raises:
        ManifestError: the path is no data.
    """
    file = path if path.suffix.lower() in manifest.SUFFIXES else _manifest_in(path)
    if file is not None:
        return file
    samples = read_divided(path, seed) if divide else read(path)
    if not divide and not _has_splits(path):
        samples = [replace(sample, split="test") for sample in samples]
    out.mkdir(parents=True, exist_ok=True)
    manifest.write(samples, out / MANIFESTS[0])
    return out / MANIFESTS[0]


def _manifest_in(path: Path) -> Path | None:
    return next((path / name for name in MANIFESTS if (path / name).is_file()), None)


def _has_splits(path: Path) -> bool:
    """Whether the data says who is trained on: a manifest does, and so do ``faces.csv`` and ``wild.csv``."""
    is_manifest = path.suffix.lower() in manifest.SUFFIXES or _manifest_in(path) is not None
    return is_manifest or any((path / reader.TABLE).is_file() for reader in _TABLES)


def read_layout(name: str, root: Path, choice: Choice | None = None) -> list[Sample]:
    """A sample for each video or picture of a data set in its own layout, with official splits where there are any.

    Raises:
        ManifestError: there is no such layout, or ``root`` does not have it.
    """
    if name not in LAYOUTS:
        guess = get_close_matches(name, LAYOUTS, 1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"there are {', '.join(LAYOUTS)}"
        raise ManifestError(f"no data set {name!r}; {hint}")
    return LAYOUTS[name].read(Path(root), choice or Choice())
