"""The report of a scan for people: one HTML file that needs nothing else, pictures included.

A report is made from the entries of ``results.jsonl`` and the names of their pictures; it judges nothing. However many
files there are, it stays a file that opens: the most suspicious are shown, the rest are counted.
"""

import base64
import heapq
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from facewitness.reporting.templates import render
from facewitness.scanning import overlay
from facewitness.scanning.files import OVERLAYS_NAME
from facewitness.scanning.image import versions
from facewitness.scanning.video_view import view
from facewitness.scanning.words import EVIDENCE_WORDS, STATUS_WORDS, VERDICT_WORDS, meanings
from facewitness.types import Card, Status, Verdict

SHOWN = 500
"""Scored files in the report, the most suspicious ones."""

LISTED = 1000
"""Files without a score in the report."""

PICTURES_BYTES = 40_000_000
"""Bytes of JPEG within the report; files beyond it have links to their pictures instead."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Files of a scan: by status, by verdict, and those that are not in the results."""

    statuses: Mapping[str, int]
    verdicts: Mapping[str, int]
    passed_over: int = 0  # in folders, without a suffix of photographs or videos
    repeated: int = 0  # links to, or second mentions of, a file
    missing: int = 0  # not reached before the scan was interrupted


@dataclass(slots=True)
class ScanReport:
    """Collects entries one by one, in bounded memory, and becomes HTML."""

    overlays: Path
    _order: "count[int]" = field(default_factory=count)
    _shown: list[tuple[float, int, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    listed: list[Mapping[str, Any]] = field(default_factory=list)
    _statuses: Counter[str] = field(default_factory=Counter)
    _verdicts: Counter[str] = field(default_factory=Counter)
    date: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def add(self, entry: Mapping[str, Any], pictures: Mapping[str, Any]) -> None:
        """Take in one file: its object of ``results.jsonl`` and what ``overlay.write`` gave for it."""
        self._statuses[entry["status"]] += 1
        self._verdicts.update([entry["verdict"]] if entry["verdict"] is not None else [])
        if entry["score"] is None:
            if len(self.listed) < LISTED:
                self.listed.append(entry)
            return
        item = (float(entry["score"]), -next(self._order), entry, pictures)
        (heapq.heappush if len(self._shown) < SHOWN else heapq.heappushpop)(self._shown, item)

    def counts(self, *, expected: int = 0, passed_over: int = 0, repeated: int = 0) -> Counts:
        """Return the counts of what was taken in; those of ``expected`` files that were not are missing."""
        missing = max(0, expected - self._statuses.total())
        return Counts(dict(self._statuses), dict(self._verdicts), passed_over, repeated, missing)

    def ranked(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Return the scored files that are shown, the most suspicious first, each with its pictures."""
        return [item[2:] for item in sorted(self._shown, key=lambda item: item[:2], reverse=True)]

    def html(self, counts: Counts, card: Card, command: Sequence[str]) -> str:
        """Return the whole report."""
        ranked = self.ranked()
        scored = counts.statuses.get(Status.OK.value, 0)
        return render(
            "facewitness.scanning",
            "report.html",
            escape=True,
            date=self.date.strftime("%Y-%m-%d %H:%M %Z"),
            total=sum(counts.statuses.values()),
            tiles=tiles(counts, scored),
            warnings=warnings(counts, card, scored, len(ranked)),
            card=card,
            calibration=card.calibration,
            meanings=meanings(card.calibration) if card.calibration else (),
            colours=", ".join(overlay.colour_bar()),
            words=VERDICT_WORDS,
            status_words=STATUS_WORDS,
            evidence_words=EVIDENCE_WORDS,
            files=ranked,
            embed=_embedder(self.overlays),
            video=view,
            overlays=OVERLAYS_NAME,
            file_name=lambda path: PurePosixPath(path.replace("\\", "/")).name,
            listed=self.listed,
            unscored=sum(counts.statuses.values()) - scored,
            origin=origin(card, command),
        )


def _embedder(overlays: Path) -> Callable[[str], str | None]:
    """Return what gives a picture as base64, or None once ``PICTURES_BYTES`` are used up."""
    budget = PICTURES_BYTES

    def embed(name: str) -> str | None:
        nonlocal budget
        data = (overlays / name).read_bytes()
        if len(data) > budget:
            return None
        budget -= len(data)
        return base64.b64encode(data).decode()

    return embed


def tiles(counts: Counts, scored: int) -> list[tuple[str, int, str]]:
    """Return the words, count and class of each tile but the first."""
    found = [(VERDICT_WORDS[v.value], counts.verdicts.get(v.value, 0), v.value) for v in reversed(Verdict)]
    unjudged = scored - sum(counts.verdicts.values())
    if unjudged:
        found = [(VERDICT_WORDS[None], unjudged, "unjudged")]
    failed = [status.value for status in Status if status is not Status.OK and counts.statuses.get(status.value)]
    return found + [(STATUS_WORDS[name].capitalize(), counts.statuses[name], "failure") for name in failed]


def warnings(counts: Counts, card: Card, scored: int, shown: int) -> list[str]:
    """Return what a reader has to know before the results."""
    lines = []
    if counts.missing:
        lines.append(
            f"The scan was interrupted: {counts.missing:,} files are not in this report. Run it again to go on."
        )
    if shown < scored:
        lines.append(f"Shown are the {shown:,} most suspicious of {scored:,} scored files; results.jsonl has them all.")
    if card.calibration is None:
        lines.append("This detector is not calibrated: its scores order the files but carry no verdict.")
    if counts.passed_over:
        lines.append(f"Passed over in folders, for lack of a suffix of photographs or videos: {counts.passed_over:,}.")
    if counts.repeated:
        lines.append(f"Left out, as links to files that are here or named twice: {counts.repeated:,}.")
    return lines


def origin(card: Card, command: Sequence[str]) -> dict[str, str]:
    """Return how results came about, by name."""
    crop, calibration = card.crop, card.calibration
    return {
        "Command": shlex.join(command) if command else "called from Python",
        "Detector": card.name,
        "Weights (SHA-256)": card.weights or "none",
        "Thresholds": "not calibrated"
        if calibration is None
        else f"fake from {calibration.fake_above:.4f}, real below {calibration.real_below:.4f}, "
        f"temperature {calibration.temperature:.4f}",
        "Crop profile": f"{crop.size_px} px, finder {crop.finder}, alignment {crop.alignment}, margin {crop.margin:g}, "
        f"faces from {crop.min_face_px} px",
        "Trained on": card.trained_on or "not stated",
        "Licence of the weights": card.licence or "not stated",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
