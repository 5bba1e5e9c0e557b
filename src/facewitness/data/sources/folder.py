"""Reader for a folder with ``real/``, ``fake/`` and, if known, ``masks/``; or with nothing but real photographs.

``fake/METHOD/photo.jpg`` names its method; ``fake/photo.jpg`` does not. The mask of ``fake/a/b.jpg`` is
``masks/a/b.png``. Identities are file stems, so a forgery and its original never part when splits are assigned. In a
folder without ``real/`` and ``fake/`` every photograph is real and shows a person of its own, named by its path.
"""

from dataclasses import replace
from pathlib import Path

from facewitness.data.manifest import UNNAMED_METHOD
from facewitness.data.sources.layouts import VIDEOS, Choice, chosen
from facewitness.types import REAL_METHOD, ManifestError, Sample

PHOTOGRAPHS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif"})
LOSSLESS = (".png", ".tif", ".tiff", ".bmp")


def read_all(folder: Path, choice: Choice) -> list[Sample]:
    """As ``read``, videos as well; ``masks/a/b.mp4``, being compressed, gives the region of ``fake/a/b.mp4``."""
    samples = read(folder, PHOTOGRAPHS | VIDEOS)
    methods = set(chosen(choice, sorted({s.method for s in samples if s.label})))
    return [s for s in samples if not s.label or s.method in methods]


def read(folder: Path, suffixes: frozenset[str] = PHOTOGRAPHS) -> list[Sample]:
    """The samples below ``folder``, sorted by path, all in the split ``train`` (see ``data.splits.assign``).

    ``dataset`` is the folder's own name.

    Raises:
        ManifestError: there is no photograph, or a mask is ambiguous or lossy.
    """
    folder = Path(folder)
    real, fake, name = folder / "real", folder / "fake", folder.resolve().name
    known = f"known are {', '.join(sorted(suffixes))}"

    def found(path: Path, person: str) -> Sample:
        video = path.relative_to(folder).with_suffix("").as_posix() if path.suffix.lower() in VIDEOS else None
        return Sample(path, 0, video=video, identities=(person,), dataset=name)

    if not real.is_dir() and not fake.is_dir():
        samples = [found(path, path.relative_to(folder).as_posix()) for path in _files(folder, suffixes)]
        if not samples:
            raise ManifestError(f"{folder}: no photograph in it, and no folders real/ and fake/; {known}")
        return samples
    masks = _masks(folder / "masks", suffixes)
    samples = [found(path, path.stem) for path in _files(real, suffixes)]
    originals = {sample.path.stem: sample.path for sample in samples}
    for path in _files(fake, suffixes):
        inside = path.relative_to(fake)
        method = inside.parts[0] if len(inside.parts) > 1 else UNNAMED_METHOD
        if method == REAL_METHOD:
            raise ManifestError(f"{path.parent}: a method cannot be called {REAL_METHOD!r}; rename the folder")
        sample = replace(found(path, path.stem), label=1, method=method, original=originals.get(path.stem))
        truth = masks.get(inside.with_suffix(""))
        samples.append(replace(sample, region=truth) if sample.video else replace(sample, mask=truth))
    if not samples:
        raise ManifestError(f"{folder}: nothing to read in real/ or fake/; {known}")
    return samples


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def _masks(folder: Path, suffixes: frozenset[str]) -> dict[Path, Path]:
    masks: dict[Path, Path] = {}
    for path in _files(folder, suffixes):
        if path.suffix.lower() in PHOTOGRAPHS and path.suffix.lower() not in LOSSLESS:
            raise ManifestError(f"{path}: a mask in a lossy format has false edges; save it as .png")
        key = path.relative_to(folder).with_suffix("")
        if key in masks:
            raise ManifestError(f"{path}: {masks[key].name} is a mask for the same photograph; remove one of them")
        masks[key] = path
    return masks
