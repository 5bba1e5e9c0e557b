"""What a scan leaves in its folder beside the pictures: results, report and table, and for a case its PDF."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facewitness import storage
from facewitness.scanning import report, table
from facewitness.scanning.files import OVERLAYS_NAME, REPORT_NAME, RESULTS_NAME
from facewitness.types import Card

Entry = tuple[Mapping[str, Any], Mapping[str, Any]]
"""The report of a file as JSON, and the names of its pictures."""


def write(
    out: Path,
    entries: Iterable[Entry],
    card: Card,
    command: Sequence[str],
    *,
    expected: int = 0,
    passed_over: int = 0,
    repeated: int = 0,
    as_case: bool = False,
) -> report.Counts:
    """Write ``results.jsonl``, ``report.html`` and ``results.csv``, each whole or not at all; return what was counted.

    Args:
        out: holds the pictures in ``OVERLAYS_NAME``.
        entries: one for each file.
        card: of the detector that judged them.
        command: what the user typed.
        expected: how many entries there would be, had nothing stopped the scan.
        passed_over: files in folders without a suffix of photographs or videos.
        repeated: second mentions of a file.
        as_case: also write ``case.pdf`` and ``case.json``.
    """
    written = report.ScanReport(out / OVERLAYS_NAME)
    with storage.atomic_write(out / RESULTS_NAME) as part, part.open("w", encoding="utf-8") as lines:
        for item, pictures in entries:
            lines.write(json.dumps(item, ensure_ascii=False) + "\n")
            written.add(item, pictures)
    counts = written.counts(expected=expected, passed_over=passed_over, repeated=repeated)
    storage.write_text(out / REPORT_NAME, written.html(counts, card, command))
    table.write(out / RESULTS_NAME, out / table.NAME)
    if as_case:
        from facewitness.scanning import case  # the PDF library is not loaded without need

        case.write(out, written, counts, card, command)
    return counts


def picture_names(pictures: Mapping[str, Any]) -> Iterator[str]:
    """The names of the pictures of one file, as ``overlay.write`` and ``Clips.finish`` gave them."""
    names = [pictures["overlay"], *pictures["maps"], *pictures["faces"]]
    for shown in pictures.get("tracks", ()):  # of a video
        names += [name for name, _ in (*shown["strip"], *([shown["key"]] if shown["key"] else ()))]
    return (name for name in names if name is not None)
