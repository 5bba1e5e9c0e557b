"""The report of a scan for people: one HTML page that needs nothing else, pictures included.

A page is made from the entries of ``results.jsonl`` and the names of their pictures; it judges nothing. However many
files there are, it stays a page that opens: the most suspicious are shown, the rest are counted.
"""

from __future__ import annotations

import base64
import heapq
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import count
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

from facewitness.scanning import overlay
from facewitness.scanning.files import OVERLAYS_NAME
from facewitness.scanning.image import versions
from facewitness.types import Card, CropProfile, Status, Verdict

SHOWN = 500
"""Scored files on the page, the most suspicious ones."""

LISTED = 1000
"""Files without a score on the page."""

PICTURES_BYTES = 40_000_000
"""Bytes of JPEG within the page; files beyond it have links to their pictures instead."""

_WORDS: Mapping[str | None, str] = {
    "fake": "Fake",
    "inconclusive": "Inconclusive",
    "real": "No sign of forgery",
    None: "No verdict",
}
_STATUS_WORDS: Mapping[str, str] = {
    "ok": "scored",
    "no_face": "no face found",
    "face_too_small": "face too small",
    "unreadable": "unreadable",
    "unsupported": "not a supported picture",
    "too_large": "too large",
    "no_permission": "no permission",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Files of a scan: by status, by verdict, and those that are not in the results."""

    statuses: Mapping[str, int]
    verdicts: Mapping[str, int]
    passed_over: int = 0  # in folders, without a photograph's suffix
    repeated: int = 0  # links to, or second mentions of, a file
    missing: int = 0  # not reached before the scan was interrupted


@dataclass(slots=True)
class Page:
    """Collects entries one by one, in bounded memory, and becomes HTML."""

    overlays: Path
    _order: count[int] = field(default_factory=count)
    _shown: list[tuple[float, int, Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=list)
    _listed: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, entry: Mapping[str, Any], pictures: Mapping[str, Any]) -> None:
        """Take in one file: its object of ``results.jsonl`` and what ``overlay.write`` gave for it."""
        if entry["score"] is None:
            if len(self._listed) < LISTED:
                self._listed.append(entry)
            return
        item = (float(entry["score"]), -next(self._order), entry, pictures)
        (heapq.heappush if len(self._shown) < SHOWN else heapq.heappushpop)(self._shown, item)

    def html(self, counts: Counts, card: Card, command: Sequence[str]) -> str:
        """The whole page."""
        budget = PICTURES_BYTES
        cards = []
        for _, _, entry, pictures in sorted(self._shown, key=lambda item: item[:2], reverse=True):
            inner, used = _file(entry, pictures, self.overlays, budget, card)
            budget -= used
            cards.append(inner)
        template = files("facewitness.scanning").joinpath("report.html").read_text(encoding="utf-8")
        scored = counts.statuses.get(Status.OK.value, 0)
        return Template(template).substitute(
            date=escape(datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")),
            tiles=_tiles(counts),
            warnings=_warnings(counts, card, scored, len(self._shown)),
            meaning=_meaning(card),
            bar=_bar(card.map_scale) if card.has_map else "",
            cards="\n".join(cards) or '<p class="none">No face was scored.</p>',
            listed=_without_score(self._listed, sum(counts.statuses.values()) - scored),
            origin=_origin(card, command),
        )


def _tiles(counts: Counts) -> str:
    tiles = [(_WORDS[v.value], counts.verdicts.get(v.value, 0), v.value) for v in reversed(Verdict)]
    scored = counts.statuses.get(Status.OK.value, 0)
    unjudged = scored - sum(counts.verdicts.values())
    if unjudged:
        tiles = [(_WORDS[None], unjudged, "unjudged")]
    tiles += [
        (_STATUS_WORDS[status.value].capitalize(), counts.statuses[status.value], "failure")
        for status in Status
        if status is not Status.OK and counts.statuses.get(status.value)
    ]
    total = sum(counts.statuses.values())
    shown = [f'<div class="tile total"><b>{total:,}</b><span>{"file" if total == 1 else "files"}</span></div>']
    shown += [
        f'<div class="tile {kind}"><b>{number:,}</b><span>{escape(name)}</span></div>' for name, number, kind in tiles
    ]
    return "\n".join(shown)


def _warnings(counts: Counts, card: Card, scored: int, shown: int) -> str:
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
        lines.append(f"Passed over in folders, for lack of a photograph's suffix: {counts.passed_over:,}.")
    if counts.repeated:
        lines.append(f"Left out, as links to files that are here or named twice: {counts.repeated:,}.")
    return "".join(f'<p class="warning">{escape(line)}</p>' for line in lines)


def _meaning(card: Card) -> str:
    calibration = card.calibration
    if calibration is None:
        return "<p>A score is the detector's own estimate that a face was forged, from 0 to 1.</p>"
    learnt = sum(calibration.counts.values())
    on = f"the {learnt:,} photographs" if learnt else "the photographs"
    fake, real = f"{calibration.fake_above:.3f}", f"{calibration.real_below:.3f}"
    return (
        f"<p>A score is the estimated probability that a face was forged, calibrated on {on} the detector was "
        "validated with. A photograph scores as its highest face. A verdict is worth the thresholds it stands on:</p>"
        f'<dl><dt class="fake">Fake</dt><dd>{fake} or more. At this threshold <b>1 in 100</b> faces in real '
        "photographs is called fake by mistake (false-positive rate 1&nbsp;%).</dd>"
        f'<dt class="inconclusive">Inconclusive</dt><dd>from {real} to {fake}. The detector does not know. Look for '
        "other evidence.</dd>"
        f'<dt class="real">No sign of forgery</dt><dd>below {real}, where <b>95 in 100</b> real faces lie '
        "(false-positive rate of this threshold 5&nbsp;%). A forgery of a kind the detector does not see can lie here "
        "too: this proves nothing.</dd></dl>"
        "<p>The rates hold for one face of photographs like those of the validation. A photograph with many faces "
        "has as many chances of a false alarm.</p>"
    )


def _bar(top: float) -> str:
    colours = ", ".join(overlay.colour_bar())
    end = f"{top:g} strongly marked" if top >= 1 else f"{top:g} and more: as strongly as this detector marks"
    return (
        '<figure class="bar"><figcaption>Heat: how strongly the detector\'s map marks a place as forged</figcaption>'
        f'<div style="background: linear-gradient(to right, {colours})" role="img" '
        f'aria-label="colour scale of the map, from 0, not marked, to {end}"></div>'
        f"<p><span>0 not marked</span><span>{top / 2:g}</span><span>{end}</span></p></figure>"
    )


def _file(
    entry: Mapping[str, Any], pictures: Mapping[str, Any], overlays: Path, budget: int, card: Card
) -> tuple[str, int]:
    """One scored file as HTML, and how many bytes of pictures are in it."""
    verdict, score = entry["verdict"], entry["score"]
    path = PurePosixPath(entry["path"].replace("\\", "/"))
    photograph, used = _picture(overlays, pictures.get("overlay"), f"{path.name} with its faces marked", budget)
    rows = []
    for number, (face, close_up) in enumerate(zip(entry["faces"], pictures["faces"], strict=True), 1):
        alternative = f"face {number}: the crop the detector saw, and the same under its heat"
        picture, size = _picture(overlays, close_up, alternative, budget - used)
        used += size
        rows.append(_face(number, face, picture))
    height, width = pictures["shape"]
    notes = "".join(f"<li>{escape(note)}</li>" for note in entry["notes"])
    kind = verdict or "unjudged"
    html = (
        f'<article class="file {kind}" data-score="{score}" data-verdict="{kind}" data-path="{escape(entry["path"])}">'
        f'<header><h3>{escape(path.name)}</h3><p class="verdict">{_WORDS[verdict]}</p>'
        f'<p class="score">score <b>{score:.3f}</b></p></header>{_sentence(verdict, card)}'
        f'<div class="body"><div class="photograph">{photograph}</div><div class="facts">'
        f"<table><thead><tr><th>Face</th><th>What the detector saw</th><th>Result</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        f'<dl class="file-facts"><dt>Path</dt><dd>{escape(entry["path"])}</dd><dt>SHA-256</dt><dd class="hash">'
        f"{escape(entry['sha256'] or 'none')}</dd><dt>Size</dt><dd>{width} &times; {height} px, upright</dd></dl>"
        f"{f'<ul class=notes>{notes}</ul>' if notes else ''}</div></div></article>"
    )
    return html, used


def _sentence(verdict: str | None, card: Card) -> str:
    """A verdict in words, with the false-positive rate of the threshold it stands on."""
    if card.calibration is None or verdict is None:
        return ""
    fake, real = f"{card.calibration.fake_above:.3f}", f"{card.calibration.real_below:.3f}"
    words = {
        "fake": f"At or above {fake}, which 1 % of real faces reach by mistake.",
        "inconclusive": f"Between {real}, which 5 % of real faces reach, and {fake}, which 1 % reach: no verdict.",
        "real": f"Below {real}, which 5 % of real faces reach: like 95 % of them. No proof that it is real.",
    }
    return f'<p class="sentence">{words[verdict]}</p>'


def _face(number: int, face: Mapping[str, Any], picture: str) -> str:
    left, top, right, bottom = (round(edge) for edge in face["box"])
    place = f'<span class="box">{right - left} &times; {bottom - top} px at x {left}, y {top}</span>'
    if face["score"] is None:
        result = f"<b>{escape(_STATUS_WORDS[face['status']])}</b>"
    else:
        kind = face["verdict"] or "unjudged"
        result = f'<b class="word {kind}">{_WORDS[face["verdict"]]}</b><br>score {face["score"]:.3f}'
    link = "" if face["map"] is None else f'<br><a href="{escape(face["map"])}">map (PNG)</a>'
    return f"<tr><td>{number}</td><td>{picture}{place}</td><td>{result}{link}</td></tr>"


def _picture(overlays: Path, name: str | None, alternative: str, budget: int) -> tuple[str, int]:
    if name is None:
        return "", 0
    data = (overlays / name).read_bytes()
    if len(data) > budget:
        return f'<a class="elsewhere" href="{OVERLAYS_NAME}/{escape(name)}">{escape(alternative)}</a>', 0
    text = base64.b64encode(data).decode()
    return f'<img src="data:image/jpeg;base64,{text}" alt="{escape(alternative)}" loading="lazy">', len(data)


def _without_score(entries: Iterable[Mapping[str, Any]], total: int) -> str:
    if not total:
        return ""
    rows = [
        f"<tr><td>{escape(entry['path'])}</td><td>{escape(_STATUS_WORDS[entry['status']])}</td>"
        f"<td>{escape('; '.join(entry['notes']))}</td></tr>"
        for entry in entries
    ]
    more = f"<p>The first {len(rows):,} of {total:,}; results.jsonl has them all.</p>" if len(rows) < total else ""
    return (
        f'<section id="unscored"><h2>Files without a score</h2>{more}<table class="plain"><thead><tr><th>Path</th>'
        f"<th>Status</th><th>Why</th></tr></thead><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _origin(card: Card, command: Sequence[str]) -> str:
    crop: CropProfile = card.crop
    calibration = card.calibration
    facts = {
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
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
