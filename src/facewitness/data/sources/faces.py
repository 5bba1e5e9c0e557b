"""Reader for a folder of real photographs with a ``faces.csv``.

``faces.csv`` has the columns path, source, identity, tag, width, height, split. Every photograph is real.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from facewitness.data.manifest import SPLITS
from facewitness.data.sources.layouts import read_table
from facewitness.data.terms import RULES
from facewitness.types import ManifestError, Sample, Split

TABLE = "faces.csv"
_NEEDED = ("path", "source", "identity", "split")


def read(folder: Path) -> list[Sample]:
    """All photographs that ``folder/faces.csv`` lists, as real samples with their source as ``dataset``.

    Raises:
        ManifestError: the table is missing or a row of it does not fit; a source without an entry in ``RULES`` counts,
            because nobody has said what may be done with it.
    """
    table = Path(folder) / TABLE
    return [_sample(row, table, line) for line, row in read_table(table, _NEEDED)]


def _sample(cells: Mapping[str, str], table: Path, line: int) -> Sample:
    if cells["source"] not in RULES:
        raise ManifestError(
            f"{table}: line {line}, column 'source': {cells['source']!r} has no rule; "
            "write its terms into RULES of facewitness/data/terms.py"
        )
    if cells["split"] not in SPLITS:
        raise ManifestError(f"{table}: line {line}, column 'split': {cells['split']!r}; write one of {SPLITS}")
    return Sample(
        path=table.parent / cells["path"],
        label=0,
        identities=(cells["identity"],),
        dataset=cells["source"],
        split=cast(Split, cells["split"]),
        attributes=tuple(filter(None, cells.get("tag", "").split("/"))),
    )
