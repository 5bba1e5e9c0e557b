"""A folder: one object for each file, whatever the file; results that resume; errors that say what to do."""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from facewitness.compute.progress import ProgressEvent
from facewitness.scanning import overlay, pipeline
from facewitness.scanning.files import File
from facewitness.scanning.pipeline import scan_paths
from facewitness.types import Card, CardError, Detection, Image, ScanError
from tests.fakes import FAKE_CARD, FakeDetector, astronaut, crowd, save, texture


def results(out: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    named = {Path(line["path"]).name: line for line in lines}
    assert len(named) == len(lines)
    return named


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    save(astronaut(), made / "a.png")
    save(crowd(), made / "sub" / "two.png")
    save(texture(), made / "none.png")
    return made


def bad_inputs(made: Path) -> None:
    """Every bad input that the issue names."""
    (made / "text.jpg").write_text("I am no photograph")
    whole = (made / "a.png").read_bytes()
    (made / "cut.png").write_bytes(whole[: len(whole) // 2])
    PIL.Image.fromarray(astronaut()).save(made / "cut.jpg")
    (made / "cut.jpg").write_bytes((made / "cut.jpg").read_bytes()[:9000])
    save(np.zeros((1, 1, 3), np.uint8), made / "one.png")
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (made / "bomb.png").write_bytes(bomb)
    (made / "empty folder").mkdir()
    (made / "up").symlink_to(made)
    (made / "loop.jpg").symlink_to(made / "loop.jpg")
    (made / "film.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42")


@pytest.mark.parametrize("workers", [0, 2])
def test_every_file_has_its_object(
    photos: Path, tmp_path: Path, workers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_inputs(photos)
    out = tmp_path / "out"
    failures: list[Mapping[str, Any]] = []
    events: list[ProgressEvent] = []
    callbacks: Any = {"progress": events.append, "on_failure": failures.append}
    summary = scan_paths([photos], out, FakeDetector(), workers=workers, **callbacks)
    found = results(out)
    assert {name: line["status"] for name, line in found.items()} == {
        "a.png": "ok",
        "two.png": "ok",
        "none.png": "no_face",
        "text.jpg": "unsupported",
        "cut.png": "unreadable",
        "cut.jpg": "unreadable",
        "one.png": "no_face",
        "bomb.png": "too_large",
        "loop.jpg": "unreadable",
        "film.mp4": "unreadable",
    }
    for line in found.values():
        keys = {"path", "sha256", "status", "score", "verdict", "faces", "detector", "notes"}
        assert set(line) == {
            *(*keys, "format", "kind", "versions", "duration_s", "shots", "tracks", "provenance", "statement"),
        }
        assert (line["score"] is None) == (line["status"] != "ok")
        assert line["detector"] == FakeDetector().identity
        for face in line["faces"]:
            place = {"box", "time_s", "turn_deg", "frame", "track"}
            assert set(face) == {*place, "status", "score", "verdict", "map", "members", "variants"}
    assert summary.statuses == {"ok": 2, "no_face": 2, "unsupported": 1, "unreadable": 4, "too_large": 1}
    assert (summary.scanned, summary.resumed, summary.passed_over, summary.files) == (9, 0, 0, 10)
    assert len(failures) == 6  # each file that gave no picture, none for one without a face
    assert any(item["status"] == "too_large" and item["path"].endswith("bomb.png") for item in failures)
    assert (events[-1].done, events[-1].total) == (9, 9)
    assert capsys.readouterr() == ("", "")


def test_maps_lie_on_the_photographs_grid(photos: Path, tmp_path: Path) -> None:
    scan_paths([photos], tmp_path / "out", FakeDetector(), workers=0)
    line = results(tmp_path / "out")["two.png"]
    assert len(line["faces"]) == 2
    maps = [np.asarray(PIL.Image.open(tmp_path / "out" / face["map"])) for face in line["faces"]]
    for face, drawn in zip(line["faces"], maps, strict=True):
        assert drawn.shape == (512, 832)
        left, top, right, bottom = (round(edge) for edge in face["box"])
        assert (drawn[top:bottom, left:right] > 0).mean() > 0.95
        assert (drawn > 0).sum() < 4 * (right - left) * (bottom - top)
    gray = crowd().mean(-1)
    left, top, right, bottom = (round(edge) for edge in line["faces"][0]["box"])
    part = (slice(top, bottom), slice(left, right))
    assert np.corrcoef(gray[part].ravel(), maps[0][part].ravel())[0, 1] > 0.9  # the fake maps gray values


def test_faint_maps_are_drawn_on_their_own_scale_and_kept_as_they_are(photos: Path, tmp_path: Path) -> None:
    """A detector whose maps end at a fakeness of 0.05 paints nearly all of a photograph's face in the last colour."""
    assert FAKE_CARD.calibration is not None
    faint = replace(FAKE_CARD, calibration=replace(FAKE_CARD.calibration, map_scale=0.05))
    heats = []
    for number, card in enumerate((FAKE_CARD, faint)):
        out = tmp_path / str(number)
        scan_paths([photos / "a.png"], out, FakeDetector(card), workers=0)
        (close_up,) = (out / "overlays").glob("*.face.jpg")
        heats.append(np.asarray(PIL.Image.open(close_up))[:, 192:].astype(int))
    assert results(tmp_path / "0")["a.png"]["score"] == results(tmp_path / "1")["a.png"]["score"]
    maps = [np.asarray(PIL.Image.open(*(tmp_path / n / "overlays").glob("*.map.png"))) for n in "01"]
    np.testing.assert_array_equal(*maps)
    yellow = [(heat[..., :2].min(-1) > heat[..., 2] + 60).mean() for heat in heats]  # the bright end of plasma
    assert yellow[0] < 0.3
    assert yellow[1] > 0.8


def test_a_second_scan_scans_nothing(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scan_paths([photos], out, FakeDetector(), workers=0)
    first, page = (out / "results.jsonl").read_bytes(), (out / "report.html").read_text(encoding="utf-8")
    detector = FakeDetector()
    summary = scan_paths([photos], out, detector, workers=0)
    assert (summary.scanned, summary.resumed, detector.calls) == (0, 3, [])
    assert (out / "results.jsonl").read_bytes() == first
    assert len((out / "report.html").read_text(encoding="utf-8")) == len(page)


def test_a_changed_file_and_a_new_one_are_scanned(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scan_paths([photos], out, FakeDetector(), workers=0)
    before = results(out)["a.png"]
    save(astronaut()[:, ::-1], photos / "a.png")
    save(texture(seed=9), photos / "new.png")
    summary = scan_paths([photos], out, FakeDetector(), workers=0)
    assert (summary.scanned, summary.resumed) == (2, 2)
    assert results(out)["a.png"]["sha256"] != before["sha256"]


@pytest.mark.parametrize(
    "other", [replace(FAKE_CARD, weights="1" * 64), replace(FAKE_CARD, crop=replace(FAKE_CARD.crop, margin=0.4))]
)
def test_another_detector_scans_again(photos: Path, tmp_path: Path, other: Card) -> None:
    out = tmp_path / "out"
    scan_paths([photos], out, FakeDetector(), workers=0)
    assert scan_paths([photos], out, FakeDetector(other), workers=0).scanned == 3
    assert {line["detector"]["weights_sha256"] for line in results(out).values()} == {other.weights}
    assert scan_paths([photos], out, FakeDetector(), workers=0).resumed == 3


def test_lost_pictures_are_made_again(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scan_paths([photos], out, FakeDetector(), workers=0)
    lost = out / results(out)["a.png"]["faces"][0]["map"]
    lost.unlink()
    assert scan_paths([photos], out, FakeDetector(), workers=0).scanned == 1
    assert lost.is_file()


def test_results_are_of_this_scan_only(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    scan_paths([photos], out, FakeDetector(), workers=0)
    summary = scan_paths([photos / "a.png"], out, FakeDetector(), workers=0)
    assert (summary.resumed, list(results(out))) == (1, ["a.png"])


def test_an_output_folder_within_the_photographs_is_not_scanned(photos: Path) -> None:
    for scanned in (3, 0):
        summary = scan_paths([photos], photos / "out", FakeDetector(), workers=0)
        assert (summary.files, summary.scanned) == (3, scanned)


def test_an_empty_folder_is_a_scan_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    summary = scan_paths([tmp_path / "photos"], tmp_path / "out", FakeDetector())
    assert (summary.files, summary.statuses) == (0, {})
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == b""
    assert "No face was scored" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_folder_without_rights_does_not_stop_the_rest(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = photos / "sub"
    scandir = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:  # root may list everything
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    failures: list[Mapping[str, Any]] = []
    scan_paths([photos], tmp_path / "out", FakeDetector(), workers=0, on_failure=failures.append)
    found = results(tmp_path / "out")
    assert (found["sub"]["status"], found["sub"]["sha256"]) == ("no_permission", None)
    assert found["a.png"]["status"] == "ok"
    assert [Path(item["path"]).name for item in failures] == ["sub"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list and read everything")
def test_rights_given_later_are_noticed(photos: Path, tmp_path: Path) -> None:
    (photos / "a.png").chmod(0)
    scan_paths([photos], tmp_path / "out", FakeDetector(), workers=0)
    assert results(tmp_path / "out")["a.png"]["status"] == "no_permission"
    (photos / "a.png").chmod(0o600)
    assert scan_paths([photos], tmp_path / "out", FakeDetector(), workers=0).scanned == 1
    assert results(tmp_path / "out")["a.png"]["status"] == "ok"


def test_a_full_disk_ends_the_scan_and_loses_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", overlay.write

    def full(prepared: Any, *rest: Any) -> dict[str, Any]:
        if prepared.path.name == "two.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(prepared, *rest)

    monkeypatch.setattr(overlay, "write", full)
    with pytest.raises(ScanError, match=r"No space left on device; free some space .* what is done is kept") as caught:
        scan_paths([photos], out, FakeDetector(), workers=0)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    summary = scan_paths([photos], out, FakeDetector(), workers=0)
    assert (summary.scanned, summary.resumed) == (1, 2)


def test_an_output_folder_that_cannot_be_is_one_line(photos: Path) -> None:
    with pytest.raises(ScanError, match="cannot write to"):
        scan_paths([photos], photos / "a.png", FakeDetector())


def test_another_crop_profile_refuses_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    detector = FakeDetector(replace(FAKE_CARD, crop=replace(FAKE_CARD.crop, finder="yunet")))
    with pytest.raises(CardError, match="this version has"):
        scan_paths([photos], tmp_path / "out", detector)
    assert not (tmp_path / "out").exists()


def test_an_unknown_detector_is_one_line(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(CardError) as caught:
        scan_paths([photos], tmp_path / "out", "no-such-detector")
    assert "\n" not in str(caught.value)


def test_a_detector_that_fails_ends_the_scan_but_not_its_past(photos: Path, tmp_path: Path) -> None:
    class Failing(FakeDetector):
        def __call__(self, crops: Image) -> Detection:
            if len(crops) == 2:
                raise CardError("damaged")
            return super().__call__(crops)

    with pytest.raises(CardError, match="damaged"):
        scan_paths([photos], tmp_path / "out", Failing(), workers=0)
    assert scan_paths([photos], tmp_path / "out", FakeDetector(), workers=0).resumed == 2


def test_names_that_no_one_expects(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    save(astronaut(), photos / "naïve <b>&amp;.png")
    (photos / "two\nlines.jpg").write_text("no")
    strange = os.fsdecode(b"\xff\xfe.png")
    (photos / strange).write_bytes((photos / "naïve <b>&amp;.png").read_bytes())
    failures: list[Mapping[str, Any]] = []
    scan_paths([photos], tmp_path / "out", FakeDetector(), workers=2, on_failure=failures.append)
    found = results(tmp_path / "out")
    assert set(found) == {"naïve <b>&amp;.png", "two\nlines.jpg", "\\xff\\xfe.png"}
    assert found["\\xff\\xfe.png"]["status"] == "ok"
    assert len(failures) == 1
    assert "<b>" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8").partition("<h3>")[2][:60]


def test_workers_are_chosen_by_cores_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def workers(asked: int | None, photographs: int, *videos: int) -> int:
        files = [File(Path("a.jpg"), 9_000_000, 0)] * photographs + [File(Path("a.mp4"), size, 0) for size in videos]
        return pipeline._workers(asked, files)

    monkeypatch.setattr(pipeline, "cores", lambda: 16)
    assert workers(None, pipeline.FEW) == 0
    assert workers(None, pipeline.FEW + 1) == pipeline.FEW + 1
    assert workers(None, 1000) == 11
    assert workers(3, 1000) == 3
    assert workers(3, 2) == 2
    assert workers(None, 0, 400_000) == 1
    assert workers(None, 0, 500_000_000) == 11
    monkeypatch.setattr(pipeline, "cores", lambda: 1)
    assert workers(None, 1000) == 2
