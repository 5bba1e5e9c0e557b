"""The case as a PDF: what the page of a scan says, in the same words, on paper."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import PIL.Image
import reportlab
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from facewitness import provenance
from facewitness.scanning.report import LISTED, Counts, ScanReport, origin, tiles, warnings
from facewitness.scanning.words import EVIDENCE_WORDS, STATUS_WORDS, VERDICT_WORDS, meanings
from facewitness.types import Card, Status

_WIDTH = A4[0] - 36 * mm - 12  # less the padding of the frame
_INK, _SOFT, _LINE = HexColor("#1c2229"), HexColor("#5b6672"), HexColor("#d9dde2")
_COLOURS = {"fake": "#b83200", "inconclusive": "#8a5a00", "real": "#00588c", None: "#555555"}
_TEXT = ParagraphStyle("text", fontName="Vera", fontSize=8, leading=11, textColor=_INK)
_SMALL = ParagraphStyle("small", parent=_TEXT, fontSize=7, leading=9.4, textColor=_SOFT)
_TITLE = ParagraphStyle("title", parent=_TEXT, fontName="VeraBd", fontSize=17, leading=22)
_HEADING = ParagraphStyle("heading", parent=_TEXT, fontName="VeraBd", fontSize=11, leading=15, spaceBefore=8 * mm)
_NAME = ParagraphStyle("name", parent=_TEXT, fontName="VeraBd", fontSize=9.5, leading=13)
_PLAIN = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0), ("TOPPADDING", (0, 0), (-1, -1), 1)]
_RULED = [*_PLAIN, ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE), ("BOTTOMPADDING", (0, 0), (-1, -1), 4)]


def write(file: Path, report: ScanReport, counts: Counts, card: Card, command: Sequence[str]) -> None:
    """Write the document; pictures come from the folder of the scan.

    Raises:
        OSError: a picture cannot be read, or the file cannot be written.
    """
    _load_fonts()
    date = report.date.strftime("%Y-%m-%d %H:%M %Z")
    pages = SimpleDocTemplate(
        str(file),
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=f"Facewitness case file, {date}",
        author="Facewitness",
    )
    ranked = report.ranked()
    story = [*_summary(date, counts, card, len(ranked)), _heading("Scored files")]
    for entry, pictures in ranked:
        story += _file(entry, pictures, report.overlays)
    if not ranked:
        story.append(_text("No face was scored."))
    story += [*_unscored(report.listed, counts), *_origin(card, command)]
    pages.build(story, onFirstPage=_footer(date), onLaterPages=_footer(date))


@lru_cache(maxsize=1)
def _load_fonts() -> frozenset[int]:
    """Register the fonts that come with reportlab, and give the characters that they have."""
    folder = Path(reportlab.__file__).parent / "fonts"
    fonts = [TTFont(name, str(folder / f"{name}.ttf")) for name in ("Vera", "VeraBd")]
    for font in fonts:
        pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily("Vera", normal="Vera", bold="VeraBd", italic="Vera", boldItalic="VeraBd")
    return frozenset.intersection(*(frozenset(font.face.charToGlyph) for font in fonts))


def _plain(text: object) -> str:
    """A text as markup of a paragraph; a character that the fonts lack is written by its code."""
    known = _load_fonts()
    return escape("".join(c if ord(c) in known else c.encode("unicode_escape").decode() for c in str(text)))


def _text(text: object, style: ParagraphStyle = _TEXT) -> Paragraph:
    return Paragraph(_plain(text), style)


def _heading(text: str) -> Paragraph:
    return Paragraph(_plain(text), _HEADING)


def _pairs(pairs: Sequence[tuple[str, str]], style: ParagraphStyle = _TEXT) -> Table:
    rows = [[Paragraph(f"<b>{_plain(name)}</b>", style), Paragraph(_plain(value), style)] for name, value in pairs]
    return Table(rows, colWidths=[38 * mm, _WIDTH - 38 * mm], style=_PLAIN, hAlign="LEFT")


def _summary(date: str, counts: Counts, card: Card, shown: int) -> Iterator[Flowable]:
    scored = counts.statuses.get(Status.OK.value, 0)
    yield _text("Facewitness case file", _TITLE)
    yield _text(date, _SMALL)
    yield Spacer(0, 4 * mm)
    total = ("Files", f"{sum(counts.statuses.values()):,}")
    yield _pairs([total, *((words, f"{number:,}") for words, number, _ in tiles(counts, scored))])
    for line in warnings(counts, card, scored, shown):
        yield _text(line)
    yield _heading("What the verdicts mean")
    if card.calibration is None:
        yield _text("A score is the detector's own estimate that a face was forged, from 0 to 1.")
        return
    yield _pairs([(VERDICT_WORDS[name], meaning) for name, meaning in meanings(card.calibration)])
    bounds = card.calibration.bounds
    if bounds:
        yield Spacer(0, 3 * mm)
        yield _text("Photographs that the thresholds were learnt from, and how many of such are called fake at most:")
        counted = card.calibration.counts
        rows = [["source", "real photographs", "at most (95 %)"]]
        rows += [[_plain(name), f"{counted.get(name, 0):,}", f"{100 * bound:.2f} %"] for name, bound in bounds.items()]
        cells = [[Paragraph(cell, _SMALL) for cell in row] for row in rows]
        yield Table(cells, colWidths=[60 * mm, 30 * mm, 30 * mm], style=_PLAIN, hAlign="LEFT")


def _file(entry: Mapping[str, Any], pictures: Mapping[str, Any], overlays: Path) -> Iterator[Flowable]:
    colour = _COLOURS[entry["verdict"]]
    name = _plain(Path(entry["path"]).name)
    verdict = f'<font color="{colour}">{_plain(VERDICT_WORDS[entry["verdict"]])}</font>'
    head = [
        Spacer(0, 5 * mm),
        Paragraph(f"{name} &nbsp; {verdict} &nbsp; score {entry['score']:.3f}", _NAME),
        _text(entry["statement"]),
        Spacer(0, 2 * mm),
    ]
    if pictures.get("overlay"):
        head += [_picture(overlays / pictures["overlay"], 95 * mm, 62 * mm), Spacer(0, 2 * mm)]
    facts = [("Path", entry["path"]), ("SHA-256", entry["sha256"] or "none")]
    if entry["kind"] == "image":
        height, width = pictures["shape"]
        facts.append(("Size", f"{width} x {height} px, upright, {pictures['bytes']:,} bytes"))
    yield KeepTogether([*head, _pairs([*facts, *(("Note", note) for note in entry["notes"])], _SMALL)])
    if entry["kind"] == "video":
        for number, (track, shown) in enumerate(zip(entry["tracks"], pictures["tracks"], strict=True), 1):
            yield _track(number, track, overlays / shown["key"][0] if shown["key"] else None)
    else:
        for number, (face, close_up) in enumerate(zip(entry["faces"], pictures["faces"], strict=True), 1):
            yield _face(number, face, None if close_up is None else overlays / close_up)
    yield from _evidence(entry["provenance"])


def _track(number: int, track: Mapping[str, Any], key_frame: Path | None) -> Table:
    lines = [f"person {number}: from {track['start_s']:.1f} to {track['end_s']:.1f} s, {track['frames']} frames judged"]
    if track["score"] is not None:
        lines.append(f"{VERDICT_WORDS[track['verdict']]}, score {track['score']:.3f}")
    if track["reason"]:
        lines.append(track["reason"])
    spans = ", ".join(f"{span['start_s']:.1f} to {span['end_s']:.1f} s" for span in track["spans"])
    lines += [f"looks forged from {spans}"] * bool(spans)
    return _beside(key_frame, lines)


def _face(number: int, face: Mapping[str, Any], close_up: Path | None) -> Table:
    left, top, right, bottom = (round(edge) for edge in face["box"])
    lines = [f"face {number}: {right - left} x {bottom - top} px at x {left}, y {top}"]
    if face["score"] is None:
        lines.append(STATUS_WORDS[face["status"]])
    else:
        lines.append(f"{VERDICT_WORDS[face['verdict']]}, score {face['score']:.3f}")
    if face["members"]:
        lines.append(", ".join(f"{name} {score:.2f}" for name, score in face["members"].items()))
    if face["variants"]:
        low, high = min(face["variants"].values()), max(face["variants"].values())
        each = ", ".join(f"{name} {score:.3f}" for name, score in face["variants"].items())
        lines.append(f"{low:.3f} to {high:.3f} under mild changes ({each})")
    return _beside(close_up, lines)


def _beside(file: Path | None, lines: Sequence[str]) -> Table:
    picture = "" if file is None else _picture(file, 44 * mm, 22 * mm)
    cells = [[picture, [_text(line, _SMALL) for line in lines]]]
    return Table(cells, colWidths=[48 * mm, _WIDTH - 48 * mm], style=_RULED, hAlign="LEFT")


def _evidence(evidence: Sequence[Mapping[str, Any]]) -> Iterator[Flowable]:
    if not evidence:
        return
    yield Spacer(0, 2 * mm)
    yield Paragraph("<b>What the file says of its origin</b>", _SMALL)
    for one in evidence:
        parts = [(EVIDENCE_WORDS[one["kind"]] + ".", "seen"), ("Proves:", "proves"), ("Does not prove:", "limits")]
        yield Paragraph(" ".join(f"<b>{_plain(name)}</b> {_plain(one[key])}" for name, key in parts), _SMALL)


def _unscored(listed: Sequence[Mapping[str, Any]], counts: Counts) -> Iterator[Flowable]:
    unscored = sum(number for status, number in counts.statuses.items() if status != Status.OK.value)
    if not unscored:
        return
    yield _heading("Files without a score")
    if unscored > LISTED:
        yield _text(f"The first {LISTED:,} of {unscored:,}; results.jsonl has them all.")
    for entry in listed:
        yield Spacer(0, 2 * mm)
        facts = [("Path", entry["path"]), ("SHA-256", entry["sha256"] or "none")]
        facts.append(("Status", "; ".join((STATUS_WORDS[entry["status"]], *entry["notes"]))))
        yield _pairs(facts, _SMALL)
        yield from _evidence(entry["provenance"])


def _origin(card: Card, command: Sequence[str]) -> Iterator[Flowable]:
    machine = provenance.environment()
    where = f"{machine['system']}; {machine['processor']}; {machine['cores']} cores"
    yield _heading("How this was made")
    yield _pairs([*origin(card, command).items(), ("Machine", where)], _SMALL)
    yield Spacer(0, 3 * mm)
    yield _text(
        "Every file of this case is listed in SHA256SUMS. To check that none has changed: facewitness case verify DIR, "
        "or sha256sum -c SHA256SUMS within it."
    )


def _picture(file: Path, width: float, height: float) -> Image:
    """A picture as large as fits."""
    with PIL.Image.open(file) as opened:
        scale = min(width / opened.width, height / opened.height)
        return Image(str(file), opened.width * scale, opened.height * scale, hAlign="LEFT")


def _footer(date: str) -> Any:
    def draw(canvas: Canvas, pages: SimpleDocTemplate) -> None:
        canvas.setFont("Vera", 7)
        canvas.setFillColor(_SOFT)
        canvas.drawString(18 * mm, 10 * mm, f"Facewitness case file, {date}")
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"page {pages.page}")

    return draw
