"""A running service with the shipped detector, one for a module; and what to ask it with."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from facewitness.service.app import create_app
from facewitness.service.settings import Limits, Settings

TOKEN = "a-token-of-sixteen-or-more"
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@dataclass
class Service:
    """A service on loopback."""

    settings: Settings
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60, **options)

    def wait(self, scan: str, state: str = "done", headers: Any = None) -> dict[str, Any]:
        """The scan when it is there; fails after a minute."""
        with self.client(headers=headers) as client:
            for _ in range(300):
                found: dict[str, Any] = client.get(f"/v1/scans/{scan}").json()
                if found["state"] == state:
                    return found
                time.sleep(0.2)
        raise AssertionError(f"still {found['state']} after a minute")


def running(settings: Settings) -> Iterator[Service]:
    """Start a service in a thread, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.05)
    yield Service(settings, port)
    server.should_exit = True
    thread.join(timeout=30)
    assert not thread.is_alive(), "the service did not stop"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that anybody on this machine may ask."""
    limits = Limits(request_bytes=4_000_000, files=5, silence_s=2.0)
    yield from running(Settings(tmp_path_factory.mktemp("data"), workers=1, limits=limits, stable=False))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that wants a token."""
    limits = Limits(wrong_tokens=3)
    yield from running(Settings(tmp_path_factory.mktemp("data"), token=TOKEN, workers=1, limits=limits, stable=False))


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A face, no face, and no picture."""
    from PIL import Image

    from tests.fakes import astronaut, save, texture

    folder = tmp_path_factory.mktemp("photographs")
    files = {"face": save(astronaut(), folder / "face.png"), "none": save(texture(), folder / "none.png")}
    Image.fromarray(astronaut()).save(folder / "face.jpg", quality=90)
    (folder / "text.jpg").write_text("no picture")
    return {**files, "jpeg": folder / "face.jpg", "text": folder / "text.jpg"}


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    """A photograph with a script in its name and in what it says of itself."""
    from PIL import Image, PngImagePlugin

    from tests.fakes import astronaut

    said = PngImagePlugin.PngInfo()
    for key in ("parameters", "Software", "Comment", "XML:com.adobe.xmp"):
        said.add_itxt(key, f"{SCRIPT}\nSteps: 20, Sampler: {SCRIPT}, Seed: 1")
    file = tmp_path / "<img src=x onerror=alert(3)>.png"
    Image.fromarray(astronaut()).save(file, pnginfo=said)
    return file
