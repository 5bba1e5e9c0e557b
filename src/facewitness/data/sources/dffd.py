"""Reader for DFFD, Diverse Fake Face Dataset (Dang et al., 2020), in either of its two layouts.

As the archives unpack, with masks, where a manipulation is partial, in a folder of their own:

    ffhq/train/1.png  stylegan_ffhq/test/1.png  faceapp/validation/1.png  faceapp/mask/validation/1.png

or as the code of its authors wants it, ``Mask`` having the names of ``Fake``:

    train/Real/1.png  train/Fake/1.png  train/Mask/1.png        (eval and test alike)

The parts that come from CelebA and FaceForensics++ are fetched and read by themselves.
"""

from pathlib import Path

from facewitness.data.sources.layouts import PICTURES, Choice, chosen, demand, files
from facewitness.types import REAL_METHOD, Sample, Split

METHODS = ("faceapp", "pggan_v1", "pggan_v2", "stargan", "stylegan_celeba", "stylegan_ffhq")
REALS = ("ffhq",)
_SPLITS: dict[str, Split] = {
    **{"train": "train", "validation": "val", "valid": "val", "val": "val", "eval": "val", "test": "test"}
}


def read(root: Path, choice: Choice) -> list[Sample]:
    """A sample for each picture. Nobody is named in DFFD: a picture is its own identity.

    Raises:
        ManifestError: the wrong folder, or an unknown method.
    """
    if any((root / split / "Real").is_dir() or (root / split / "Fake").is_dir() for split in _SPLITS):
        chosen(choice, ("dffd",))
        places: list[tuple[str, Split, str, str | None]] = []
        for name, split in _SPLITS.items():
            places.append((f"{name}/Real", split, REAL_METHOD, None))
            places.append((f"{name}/Fake", split, "dffd", f"{name}/Mask"))
    else:
        places = [
            (f"{folder}/{name}", split, REAL_METHOD if folder in REALS else folder, f"{folder}/mask/{name}")
            for folder in (*REALS, *chosen(choice, METHODS))
            for name, split in _SPLITS.items()
        ]
    samples = [
        Sample(
            path,
            int(method != REAL_METHOD),
            method,
            identities=(f"dffd:{place}/{path.stem}",),
            dataset="dffd",
            split=split,
            region=_same_name(root / masks, path) if masks else None,
        )
        for place, split, method, masks in places
        for path in files(root / place, PICTURES)
    ]
    return demand(samples, root, f"folders as {', '.join((*REALS, *METHODS))}, or train/Real and train/Fake")


def _same_name(folder: Path, path: Path) -> Path | None:
    return next((other for other in (folder / path.name, folder / f"{path.stem}.png") if other.is_file()), None)
