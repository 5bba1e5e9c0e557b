"""What an analyst takes from the service: the case file, and verdicts that hold, at a rate of their own."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facewitness.scanning import checksums
from facewitness.scanning.profile import thresholds
from facewitness.service.settings import Settings
from tests.service.conftest import Service, running

Photographs = dict[str, Path]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service as it is by default, with a threshold that the user gave."""
    yield from running(Settings(tmp_path_factory.mktemp("desk"), workers=1, adjust=thresholds(None, None, 0.4)))


@pytest.fixture(scope="module")
def scan(desk: Service, photographs: Photographs) -> str:
    with desk.client() as client:
        sent = [("files", (f"{name}.png", photographs[name].read_bytes())) for name in ("face", "none")]
        found: str = client.post("/v1/scans", files=sent).json()["id"]
    desk.wait(found)
    return found


def _case(desk: Service, scan: str, folder: Path) -> Path:
    with desk.client() as client:
        answer = client.get(f"/v1/scans/{scan}/case")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(folder)
    return folder


def test_a_case_is_whole_and_tells_when_a_byte_changed(desk: Service, scan: str, tmp_path: Path) -> None:
    case = _case(desk, scan, tmp_path)
    assert {"case.pdf", "case.json", "results.csv", "results.jsonl", "report.html"} <= {p.name for p in case.iterdir()}
    assert list((case / "overlays").iterdir())
    assert not checksums.verify(case)
    (case / "report.html").write_text("another", encoding="utf-8")
    assert [one.path for one in checksums.verify(case)] == ["report.html"]
    for _ in range(50):
        if not list((desk.settings.folder / "made").iterdir()):
            break
        time.sleep(0.1)
    else:
        pytest.fail("what was sent is kept twice")


def test_faces_are_judged_again_and_by_the_users_threshold(desk: Service, scan: str, tmp_path: Path) -> None:
    lines = (_case(desk, scan, tmp_path) / "results.jsonl").read_text(encoding="utf-8").splitlines()
    entries = {entry["path"]: entry for entry in map(json.loads, lines)}
    assert len(entries["face.png"]["faces"][0]["variants"]) == 6
    assert "0.4" in entries["face.png"]["statement"]
    with desk.client() as client:
        loaded = [one for one in client.get("/v1/detectors").json() if one["loaded"]]
    assert [one["fake_above"] for one in loaded] == [0.4]


def test_a_case_of_a_scan_that_is_not_there(desk: Service) -> None:
    with desk.client() as client:
        assert client.get(f"/v1/scans/{'x' * 22}/case").status_code == 404
