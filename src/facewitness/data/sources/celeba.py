"""Reader for CelebA (Liu et al., 2015): 202,599 real photographs of 10,177 people with 40 attributes.

img_align_celeba/000001.jpg (or Img/img_align_celeba, or img_celeba)
list_attr_celeba.txt  list_eval_partition.txt  identity_CelebA.txt (there or in Anno/ and Eval/; the last optional)
"""

from pathlib import Path

from facewitness.data.sources.layouts import PICTURES, Choice, demand, files
from facewitness.types import REAL_METHOD, ManifestError, Sample, Split

_PICTURES = ("img_align_celeba", "Img/img_align_celeba", "img_celeba", "Img/img_celeba")
_TABLES = (".", "Anno", "Eval")
_PARTITION: dict[str, Split] = {"0": "train", "1": "val", "2": "test"}


def read(root: Path, choice: Choice) -> list[Sample]:
    """A sample for each photograph, with the attributes that are present in it and the official partition.

    Without ``identity_CelebA.txt`` every photograph is its own identity.

    Raises:
        ManifestError: the wrong folder, a list is missing, or one does not fit the photographs.
    """
    folder = next((root / name for name in _PICTURES if (root / name).is_dir()), root / _PICTURES[0])
    pictures = files(folder, PICTURES)
    expected = "img_align_celeba/, list_attr_celeba.txt and list_eval_partition.txt"
    if not pictures:
        return demand([], root, expected)
    partition = dict(line[:2] for line in _rows(root, "list_eval_partition.txt", 2))
    people = dict(line[:2] for line in _rows(root, "identity_CelebA.txt", 2, optional=True))
    count, names, *rows = _rows(root, "list_attr_celeba.txt", 1)
    if len(count) != 1:
        raise ManifestError(f"{root}: list_attr_celeba.txt does not begin with the number of photographs")
    present = {row[0]: tuple(name for name, value in zip(names, row[1:], strict=False) if value == "1") for row in rows}
    samples = []
    for path in pictures:
        split = _PARTITION.get(partition.get(path.name, ""))
        if split is None or path.name not in present:
            raise ManifestError(f"{path}: not in list_eval_partition.txt and list_attr_celeba.txt, or with odd values")
        identities = (f"celeba:{people.get(path.name, path.stem)}",)
        samples.append(Sample(path, 0, REAL_METHOD, None, identities, "celeba", split, attributes=present[path.name]))
    return samples


def _rows(root: Path, name: str, least: int, *, optional: bool = False) -> list[list[str]]:
    path = next((root / folder / name for folder in _TABLES if (root / folder / name).is_file()), None)
    if path is None:
        if optional:
            return []
        raise ManifestError(f"{root}: {name} is missing, here and in Anno/ and Eval/; it comes with the data set")
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    short = next((number for number, row in enumerate(rows, 1) if len(row) < least), None)
    if short or not rows:
        raise ManifestError(f"{path}: line {short or 1}: expected a file name and what is said of it")
    return rows
