"""Videos in a scan: one report each, pictures, a page, and a scan that goes on inside a video."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import facewitness
from facewitness.scanning.frame_table import write_frames
from facewitness.scanning.pipeline import scan_paths
from facewitness.scanning.results import schema
from facewitness.types import Detection, Image, Report, VideoCalibration
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, save
from tests.scanning.films import blank, film, write

LIMITS = VideoCalibration(fake_above=0.75, real_below=0.4, span_above=0.55)
CARD = replace(FAKE_CARD, video=LIMITS)


class Stopped(Exception):
    """A detector that gives up."""


@dataclass
class Tiring(FakeDetector):
    """Judges so many batches, then stops."""

    card: Any = CARD
    left: int = 10**9

    def __call__(self, crops: Image) -> Detection:
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return super().__call__(crops)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("movie") / "a film.mp4", seconds=32)


def results(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]


def scan(
    paths: Sequence[Path], out: Path, detector: FakeDetector | None = None, **options: Any
) -> list[dict[str, Any]]:
    scan_paths(paths, out, detector or Tiring(), **{"workers": 0, "frames": 8, **options})
    return results(out)


@pytest.fixture(scope="module")
def whole(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    scan([movie, save(astronaut(), out / "photos" / "a.png")], out)
    return out


def test_a_video_has_one_report_beside_photographs(whole: Path) -> None:
    found = {report["kind"]: report for report in results(whole)}
    assert set(found) == {"image", "video"}
    validator = jsonschema.Draft202012Validator(schema())
    assert [list(validator.iter_errors(report)) for report in found.values()] == [[], []]
    video = found["video"]
    assert Report.from_json(video).to_json() == video
    assert video["duration_s"] == pytest.approx(32, abs=0.3)
    assert (len(video["shots"]), len(video["tracks"])) == (1, 1)
    (track,) = video["tracks"]
    (span,) = track["spans"]
    assert span["start_s"] == pytest.approx(8, abs=2.0)
    assert span["end_s"] == pytest.approx(16, abs=2.0)
    assert {face["track"] for face in video["faces"]} == {0}
    assert [face["time_s"] for face in video["faces"]] == sorted(face["time_s"] for face in video["faces"])


def test_the_page_has_a_timeline_pictures_and_links_to_moments(whole: Path, movie: Path) -> None:
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert '<rect class="forged"' in page
    assert f"{movie.as_uri()}#t=" in page
    assert "highest score, 0:" in page
    strip = list((whole / "overlays").glob("a_film-*.t1.*.jpg"))
    assert len(strip) == 8 + 1
    assert page.count("data:image/jpeg;base64,") == len(strip) + 2  # and a photograph's two


def test_the_scores_of_frames_are_a_table(whole: Path) -> None:
    with write_frames(whole).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    video = next(report for report in results(whole) if report["kind"] == "video")
    assert len(rows) == len(video["faces"])
    assert {row["track"] for row in rows} == {row["shot"] for row in rows} == {"0"}
    assert float(rows[3]["score"]) == video["faces"][3]["score"]


def test_a_second_scan_scans_nothing_and_another_number_of_frames_does(tmp_path: Path) -> None:
    path, detector = film(tmp_path / "a.mp4", seconds=2), Tiring()
    scan([path], tmp_path / "out")
    scan([path], tmp_path / "out", detector)
    assert detector.calls == []
    scan([path], tmp_path / "out", detector, frames=4)
    assert detector.calls


def kept(out: Path) -> int:
    with closing(sqlite3.connect(out / "scan.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM segments").fetchone()[0])


@pytest.mark.parametrize("after", [5, 6])
def test_a_scan_that_stopped_goes_on_inside_the_video(after: int, whole: Path, movie: Path, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        scan([movie], tmp_path, Tiring(left=after))
    before = kept(tmp_path)
    assert before > 0
    detector = Tiring()
    (again,) = scan([movie], tmp_path, detector)
    complete = Tiring()
    (fresh,) = scan([movie], tmp_path / "fresh", complete)
    assert again == fresh
    assert 0 < len(detector.calls) < len(complete.calls)
    assert kept(tmp_path) == 0


def test_workers_that_share_a_film_see_the_same(movie: Path, whole: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("facewitness.scanning.pipeline.SHARE_BYTES", 1000)
    (shared,) = scan([movie], tmp_path, workers=2)
    assert shared == next(report for report in results(whole) if report["kind"] == "video")


def test_what_is_no_video_is_reported_beside_what_is(movie: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    whole = write(folder / "whole.mkv", blank(40, 64, 64), options={"g": "10", "crf": "20"})
    (folder / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mov").write_text("I am no film")
    (folder / "picture.avi").write_bytes(save(astronaut(), tmp_path / "a.png").read_bytes())
    found = {Path(report["path"]).name: report["status"] for report in scan([folder], tmp_path / "out")}
    assert {name: found[name] for name in ("whole.mkv", "empty.mp4", "text.mov")} == {
        "whole.mkv": "no_face",
        "empty.mp4": "unreadable",
        "text.mov": "unreadable",
    }
    assert set(found) == {"whole.mkv", "cut.mkv", "empty.mp4", "text.mov", "picture.avi"}
    assert found["cut.mkv"] == "no_face"


def damaged(content: bytes, seed: int) -> bytes:
    """A file cut, with flipped bytes, with another header, or with a part of it twice."""
    rng = np.random.default_rng(seed)
    data, kind = bytearray(content), seed % 4
    if kind == 0:
        return bytes(data[: int(rng.integers(1, len(data)))])
    if kind == 1:
        for place in rng.integers(0, len(data), int(rng.integers(1, 200))):
            data[place] ^= int(rng.integers(1, 256))
    elif kind == 2:
        data[: int(rng.integers(4, 400))] = rng.integers(0, 256, int(rng.integers(4, 400)), np.uint8).tobytes()
    else:
        start, stop = sorted(rng.integers(0, len(data), 2).tolist())
        data[start:start] = data[start:stop]
    return bytes(data)


def test_damaged_videos_are_a_status_each(movie: Path, tmp_path: Path) -> None:
    sources = [write(tmp_path / f"a{end}", blank(30, 64, 64), rate=10) for end in (".mp4", ".mkv")]
    for seed in range(24):
        source = sources[seed // 4 % 2]
        path = tmp_path / "bad" / f"{seed:03}{source.suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damaged(source.read_bytes(), seed))
    found = scan([tmp_path / "bad"], tmp_path / "out", workers=1)
    assert len(found) == 24
    assert {report["status"] for report in found} <= {"no_face", "unreadable", "unsupported"}
    assert all(report["notes"] for report in found)


def test_a_video_is_scanned_from_python_too(movie: Path, whole: Path) -> None:
    report = facewitness.scan(movie, Tiring())
    assert report.duration_s == pytest.approx(32, abs=0.3)
    assert len(report.tracks) == 1
    broken = facewitness.scan(movie.parent / "none.mp4", Tiring())
    assert broken.status == "unreadable"


def test_what_was_kept_of_another_state_of_a_file_is_not_used(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=32)
    with pytest.raises(Stopped):
        scan([path], tmp_path / "out", Tiring(left=6))
    assert kept(tmp_path / "out") > 0
    film(path, seconds=12)
    (again,) = scan([path], tmp_path / "out")
    (fresh,) = scan([path], tmp_path / "fresh")
    assert again == fresh
    assert kept(tmp_path / "out") == 0
