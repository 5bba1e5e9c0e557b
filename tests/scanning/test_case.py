"""A case: complete, in the words of the page, and one changed byte anywhere is found."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from facewitness.media import image
from facewitness.scanning import checksums
from facewitness.scanning.checksums import NAME, Difference, verify
from facewitness.scanning.pipeline import scan_paths
from facewitness.types import Report, ScanError
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, crowd, save, texture
from tests.scanning import films

COMMAND = ["facewitness", "scan", "my photos"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    photos = folder / "photos"
    save(crowd(), photos / "two.png")
    save(texture(), photos / "без лица.png")
    (photos / "stamped.jpg").write_bytes(image.encode(astronaut(), synthetic="Synthetic: forged by a test"))
    (photos / "broken.jpg").write_text("no picture")
    scan_paths([photos], folder / "case", FakeDetector(), workers=0, stable=True, as_case=True, command=COMMAND)
    return folder / "case"


@pytest.fixture
def case(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    subprocess.run(["cp", "-r", made, tmp_path / "case"], check=True)
    return tmp_path / "case"


def entries(case: Path) -> dict[str, dict[str, Any]]:
    lines = (case / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return {Path(entry["path"]).name: entry for entry in map(json.loads, lines)}


def pdf_text(case: Path) -> str:
    document = pypdfium2.PdfDocument(case / "case.pdf")
    pages = [page.get_textpage().get_text_range() for page in document]
    document.close()
    return " ".join(re.sub(r"Facewitness case file, .* page \d+", " ", " ".join(pages)).split())


def test_a_case_is_complete(made: Path) -> None:
    files = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    always = {"results.jsonl", "results.csv", "report.html", "case.pdf", "case.json", "scan.sqlite", NAME}
    assert files >= always
    assert all(name.startswith("overlays/") for name in files - always)
    listed = {line.split("  ", 1)[1] for line in (made / NAME).read_text().splitlines()}
    assert listed == files - {NAME}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", NAME], cwd=made, check=True)


def test_paper_page_and_json_say_the_same(made: Path) -> None:
    text, page = pdf_text(made), (made / "report.html").read_text(encoding="utf-8")
    squeezed = re.sub(r"\s", "", text)
    for name, entry in entries(made).items():
        if entry["score"] is not None:
            assert re.sub(r"\s", "", entry["statement"]) in squeezed
            assert entry["statement"] in page
            assert f"score {entry['score']:.3f}" in text
        assert name.isascii() is (name in text)
        assert re.sub(r"\s", "", entry["sha256"] or "none") in squeezed
        for note in entry["notes"]:
            assert re.sub(r"\s", "", note) in squeezed
        for one in entry["provenance"]:
            assert re.sub(r"\s", "", one["proves"] + "Does not prove:" + one["limits"]) in squeezed
    for wanted in ("scan 'my photos'", FAKE_CARD.weights or "", "under mild changes", "fake.brightness", "Machine"):
        assert wanted in text
    assert r"\u0431" in text  # letters that the fonts lack are written by their codes


def test_the_record_has_all_that_decided(made: Path) -> None:
    record = json.loads((made / "case.json").read_text())
    assert record["command"] == COMMAND
    assert record["detector"]["weights"] == FAKE_CARD.weights
    assert record["detector"]["crop"]["size_px"] == FAKE_CARD.crop.size_px
    assert record["statuses"] == {"ok": 2, "no_face": 1, "unsupported": 1}
    assert {"versions", "system", "processor"} <= set(record["environment"])


def test_the_table_has_a_row_for_each_face(made: Path) -> None:
    with (made / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = entries(made)
    assert len(rows) == sum(max(1, len(entry["faces"])) for entry in found.values()) == 5
    for row in rows:
        entry = found[Path(row["path"]).name]
        assert (row["status"], row["statement"]) == (entry["status"], entry["statement"])
        if row["face"]:
            face = entry["faces"][int(row["face"]) - 1]
            assert float(row["face_score"]) == face["score"]
            assert float(row["lowest_variant"]) == min(face["variants"].values())
    assert {row["declared_synthetic"] for row in rows if "stamped" in row["path"]} == {"yes"}


def test_a_whole_case_is_as_it_was(made: Path) -> None:
    assert verify(made) == []


def test_one_changed_byte_anywhere_is_found(case: Path) -> None:
    for path in sorted(path for path in case.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for place in {0, len(data) // 2, len(data) - 1}:
            spoilt = bytearray(data)
            spoilt[place] ^= 0x20
            path.write_bytes(spoilt)
            assert verify(case), (path, place)
        path.write_bytes(data)
    assert verify(case) == []


def test_the_sums_themselves_are_checked(case: Path) -> None:
    data = (case / NAME).read_bytes()
    for place in range(0, len(data), 11):
        (case / NAME).write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
        assert verify(case), place


def test_missing_additional_and_changed_files_are_named(case: Path) -> None:
    (case / "results.csv").unlink()
    (case / "case.json").write_text("{}")
    (case / "overlays" / "more.txt").write_text("x")
    assert verify(case) == [
        Difference("changed", "case.json"),
        Difference("additional", "overlays/more.txt"),
        Difference("missing", "results.csv"),
    ]


def test_a_link_is_not_the_file_that_it_replaces(case: Path, tmp_path: Path) -> None:
    (case / "case.json").rename(tmp_path / "elsewhere.json")
    os.symlink(tmp_path / "elsewhere.json", case / "case.json")
    assert verify(case) == [Difference("changed", "case.json")]
    with pytest.raises(ScanError, match="files alone"):
        checksums.write(case)


def test_what_is_no_case_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=f"no case: it has no {NAME}"):
        verify(tmp_path)


def test_a_case_made_again_is_whole(case: Path) -> None:
    photos = Path(next(iter(entries(case).values()))["path"]).parent
    summary = scan_paths([photos], case, FakeDetector(), workers=0, stable=True, as_case=True)
    assert (summary.scanned, summary.resumed) == (0, 4)
    assert verify(case) == []


def test_a_case_without_calibration_promises_nothing(tmp_path: Path) -> None:
    save(astronaut(), tmp_path / "a.png")
    detector = FakeDetector(replace(FAKE_CARD, calibration=None))
    scan_paths([tmp_path / "a.png"], tmp_path / "case", detector, workers=0, as_case=True)
    assert "No verdict" in pdf_text(tmp_path / "case")
    assert "in 100" not in pdf_text(tmp_path / "case")
    assert Report.from_json(next(iter(entries(tmp_path / "case").values()))).statement.startswith("The detector is not")


def test_a_video_has_a_row_and_a_picture_for_each_person(tmp_path: Path) -> None:
    movie = films.film(tmp_path / "movie.mp4", seconds=4)
    out = tmp_path / "case"
    scan_paths([movie], out, FakeDetector(), workers=0, as_case=True)
    assert "person 1: from 0.0 to" in pdf_text(out)
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    (track,) = entries(out)["movie.mp4"]["tracks"]
    assert (row["face"], row["start_s"], float(row["face_score"])) == ("1", "0.0", track["score"])
    assert verify(out) == []
