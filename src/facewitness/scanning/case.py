"""A case: the folder of a scan as a document that can be checked later.

Beside what every scan writes, ``case.pdf`` for people, ``case.json`` with everything that decided the results, and
``SHA256SUMS`` over all of it. The photographs themselves are not copied: their hashes are in the results.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from facewitness import provenance, storage
from facewitness.scanning import document
from facewitness.scanning.report import Counts, ScanReport
from facewitness.types import Card

PDF_NAME = "case.pdf"
RECORD_NAME = "case.json"
FORMAT = 1


def write(out: Path, report: ScanReport, counts: Counts, card: Card, command: Sequence[str]) -> None:
    """Write ``case.pdf`` and ``case.json``; the sums are written when nothing else changes any more.

    Raises:
        OSError: the folder cannot be written.
    """
    made = report.date
    record = {
        "format": FORMAT,
        "date": made.isoformat(timespec="seconds"),
        "command": list(command),
        "statuses": dict(counts.statuses),
        "verdicts": dict(counts.verdicts),
        "passed_over": counts.passed_over,
        "repeated": counts.repeated,
        "detector": asdict(card),
        "environment": provenance.environment(),
    }
    storage.write_text(out / RECORD_NAME, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    with storage.atomic_write(out / PDF_NAME) as part:
        document.write(part, report, counts, card, command)
