"""Readers, one file per layout: ``read`` tells our own folders apart, ``listing`` reads the one that is named."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from facewitness.data import manifest
from facewitness.data.sources import celeba, celebdf, dffd, faceforensics, faces, folder, uadfv
from facewitness.data.sources.layouts import Choice, Layout
from facewitness.types import ManifestError, Sample

__all__ = ["LAYOUTS", "MANIFESTS", "Choice", "Layout", "listing", "read"]

MANIFESTS = ("manifest.parquet", "manifest.csv")
_ALL = (
    Layout("faceforensics", "FaceForensics++ with FaceShifter: c0, c23, c40, mask videos", faceforensics.read),
    Layout("deepfakedetection", "DeepFakeDetection, in the tree of FaceForensics++", faceforensics.read_dfd),
    celebdf.V1,
    celebdf.V2,
    Layout("dffd", "DFFD: entire synthesis and attribute changes, with masks", dffd.read),
    Layout("uadfv", "UADFV: real/ and fake/ videos", uadfv.read),
    Layout("celeba", "CelebA: real photographs, attributes, official partition", celeba.read),
    Layout("faces", "a folder with faces.csv: real photographs and their terms", lambda root, _: faces.read(root)),
    Layout("folder", "a folder with real/ and fake/METHOD/, of pictures or videos", folder.read_all),
    Layout("csv", "a manifest of your own, CSV or Parquet, of pictures or videos", lambda root, _: manifest.read(root)),
)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in _ALL})
"""The layouts that ``facewitness data prepare`` knows, by name."""


def read(path: Path) -> list[Sample]:
    """Samples of a manifest, or of a folder that has a manifest, a ``faces.csv``, or ``real/`` and ``fake/``.

    A manifest in a folder goes before everything else there: a set made by ``facewitness forge`` has a ``real/`` too.

    Raises:
        ManifestError: the path is none of these.
    """
    if path.is_file():
        return manifest.read(path)
    for name in MANIFESTS:
        if (path / name).is_file():
            return manifest.read(path / name)
    if (path / faces.TABLE).is_file():
        return faces.read(path)
    if (path / "real").is_dir() or (path / "fake").is_dir():
        return folder.read(path)
    raise ManifestError(
        f"{path}: neither a manifest nor a data folder; expected {', '.join(MANIFESTS)}, {faces.TABLE}, or the "
        "folders real/ and fake/ in it"
    )


def listing(name: str, root: Path, choice: Choice | None = None) -> list[Sample]:
    """A sample for each video or picture of a data set in its own layout, with official splits where there are any.

    Raises:
        ManifestError: there is no such layout, or ``root`` does not have it.
    """
    if name not in LAYOUTS:
        guess = get_close_matches(name, LAYOUTS, 1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"there are {', '.join(LAYOUTS)}"
        raise ManifestError(f"no data set {name!r}; {hint}")
    return LAYOUTS[name].read(Path(root), choice or Choice())
