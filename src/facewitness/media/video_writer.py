"""Write a video: H.264 for real and forged clips alike, and planes without loss."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facewitness.types import Image

STAMP_LENGTH = 64
"""Characters of the comment in a clip, real or forged: neither its size nor its presence tells them apart."""

_H264 = {
    "preset": "veryfast",
    "threads": "1",
    "x264-params": "mbtree=0",
}  # with mbtree, the same frames gave other bytes


class VideoWriter:
    """Writes frames of one size, one after the other; a context.

    Args:
        path: ``.mp4`` for H.264, ``.mkv`` for planes without loss (FFV1).
        shape: height and width of the frames; H.264 wants even ones.
        rate: frames a second.
        crf: of H.264, from 0 (large) to 51 (small).
        comment: what the file says of itself.
    """

    def __init__(self, path: Path, shape: tuple[int, int], rate: int, *, crf: int = 23, comment: str = "") -> None:
        import av

        self._lossless = path.suffix == ".mkv"
        self._container: Any = av.open(str(path), "w")
        self._container.metadata["comment"] = comment.ljust(STAMP_LENGTH)
        options: dict[str, object] = {} if self._lossless else {"crf": str(crf), **_H264}
        self._stream: Any = self._container.add_stream("ffv1" if self._lossless else "libx264", rate=rate)
        self._stream.options = options
        self._stream.height, self._stream.width = shape
        self._stream.pix_fmt = "gray" if self._lossless else "yuv420p"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._container.mux(self._stream.encode())
        self._container.close()

    def add(self, picture: Image | NDArray[np.uint8]) -> None:
        """Append a frame (H, W, 3) RGB, or a plane (H, W) where the file is one of planes."""
        import av

        kind = "gray" if self._lossless else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture, np.uint8), format=kind)
        self._container.mux(self._stream.encode(frame))
