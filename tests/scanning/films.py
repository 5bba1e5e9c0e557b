"""Short films with a face, and broken ones without."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from facewitness.types import Image
from tests.fakes import astronaut, texture


def portrait(gain: float = 1.0, shift: int = 0) -> Image:
    """A face of about 110 px in (240, 240), brighter or darker, moved to the right."""
    face = astronaut()[20:260, 90 - shift : 330 - shift]
    return np.asarray(np.clip(face * gain, 0, 255), np.uint8)


def write(path: Path, frames: Iterable[Image], codec: str = "libx264", **settings: Any) -> Path:
    """Write a video; ``rate``, ``pixels``, ``options`` and ``stamps`` (presentation times in 1/1000 s) may be given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate, stamps = settings.get("rate", 5), settings.get("stamps")
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=settings.get("options", {"g": "50", "crf": "10"}))
        stream.pix_fmt = settings.get("pixels", "yuv420p")
        if stamps is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(frames):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if stamps is not None:
                frame.pts, frame.time_base = stamps[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def film(path: Path, seconds: int = 24, rate: int = 5, bright: tuple[float, float] = (8.0, 16.0)) -> Path:
    """A face that moves to and fro; between two moments the face, and nothing else, is brighter."""
    frames = []
    for number in range(seconds * rate):
        shift = round(20 * np.sin(number / 9))
        picture = np.full((240, 400, 3), 120, np.uint8)
        picture[:, :240] = portrait(0.7, shift)
        if bright[0] <= number / rate < bright[1]:
            face = picture[40:190, 70 + shift : 190 + shift]
            face[:] = np.clip(face * 1.9, 0, 255)
        frames.append(picture)
    return write(path, frames, rate=rate, options={"g": "50", "crf": "10", "sc_threshold": "0"})


def blank(count: int = 12, height: int = 48, width: int = 64) -> list[Image]:
    """Frames without a face."""
    return [texture(height, width, seed) for seed in range(count)]
