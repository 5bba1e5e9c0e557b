"""A service under load: many clients send photographs for some minutes; what is lost, how long answers take, memory.

    python benchmarks/service_load.py PHOTOGRAPHS [--clients 50] [--uploads 200] [--minutes 10]

Each client sends a photograph, asks for its scan until it is done, and begins again; no more than ``--uploads`` scans
are open at once. Then ``facewitness scan`` takes as many of the same photographs, and the two rates are compared.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np

COMMAND = str(Path(sys.executable).with_name("facewitness"))


class Load:
    """What the clients do and find; the lists are appended to by all of them."""

    def __init__(self, address: str, photographs: list[Path], uploads: int, until: float) -> None:
        self.address, self.photographs, self.until = address, photographs, until
        self.open = threading.Semaphore(uploads)
        self.number = count()
        self.sent: list[str] = []
        self.done: list[str] = []
        self.refused = 0
        self.get_s: list[float] = []

    def client(self, at_once: int) -> None:
        """Send ``at_once`` photographs one after another and wait for all, until the time is over."""
        with httpx.Client(base_url=self.address, timeout=120) as client:
            while time.monotonic() < self.until:
                waiting = [self._send(client) for _ in range(at_once)]
                for scan in filter(None, waiting):
                    self._wait(client, scan)
                    self.open.release()

    def _send(self, client: httpx.Client) -> str | None:
        self.open.acquire()
        file = self.photographs[next(self.number) % len(self.photographs)]
        answer = client.post("/v1/scans", files={"files": (file.name, file.read_bytes())})
        if answer.status_code != 202:
            self.refused += 1
            self.open.release()
            return None
        scan: str = answer.json()["id"]
        self.sent.append(scan)
        return scan

    def _wait(self, client: httpx.Client, scan: str) -> None:
        while True:
            began = time.monotonic()
            found: dict[str, Any] = client.get(f"/v1/scans/{scan}").json()
            self.get_s.append(time.monotonic() - began)
            if found["state"] == "done":
                self.done.append(scan)
                return
            time.sleep(0.5)


def main() -> int:
    """Run it; 1 if a scan was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="a folder")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--uploads", type=int, default=200, help="scans that are open at once, at most")
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    photographs = sorted(p for p in options.photographs.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = [COMMAND, "serve", "--port", str(port), "--data", str(folder / "data"), "--no-stability"]
        with subprocess.Popen(serve) as server:
            try:
                load, memory, spent = _press(f"http://127.0.0.1:{port}", server.pid, photographs, options)
            finally:
                server.terminate()
        rate = len(load.done) / spent
        alone = _scanned_alone(folder, photographs, len(load.done))
    print(f"scans sent {len(load.sent)}, done {len(load.done)}, refused {load.refused}")
    print(f"GET: median {1000 * np.median(load.get_s):.0f} ms, p95 {1000 * np.quantile(load.get_s, 0.95):.0f} ms")
    print(f"memory of service and workers: {memory[0]:.0f} MB after a tenth of the time, {memory[1]:.0f} at the end")
    print(f"photographs a second: {rate:.2f}; `facewitness scan` of as many: {alone:.2f}; ratio {rate / alone:.2f}")
    return 0 if len(load.done) == len(load.sent) else 1


def _press(
    address: str, pid: int, photographs: list[Path], options: argparse.Namespace
) -> tuple[Load, tuple[float, float], float]:
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:  # its pauses add up to a minute
        client.get(f"{address}/healthz").raise_for_status()
    began = time.monotonic()
    load = Load(address, photographs, options.uploads, began + 60 * options.minutes)
    each = max(1, options.uploads // options.clients)
    threads = [threading.Thread(target=load.client, args=(each,)) for _ in range(options.clients)]
    for thread in threads:
        thread.start()
    time.sleep(6 * options.minutes)
    first = _memory_mb(pid)
    time.sleep(max(0, load.until - time.monotonic()))
    last = _memory_mb(pid)
    for thread in threads:
        thread.join()
    return load, (first, last), time.monotonic() - began


def _memory_mb(pid: int) -> float:
    """Of a process and its children, shared pages counted once (Linux)."""
    process = Path("/proc") / str(pid)
    children = (process / "task" / str(pid) / "children").read_text().split()
    lines = (process / "smaps_rollup").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return own / 1000 + sum(_memory_mb(int(child)) for child in children)


def _scanned_alone(folder: Path, photographs: list[Path], wanted: int) -> float:
    copies = folder / "copies"
    copies.mkdir()
    for number in range(wanted):
        source = photographs[number % len(photographs)]
        shutil.copyfile(source, copies / f"{number:06d}{source.suffix}")
    began = time.monotonic()
    subprocess.run([COMMAND, "scan", str(copies), "--out", str(folder / "report"), "--quiet"], check=True)
    return wanted / (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
