"""Reader for a folder with a ``wild.csv``: forgeries made by real software, and real faces beside them.

``wild.csv`` has the columns path, source, label (real or fake), family, split (train or val), width, height.
"""

import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from facewitness.data.sources.layouts import read_table
from facewitness.types import REAL_METHOD, ManifestError, Sample, Split

TABLE = "wild.csv"
_NEEDED = ("path", "source", "label", "family", "split")
_KEPT_ASIDE = 7
"""One clip in so many of ``train`` is for validation."""


def read(folder: Path) -> list[Sample]:
    """All faces that ``folder/wild.csv`` lists. Its ``val`` is what is reported on, and so the split ``test``.

    A row that says the same as another counts once. A forgery whose path differs from that of a real face in nothing
    but ``fake`` and ``real`` was made from it.

    Raises:
        ManifestError: the table is missing, or a row of it does not fit.
    """
    table = Path(folder) / TABLE
    rows = read_table(table, _NEEDED)
    real = {row["path"] for _, row in rows if row["label"] == "real"}
    samples: dict[Path, Sample] = {}
    for line, row in rows:
        sample = _sample(row, table, line, real)
        if samples.setdefault(sample.path, sample) != sample:
            raise ManifestError(f"{table}: line {line}: {row['path']} is listed before with other values; remove one")
    return list(samples.values())


def _sample(row: Mapping[str, str], table: Path, line: int, real: set[str]) -> Sample:
    for name, allowed in (("label", ("real", "fake")), ("split", ("train", "val"))):
        if row[name] not in allowed:
            raise ManifestError(f"{table}: line {line}, column {name!r}: {row[name]!r}; write one of {allowed}")
    is_fake = row["label"] == "fake"
    original = row["path"].replace("/fake/", "/real/")
    clip = re.sub(r"_f\d+$", "", Path(row["path"]).stem)
    return Sample(
        path=table.parent / row["path"],
        label=int(is_fake),
        method=re.sub(r"[^a-z0-9]+", "-", row["family"].lower()) if is_fake else REAL_METHOD,
        video=clip,
        dataset=row["source"],
        split=_split(row["split"], row["source"], clip),
        original=table.parent / original if is_fake and original in real else None,
    )


def _split(listed: str, source: str, clip: str) -> Split:
    if listed == "val":
        return "test"
    return "val" if zlib.crc32(f"{source}/{clip}".encode()) % _KEPT_ASIDE == 0 else "train"
