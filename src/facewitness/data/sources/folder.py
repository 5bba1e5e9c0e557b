"""Reader for a folder with ``real/``, ``fake/`` and, if known, ``masks/``; or with nothing but real photographs.

``fake/METHOD/photo.jpg`` names its method; ``fake/photo.jpg`` does not. The mask of ``fake/a/b.jpg`` is
``masks/a/b.png``. Identities are file stems, so a forgery and its original never part when splits are assigned. In a
folder without ``real/`` and ``fake/`` every photograph is real and shows a person of its own, named by its path.
"""

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
    real, fake = folder / "real", folder / "fake"
    if not real.is_dir() and not fake.is_dir():
        return _all_real(folder, suffixes)
    masks = _masks(folder / "masks", suffixes)
    name = folder.resolve().name
    samples = [
        Sample(path=path, label=0, video=_video(path, folder), identities=(path.stem,), dataset=name)
        for path in _files(real, suffixes)
    ]
    originals = {sample.path.stem: sample.path for sample in samples}
    for path in _files(fake, suffixes):
        inside = path.relative_to(fake)
        method = inside.parts[0] if len(inside.parts) > 1 else UNNAMED_METHOD
        if method == REAL_METHOD:
            raise ManifestError(f"{path.parent}: a method cannot be called {REAL_METHOD!r}; rename the folder")
        samples.append(
            Sample(
                path=path,
                label=1,
                method=method,
                video=_video(path, folder),
                identities=(path.stem,),
                dataset=name,
                mask=None if _is_video(path) else masks.get(inside.with_suffix("")),
                region=masks.get(inside.with_suffix("")) if _is_video(path) else None,
                original=originals.get(path.stem),
            )
        )
    if not samples:
        raise ManifestError(f"{folder}: nothing to read in real/ or fake/; known are {', '.join(sorted(suffixes))}")
    return samples


def _all_real(folder: Path, suffixes: frozenset[str]) -> list[Sample]:
    name = folder.resolve().name
    samples = [
        Sample(
            path=path,
            label=0,
            video=_video(path, folder),
            identities=(path.relative_to(folder).as_posix(),),
            dataset=name,
        )
        for path in _files(folder, suffixes)
    ]
    if not samples:
        raise ManifestError(
            f"{folder}: no photograph in it, and no folders real/ and fake/; known are {', '.join(sorted(suffixes))}"
        )
    return samples


def _files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def _video(path: Path, folder: Path) -> str | None:
    return path.relative_to(folder).with_suffix("").as_posix() if _is_video(path) else None


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


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
