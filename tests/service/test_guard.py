"""What the service refuses: other origins, other names, wrong tokens, too much, too slow; and names that are paths."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from tests.service.conftest import TOKEN, Service

Photographs = dict[str, Path]


def _post(service: Service, content: bytes, name: str = "face.png", **headers: str) -> httpx.Response:
    with service.client() as client:
        return client.post("/v1/scans", files={"files": (name, content)}, headers=headers)


def _announced(service: Service, length: int) -> bytes:
    """The answer to the head of a request whose body never comes."""
    head = (
        "POST /v1/scans HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head.encode())
        return connection.recv(1000)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_cannot_send(service: Service, origin: str) -> None:
    assert _post(service, b"x", Origin=origin).status_code == 403


def test_a_name_that_somebody_else_made_point_here_is_refused(service: Service) -> None:
    with service.client() as client:
        assert client.get("/v1/scans", headers={"Host": "evil.example"}).status_code == 400


def test_without_the_token_only_the_page_is_answered(guarded: Service) -> None:
    with guarded.client() as client:
        assert client.get("/").status_code == 200
        assert client.get("/static/app.js").status_code == 200
        assert client.get("/healthz").status_code == 200
        for path in ("/v1/scans", "/metrics", "/v1/openapi.json", "/v1/detectors"):
            assert client.get(path).status_code == 401, path
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/v1/scans", headers=headers).status_code == 200


def test_guessing_tokens_is_slowed_down(guarded: Service) -> None:
    with guarded.client() as client:
        codes = [client.get("/v1/scans", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        right = client.get("/v1/scans", headers={"Authorization": f"Bearer {TOKEN}"})
        assert right.status_code == 429, "whoever guesses must not learn that the last guess was right"


def test_too_much_is_refused_before_it_is_read(service: Service) -> None:
    assert b" 413 " in _announced(service, 10_000_000_000)


def test_a_body_without_a_length_is_cut_off(service: Service) -> None:
    def body() -> object:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(60):
            yield b"\0" * 100_000

    with service.client() as client:
        try:
            answer = client.post(
                "/v1/scans", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"}
            )
            assert answer.status_code == 413
        except (httpx.WriteError, httpx.RemoteProtocolError):
            pass  # cut off while it was still sending
    assert not list((service.settings.folder / "uploads").iterdir())


def test_a_body_that_does_not_come_is_not_waited_for(service: Service) -> None:
    assert b" 408 " in _announced(service, 1_000)


def test_too_many_files_are_refused(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/v1/scans", files=[("files", (f"{n}.png", b"x")) for n in range(6)])
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\y.png", "y.png"), ("a\u202egnp.exe", "a\ufffdgnp.exe"), ("..", "..")],
)
def test_a_name_is_text_and_never_a_path(service: Service, photographs: Photographs, name: str, shown: str) -> None:
    folder = service.settings.folder
    before = {path for path in folder.parent.rglob("*") if folder not in path.parents}
    answer = _post(service, photographs["none"].read_bytes(), name)
    assert answer.status_code == 202, answer.text
    found = service.wait(answer.json()["id"])
    assert [file["name"] for file in found["files"]] == [shown]
    (kept,) = (folder / "uploads" / found["id"]).iterdir()
    assert kept.stem == "000000"
    assert {path for path in folder.parent.rglob("*") if folder not in path.parents} == before


@pytest.mark.parametrize("scan", ["..%2f..%2fetc", "x" * 22 + "y", "*"])
def test_an_id_that_is_none_is_refused(service: Service, scan: str) -> None:
    with service.client() as client:
        assert client.get(f"/v1/scans/{scan}").status_code in (404, 422)


def test_every_answer_has_the_headers(service: Service) -> None:
    with service.client() as client:
        for path in ("/", "/static/app.js", "/v1/scans", "/nowhere"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["content-security-policy"].startswith("default-src 'none'"), path
            assert headers["referrer-policy"] == "no-referrer", path


def test_another_address_needs_a_token(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "--token" in result.output
    short = tmp_path / "token"
    short.write_text("short")
    result = CliRunner().invoke(app, ["serve", "--token", str(short), "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "at least 16 characters" in result.output
