"""Reader for a folder of real photographs with a ``faces.csv``, and what may be done with each of its sources.

``faces.csv`` has the columns path, source, identity, tag, width, height, split. Every photograph is real. The rules are
data, so that the forge and whoever draws figures ask them and decide nothing themselves.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

from forgesight.data.manifest import SPLITS
from forgesight.types import ManifestError, Sample, Split

TABLE = "faces.csv"
_NEEDED = ("path", "source", "identity", "split")


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What the terms of a source let us do. Forgeries that keep the person's identity are allowed for every source."""

    swap_allowed: bool  # identity swaps, as training data at least
    figures_allowed: bool  # may be shown in figures, reports kept in the project and documentation
    citation: str
    terms: str


RULES: Mapping[str, SourceRule] = MappingProxyType(
    {
        "london": SourceRule(
            swap_allowed=True,
            figures_allowed=True,
            citation="DeBruine & Jones (2017), Face Research Lab London Set, doi 10.6084/m9.figshare.5047666",
            terms="CC BY 4.0; written consent to use in original or altered form",
        ),
        "canada": SourceRule(
            swap_allowed=True,
            figures_allowed=True,
            citation="DeBruine & Jones, Young Adult White Faces with Manipulated Versions, figshare",
            terms="CC BY 4.0",
        ),
        "everyday": SourceRule(
            swap_allowed=False,  # some photographs show children
            figures_allowed=False,
            citation="MEBeauty database",
            terms="non-commercial research only; no identity swaps, no figures",
        ),
        "lfw": SourceRule(
            swap_allowed=True,
            figures_allowed=False,
            citation="Huang et al. (2012), Labeled Faces in the Wild, deep-funneled",
            terms="research benchmark without a formal licence; training forgeries only, no figures",
        ),
    }
)


def swap_allowed(dataset: str) -> bool:
    """Whether the terms of a source allow identity swaps; a source without a rule is the user's own."""
    return dataset not in RULES or RULES[dataset].swap_allowed


def may_be_shown(dataset: str) -> bool:
    """Whether the people of a source agreed to be shown, in original or altered form."""
    return dataset in RULES and RULES[dataset].figures_allowed


def credits() -> str:
    """Whom to thank for the people who may be shown."""
    return "; ".join(rule.citation for rule in RULES.values() if rule.figures_allowed)


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
            "write its terms into RULES of forgesight/data/sources/faces.py"
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
