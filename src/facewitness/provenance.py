"""Which software and which machine made a result: versions, system, processor, cores."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

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
