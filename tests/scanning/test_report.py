"""The report: complete, self-contained, bounded, and harmless whatever files are called."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facewitness.media import image, visualize
from facewitness.scanning import overlay, report
from facewitness.scanning.pipeline import scan_paths
from facewitness.scanning.report import Counts, ScanReport
from facewitness.scanning.words import statement
from facewitness.types import Status, Verdict
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, save, texture


def entry(path: str = "/x/a.jpg", score: float | None = 0.5, verdict: str | None = "inconclusive") -> dict[str, Any]:
    face = {"box": [1.0, 2.0, 31.0, 42.0], "status": "ok", "score": score, "verdict": verdict, "map": None}
    return {
        "kind": "image",
        "path": path,
        "sha256": "ab" * 32,
        "status": "no_face" if score is None else "ok",
        "score": score,
        "verdict": verdict,
        "statement": statement(Status.OK, score, verdict and Verdict(verdict), FAKE_CARD.calibration),
        "faces": [] if score is None else [face],
        "notes": ["a note & more"],
    }


PICTURES = {"overlay": None, "faces": [None], "maps": [None], "shape": [100, 200]}
NONE = Counts({}, {})


def page(folder: Path, *entries: dict[str, Any], counts: Counts = NONE, card: Any = FAKE_CARD) -> str:
    made = ScanReport(folder)
    for item in entries:
        made.add(item, PICTURES)
    return made.html(counts, card, ["facewitness", "scan", "my photos"])


class Balanced(HTMLParser):
    """Fails on a tag that is closed and was not opened, or opened and never closed."""

    VOID = frozenset({"meta", "img", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            assert dict(attrs).get("alt")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_a_scan_needs_nothing_else(tmp_path: Path) -> None:
    save(astronaut(), tmp_path / "photos" / "a.png")
    save(texture(), tmp_path / "photos" / "none.png")
    scan_paths(
        [tmp_path / "photos"], tmp_path / "out", FakeDetector(), command=["facewitness", "scan", "a b"], workers=0
    )
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    sources = re.findall(r'src="([^"]+)"', text)
    assert len(sources) == 2  # the photograph and the close-up
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        assert base64.b64decode(data).startswith(b"\xff\xd8")
    assert not re.search(r'(src|href)="(https?:)?//', text)
    for link in re.findall(r'href="([^"]+)"', text):
        assert (tmp_path / "out" / link).is_file()
    for wanted in (
        "Inconclusive",
        "1 in 100",
        "95 in 100",
        "0.800",
        "fake.brightness",
        FAKE_CARD.weights or "",
        image.sha256(tmp_path / "photos" / "a.png"),
        "scan &#39;a b&#39;",
        "no face found",
        "64 px, finder dlib-hog",
        "onnxruntime",
    ):
        assert wanted in text


def test_names_cannot_put_anything_into_the_page(tmp_path: Path) -> None:
    evil = '/x/"><script>alert(1)</script>${date}.jpg'
    text = page(tmp_path, entry(evil), entry(evil, None, None), counts=Counts({"ok": 1, "no_face": 1}, {}))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    assert "${date}" in text


def test_the_most_suspicious_come_first_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SHOWN", 3)
    scores = [0.1, 0.9, 0.5, 0.7, 0.3]
    entries = [entry(f"/x/{score}.jpg", score) for score in scores]
    text = page(tmp_path, *entries, counts=Counts({"ok": 5}, {"inconclusive": 5}))
    assert re.findall(r"<h3>(0\.\d)\.jpg", text) == ["0.9", "0.7", "0.5"]
    assert "Shown are the 3 most suspicious of 5 scored files" in text


def test_a_hundred_thousand_files_stay_a_page(tmp_path: Path) -> None:
    made = ScanReport(tmp_path)
    for number in range(100_000):
        made.add(entry(f"/x/{number}.jpg", None if number % 2 else number / 1e5), PICTURES)
    text = made.html(Counts({"ok": 50_000, "no_face": 50_000}, {"inconclusive": 50_000}), FAKE_CARD, [])
    assert len(text) < 2_000_000
    assert "most suspicious of 50,000 scored files" in text
    assert "first 1,000 of 50,000" in text


def test_pictures_beyond_the_budget_are_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = image.encode(texture(64, 64))
    (tmp_path / "p.jpg").write_bytes(data)
    monkeypatch.setattr(report, "PICTURES_BYTES", int(2.5 * len(data)))
    made = ScanReport(tmp_path)
    for number in range(4):
        made.add(entry(f"/x/{number}.jpg", number / 10), {**PICTURES, "overlay": "p.jpg"})
    text = made.html(NONE, FAKE_CARD, [])
    assert text.count("data:image/jpeg") == 2
    assert text.count('href="overlays/p.jpg"') == 2


def test_a_detector_without_calibration_promises_nothing(tmp_path: Path) -> None:
    card = replace(FAKE_CARD, calibration=None)
    text = page(tmp_path, entry(verdict=None), counts=Counts({"ok": 1}, {}), card=card)
    assert "not calibrated" in text
    assert "No verdict" in text
    assert "1 in 100" not in text


def test_every_verdict_says_what_its_threshold_is_worth(tmp_path: Path) -> None:
    entries = [entry("/x/f.jpg", 0.9, "fake"), entry("/x/i.jpg", 0.5, "inconclusive"), entry("/x/r.jpg", 0.1, "real")]
    sentences = re.findall(r'<p class="sentence">([^<]+)', page(tmp_path, *entries))
    assert len(sentences) == 3
    assert "0.800, which 1 % of real faces reach" in sentences[0]
    assert "0.200, which 5 % of real faces reach, and 0.800" in sentences[1]
    assert sentences[2].startswith("Below 0.200, which 5 %")


def test_an_interrupted_scan_says_so(tmp_path: Path) -> None:
    assert "interrupted: 7 files" in page(tmp_path, counts=Counts({}, {}, missing=7))
    assert "interrupted" not in page(tmp_path)


def test_heat_is_nothing_at_zero_and_strong_at_one() -> None:
    rgb = texture(8, 8)
    np.testing.assert_array_equal(visualize.heat(rgb, np.zeros((8, 8), np.float32)), rgb)
    hot = visualize.heat(rgb, np.ones((8, 8), np.float32)).astype(int)
    np.testing.assert_allclose(hot, rgb * 0.25 + np.array([240, 249, 33]) * 0.75, atol=2)  # the bright end of plasma


def test_the_colour_bar_runs_from_gray_to_bright() -> None:
    bar = overlay.colour_bar()
    assert len(bar) == 11
    assert bar[0] == "#969696"
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in bar)
    assert len(set(bar)) == 11


def test_the_colour_bar_ends_where_the_detectors_colours_do(tmp_path: Path) -> None:
    assert "<span>0 not marked</span><span>0.5</span><span>1 strongly marked</span>" in page(tmp_path)
    assert FAKE_CARD.calibration is not None
    faint = replace(FAKE_CARD, calibration=replace(FAKE_CARD.calibration, map_scale=0.1))
    assert "<span>0 not marked</span><span>0.05</span><span>0.1 and more: as strongly" in page(tmp_path, card=faint)


def test_names_of_pictures_are_safe_and_stable() -> None:
    one, two = overlay.name(Path("/x/ä b/../c.jpg")), overlay.name(Path("/y/c.jpg"))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", one)
    assert one != two
    assert one == overlay.name(Path("/x/ä b/../c.jpg"))
    assert len(overlay.name(Path("/x/" + "n" * 250 + ".jpg"))) < 80
