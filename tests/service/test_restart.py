"""A service that is killed goes on where it was when its folder is served again, and does nothing twice."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow
FILES = 6


def _start(data: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["serve", "--data", str(data), "--port", str(port), "--workers", "1"]
    process = subprocess.Popen([sys.executable, "-m", "facewitness", *arguments], start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            if httpx.get(f"{address}/healthz").status_code == 200:
                return process, address
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the service did not start")


def test_a_killed_service_goes_on(tmp_path: Path, photographs: dict[str, Path]) -> None:
    process, address = _start(tmp_path / "data")
    content = photographs["face"].read_bytes()
    sent = httpx.post(f"{address}/v1/scans", files=[("files", (f"{n}.png", content)) for n in range(FILES)], timeout=60)
    scan = sent.json()["id"]
    while not httpx.get(f"{address}/v1/scans/{scan}").json()["done"]:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process, address = _start(tmp_path / "data")
    try:
        for _ in range(300):
            found = httpx.get(f"{address}/v1/scans/{scan}").json()
            if found["state"] == "done":
                break
            time.sleep(0.1)
        assert [file["report"]["status"] for file in found["files"]] == ["ok"] * FILES
        assert len(list((tmp_path / "data" / "overlays").glob("*.map.png"))) == FILES
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert not list((tmp_path / "data" / "uploads").glob("*/*.part"))
