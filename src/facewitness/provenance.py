"""Which software and which machine made a result: versions, system, processor, cores."""

import json
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGES = (
    "facewitness",
    "numpy",
    "opencv-python-headless",
    "dlib-bin",
    "onnxruntime",
    "pillow",
    "av",
    "polars",
    "torch",
)


def install_command(extra: str) -> str:
    """Return the command that installs an extra such as ``train``.

    It names the checkout or wheel file that the running package was installed from, where pip recorded one
    (``direct_url.json``, PEP 610) and it is still there, and DIR otherwise. The package is on no index.
    """
    try:
        record = metadata.distribution("facewitness").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        record = None
    url = urlsplit(json.loads(record)["url"] if record else "")
    origin = Path(url2pathname(url.path))
    if url.scheme == "file" and origin.exists():
        return f'pip install "{origin}[{extra}]"'
    return f'pip install "DIR[{extra}]", DIR being the folder or the wheel file of Facewitness'


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of those of the packages that are installed."""
    known = {"python": platform.python_version()}
    for package in packages:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return known


def environment() -> dict[str, Any]:
    """Versions, system, processor and cores of this machine."""
    found = versions(PACKAGES)
    return {"versions": found, "system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
