"""REST: what is sent is scanned as the command line scans it, kept, and gone when it is deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facewitness.scanning.pipeline import scan_paths
from tests.service.conftest import Service

Photographs = dict[str, Path]


def _send(service: Service, *files: tuple[str, bytes]) -> str:
    with service.client() as client:
        answer = client.post("/v1/scans", files=[("files", file) for file in files])
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def scan(service: Service, photographs: Photographs) -> str:
    sent = [("a face.png", photographs["face"]), ("none.png", photographs["none"]), ("text.jpg", photographs["text"])]
    name = _send(service, *((name, path.read_bytes()) for name, path in sent))
    service.wait(name)
    return name


def test_a_report_is_the_command_lines_but_for_the_path(
    service: Service, scan: str, photographs: Photographs, tmp_path: Path
) -> None:
    with service.client() as client:
        files = client.get(f"/v1/scans/{scan}").json()["files"]
    scan_paths([photographs["face"]], tmp_path)
    expected = json.loads((tmp_path / "results.jsonl").read_text())
    found = files[0]["report"]
    assert found.pop("path") == "a face.png"
    assert expected.pop("path") == str(photographs["face"])
    maps = [face.pop("map") for face in found["faces"]], [face.pop("map") for face in expected["faces"]]
    assert [len(names) for names in maps] == [1, 1]
    assert json.dumps(found) == json.dumps(expected)
    assert files[0]["words"] == "No sign of forgery"
    assert [file["report"]["status"] for file in files] == ["ok", "no_face", "unsupported"]


def test_pictures_and_the_report_are_there(service: Service, scan: str, photographs: Photographs) -> None:
    with service.client() as client:
        base = f"/v1/scans/{scan}/files/0"
        assert client.get(f"{base}/overlay").content.startswith(b"\xff\xd8\xff")
        assert client.get(f"{base}/faces/0/map").content.startswith(b"\x89PNG")
        photograph = client.get(f"{base}/photograph")
        assert photograph.content == photographs["face"].read_bytes()
        assert photograph.headers["content-type"] == "image/png"
        assert client.get(f"{base}/faces/1/map").status_code == 404
        assert client.get(f"/v1/scans/{scan}/files/2/photograph").status_code == 404
        report = client.get(f"/v1/scans/{scan}/report")
        assert "a face.png" in report.text
        assert "sandbox" in report.headers["content-security-policy"]


def test_events_tell_of_every_file_and_end(service: Service, scan: str) -> None:
    with service.client() as client, client.stream("GET", f"/v1/scans/{scan}/events") as stream:
        text = "".join(stream.iter_text())
    kinds = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert kinds == ["file", "file", "file", "progress", "end"]


def test_a_deleted_scan_leaves_nothing(service: Service, photographs: Photographs) -> None:
    name = _send(service, ("face.png", photographs["face"].read_bytes()))
    service.wait(name)
    data = service.settings.folder
    assert list((data / "uploads" / name).iterdir())
    before = set((data / "overlays").iterdir())
    with service.client() as client:
        assert client.delete(f"/v1/scans/{name}").status_code == 204
        assert client.get(f"/v1/scans/{name}").status_code == 404
        assert client.delete(f"/v1/scans/{name}").status_code == 404
    assert not (data / "uploads" / name).exists()
    assert len(before - set((data / "overlays").iterdir())) == 3


def test_a_cancelled_scan_scans_no_further(service: Service, photographs: Photographs) -> None:
    data = photographs["face"].read_bytes()
    name = _send(service, *((f"{number}.png", data) for number in range(5)))
    with service.client() as client:
        assert client.post(f"/v1/scans/{name}/cancel").json()["state"] == "cancelled"
        after = _send(service, ("last.png", data))
        service.wait(after)
        assert client.get(f"/v1/scans/{name}").json()["done"] < 5


def test_the_list_health_metrics_and_detectors(service: Service, scan: str) -> None:
    with service.client() as client:
        assert scan in [one["id"] for one in client.get("/v1/scans").json()]
        assert client.get("/healthz").json()["status"] == "ok"
        assert "facewitness_files_scanned" in client.get("/metrics").text
        (loaded,) = [one for one in client.get("/v1/detectors").json() if one["loaded"]]
        assert loaded["name"] == "default"
        described = client.get("/v1/openapi.json").json()["paths"]
    assert {"/v1/scans", "/v1/scans/{scan}", "/v1/scans/{scan}/events", "/healthz", "/metrics"} <= set(described)
