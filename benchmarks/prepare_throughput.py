"""How near ``facewitness data prepare`` comes to the time its parts need, on a clip of 1080p.

In one run, on the same clip and the same cores:

* parts: each frame is decoded, searched for faces, cropped and encoded as PNG, one after the other, in one process with
  one thread; each part is timed by itself. Were they spread over the cores with nothing lost, preparing would take
  ``(decode + find + crop) / cores``.
* prepare: the command's own function on the clip: decoding in parts, tracking, writing, log and manifest. The time the
  worker processes need to start is measured on a clip of a few frames and stated, and is not taken off.

Ends with 1 if prepare reaches less than 80 % of what the cores allow.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

from facewitness.compute.pool import cores
from facewitness.curation.prepare import CROPS, Wanted, prepare
from facewitness.media import faces, image, video
from facewitness.types import Sample

BAR = 0.8
FRAMES = 600
WIDTH, HEIGHT = 1920, 1080


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help="length of the clip")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="facewitness-bench-"))
    try:
        print(f"{cores()} cores, {platform.processor() or platform.machine()}, {platform.platform()}")
        clip = make(scratch / "clip.mp4", options.frames)
        print(f"{options.frames} frames of {WIDTH} x {HEIGHT}, H.264, {clip.stat().st_size / 1e6:.0f} MB")
        decode_s, find_s, crop_s = parts(clip)
        short = timed(make(scratch / "short.mp4", 4), scratch / "a")
        prepare_s = timed(clip, scratch / "b")
    finally:
        shutil.rmtree(scratch)
    bound_s = (decode_s + find_s + crop_s) / cores()
    for name, seconds in (("decode", decode_s), ("find", find_s), ("crop, PNG", crop_s)):
        print(f"{name:10} {seconds:7.2f} s on one core   {options.frames / seconds:7.1f} frames/s")
    print(f"{'bound':10} {bound_s:7.2f} s on {cores()} cores    {options.frames / bound_s:7.1f} frames/s")
    print(f"{'prepare':10} {prepare_s:7.2f} s on {cores()} cores    {options.frames / prepare_s:7.1f} frames/s")
    print(f"{'ratio':10} {bound_s / prepare_s:7.2f}   (at least {BAR} wanted; a clip of 4 frames takes {short:.2f} s)")
    return 0 if bound_s / prepare_s >= BAR else 1


def make(path: Path, count: int) -> Path:
    """A head that moves over a noisy background."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    background = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
    head = np.asarray(cv2.resize(data.astronaut(), (640, 640)), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(count):
            frame = background.copy()
            left = 300 + round(500 * (0.5 + 0.5 * np.sin(number / 40)))
            frame[200:840, left : left + 640] = head
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def parts(clip: Path) -> tuple[float, float, float]:
    """Seconds of decoding, of face finding, and of cropping and encoding, one after another on one core."""
    cv2.setNumThreads(1)
    faces.load()
    of = video.index(clip)
    decode_s = find_s = crop_s = 0.0
    frames = video.frames(clip, range(len(of)), of)
    while True:
        started = time.perf_counter()
        frame = next(frames, None)
        decode_s += time.perf_counter() - started
        if frame is None:
            return decode_s, find_s, crop_s
        if frame.image is None:
            raise RuntimeError(f"frame {frame.number} was not decoded")
        started = time.perf_counter()
        found = faces.find(frame.image)
        find_s += time.perf_counter() - started
        started = time.perf_counter()
        for face in found:
            image.encode(faces.crop(frame.image, face.landmarks, CROPS)[0], "png")
        crop_s += time.perf_counter() - started


def timed(clip: Path, out: Path) -> float:
    """Seconds that ``prepare`` takes for all frames of a clip."""
    started = time.perf_counter()
    prepare([Sample(clip, 0)], out, Wanted(frames=None), progress=None)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
