"""One worker: a process of its own that reads files, finds faces and crops them, until its input ends.

It is started as a plain program rather than through ``multiprocessing``, so that a caller's main module is not run
again in it, and so that a crash of a decoder or of the face finder takes nothing else with it. Messages are pickles
between two ends of the same installation, each after its length; nothing from outside is ever unpickled.
"""

import os
import pickle
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import cv2

from facewitness.media import animation, faces
from facewitness.scanning import video
from facewitness.scanning.image import Prepared, failed, prepare
from facewitness.scanning.video import VideoChunk, VideoTask
from facewitness.types import CropProfile, FacewitnessError, MediaError, Status

Task = Path | VideoTask
Chunk = Prepared | VideoChunk
_LENGTH = struct.Struct("<Q")


def main() -> None:
    """Serve: receive the arguments of ``chunks`` and answer None when ready; then answer each task with chunks.

    A task is a photograph or a share of a video; its last chunk says so.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes our input
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    cv2.setNumThreads(1)
    profile, preview_px, stable = receive(sys.stdin.buffer)
    try:
        faces.load(profile.finder)
    except FacewitnessError as error:
        send(answers, error)
        return
    send(answers, None)
    while True:
        try:
            task = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            try:
                for chunk in chunks(task, profile, preview_px, stable):
                    send(answers, chunk)
            except FacewitnessError as error:
                send(answers, error)
        except BrokenPipeError:  # the parent was killed; there is nobody left to tell
            os._exit(1)


def chunks(task: Task, profile: CropProfile, preview_px: int, stable: bool = False) -> Iterator[Chunk]:
    """Yield the parts of a file as they are ready; a photograph is one part.

    What was not foreseen is a ``Prepared`` with a status: one odd file must not end a scan.
    """
    path = task.path if isinstance(task, VideoTask) else task
    try:
        if isinstance(task, VideoTask) and (path.suffix.lower() in video.SUFFIXES or animation.is_long(path)):
            yield from video.chunks(task, profile, preview_px)
        else:
            yield prepare(path, profile, preview_px, stable)
    except MediaError as error:
        yield failed(path, error.status, str(error).removeprefix(f"{path}: "))
    except FacewitnessError:
        raise
    except MemoryError:
        yield failed(path, Status.TOO_LARGE, "not enough memory to read it and find faces in it")
    except Exception as error:  # the last resort of a scan, see above
        note = f"could not be searched ({type(error).__name__}: {error}); please report this file"
        yield failed(path, Status.UNREADABLE, note)


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises:
        EOFError: the other end is gone.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    length = _LENGTH.unpack(head)[0]
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


if __name__ == "__main__":
    main()
