"""Readers, one file per layout, and ``read``, which knows them all apart."""

from __future__ import annotations

from pathlib import Path

from forgesight.types import ManifestError, Sample

MANIFESTS = ("manifest.parquet", "manifest.csv")


def read(path: Path) -> list[Sample]:
    """Samples of a manifest, or of a folder that has a manifest, a ``faces.csv``, or ``real/`` and ``fake/``.

    A manifest in a folder goes before everything else there: a set made by ``forgesight forge`` has a ``real/`` too.

    Raises:
        ManifestError: the path is none of these.
    """
    from forgesight.data import manifest
    from forgesight.data.sources import faces, folder

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
