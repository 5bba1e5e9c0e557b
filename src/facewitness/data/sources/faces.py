"""Reader for a folder of real photographs with a ``faces.csv``.

``faces.csv`` has the columns path, source, identity, tag, width, height, split. Every photograph is real.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from facewitness.data.manifest import SPLITS
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
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise ManifestError(f"{table}: column {missing[0]!r} is missing; needed are {', '.join(_NEEDED)}")
            return [_sample(row, table, reader.line_num) for row in reader]
    except OSError as error:
        raise ManifestError(f"cannot read {table}: {error.strerror or error}; name the folder that holds it") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{table} is not a UTF-8 CSV table: {error}") from error


def _sample(row: Mapping[str, str | None], table: Path, line: int) -> Sample:
    cells = {name: (row[name] or "").strip() for name in _NEEDED}
    for name, value in cells.items():
        if not value:
            raise ManifestError(f"{table}: line {line}, column {name!r}: empty; fill it or remove the row")
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
        attributes=tuple(filter(None, (row.get("tag") or "").strip().split("/"))),
    )
