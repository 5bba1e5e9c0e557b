"""How fast detectors are on this machine: measured when asked, kept in the user's cache, listed by ``detectors``."""

import json
import tempfile
import time
import timeit
from pathlib import Path

import numpy as np

from facewitness import storage
from facewitness.detectors import zoo
from facewitness.detectors.base import Detector, detect
from facewitness.provenance import install_command
from facewitness.types import MissingExtraError

CROPS = 8  # shown at once
FILE = "speed.json"


def known(name: str) -> float | None:
    """Crops per second as last measured here for a name of the zoo; None if never."""
    value = _read().get(name)
    return float(value) if isinstance(value, int | float) else None


def measure(name: str, seconds: float = 2.0) -> float:
    """Crops per second of a name of the zoo on onnxruntime, an architecture with fresh weights; kept for ``known``.

    Raises:
        MissingExtraError: an architecture, without the ``train`` extra.
    """
    with tempfile.TemporaryDirectory(prefix="facewitness-speed-") as scratch:
        found = rate(opened(name, Path(scratch)), seconds)
    keep(name, found)
    return found


def opened(name: str, scratch: Path, threads: int | None = None) -> Detector:
    """A name of the zoo on onnxruntime; an architecture is exported to ``scratch`` with fresh weights."""
    if name in zoo.SHIPPED:
        return zoo.load(name, threads)
    try:
        from facewitness.detectors.export import export
        from facewitness.detectors.graph import fresh
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{name} is measured with torch: {install_command('train')}") from error
    card = zoo.card(name)
    return zoo.load(export(card, fresh(card), scratch / name), threads)


def rate(detector: Detector, seconds: float, count: int = CROPS) -> float:
    """Crops per second, ``count`` at once: the fastest round that ``seconds`` have room for, of at least two."""
    size = detector.card.crop.size_px
    further = [(one.tiles, one.size_px, one.size_px, 3) for one in detector.card.crop.further]
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    views = [tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in further)] * count
    detect(detector, crops, views)  # the first run plans memory
    took: list[float] = []
    began = time.perf_counter()
    while len(took) < 2 or time.perf_counter() - began < seconds:
        took.append(timeit.timeit(lambda: detect(detector, crops, views), number=1))
    return count / min(took)


def keep(name: str, crops_per_s: float) -> None:
    """Remember a measurement."""
    storage.cache_directory().mkdir(parents=True, exist_ok=True)
    storage.write_text(
        storage.cache_directory() / FILE, json.dumps({**_read(), name: round(crops_per_s, 2)}, indent=2) + "\n"
    )


def _read() -> dict[str, object]:
    try:
        found = json.loads((storage.cache_directory() / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
