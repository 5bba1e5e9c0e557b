"""What is sent to do harm: pictures that explode, archives, bodies of other lengths, scripts; and where tokens go."""

from __future__ import annotations

import io
import logging
import socket
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.fakes import astronaut
from tests.service.conftest import TOKEN, Service


def _png(width: int, height: int, rows: int) -> bytes:
    """A PNG that claims a size and holds so many rows of it, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(width + 1)) for _ in range(rows)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _archive() -> bytes:
    """100 MB of zeros, in 100 kB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped.png", bytes(100_000_000))
    return made.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "claims 3.6 gigapixels": lambda: _png(60_000, 60_000, 10),
    "unpacks to 400 MB": lambda: _png(20_000, 20_000, 20_000),
    "is an archive": _archive,
    "is empty": lambda: b"",
}


def _sent(service: Service, content: bytes, name: str = "face.png") -> dict[str, Any]:
    with service.client() as client:
        answer = client.post("/v1/scans", files={"files": (name, content)})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = service.wait(answer.json()["id"])["files"][0]
    return found


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_gets_a_status_in_bounded_time_and_the_next_file_is_judged(service: Service, bomb: str) -> None:
    began = time.monotonic()
    report = _sent(service, BOMBS[bomb]())["report"]
    assert report["status"] in ("unreadable", "unsupported", "too_large", "no_face", "damaged"), report
    assert report["score"] is None
    assert time.monotonic() - began < 45
    good = io.BytesIO()
    Image.fromarray(astronaut()).save(good, "PNG")
    assert _sent(service, good.getvalue())["report"]["status"] == "ok"
    assert not list(service.settings.folder.parent.rglob("escaped*"))


def test_a_body_that_is_longer_than_it_says_harms_nobody(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        head = (
            "POST /v1/scans HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            "Content-Length: 10\r\n\r\n"
        )
        connection.sendall(head.encode() + b"--x\r\n" + b"A" * 100_000)
        answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 4"), answer[:80]
    with service.client() as client:
        assert client.get("/healthz").status_code == 200


def test_tokens_are_written_nowhere(guarded: Service, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    guess = "a-guess-of-sixteen-or-more"
    with caplog.at_level(logging.DEBUG), guarded.client() as client:
        for token in (guess, TOKEN):
            for ask in (client.get, client.post):
                ask("/v1/scans", headers={"Authorization": f"Bearer {token}"})
            client.get(f"/v1/scans?token={token}", headers={"Authorization": f"Bearer {TOKEN}"})
    printed = capfd.readouterr()
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    for token in (guess, TOKEN):
        assert token not in printed.out + printed.err
        assert token not in ours.replace(f"?token={token}", "")
        for file in (path for path in guarded.settings.folder.rglob("*") if path.is_file()):
            assert token.encode() not in file.read_bytes()


def test_reports_hold_no_script_of_others(service: Service, scripted: Path) -> None:
    with service.client() as client:
        sent = client.post("/v1/scans", files={"files": (scripted.name, scripted.read_bytes())}).json()
        service.wait(sent["id"])
        report = client.get(f"/v1/scans/{sent['id']}/report").text
    assert "onerror=alert" in report, "the name is told"
    assert "<img src=x" not in report
    assert "<script>alert" not in report
