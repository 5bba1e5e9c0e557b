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

from facewitness.media import faces
from facewitness.scanning.image import Prepared, failed, prepare
from facewitness.types import CropProfile, FacewitnessError, Status

_LENGTH = struct.Struct("<Q")


def main() -> None:
    """Serve: receive the arguments of ``chunks`` and answer None when ready; then answer each path with chunks.

    A chunk is a ``Prepared``; the last of a path says so.
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
            path = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            try:
                for chunk in chunks(path, profile, preview_px, stable):
                    send(answers, chunk)
            except FacewitnessError as error:
                send(answers, error)
        except BrokenPipeError:  # the parent was killed; there is nobody left to tell
            os._exit(1)


def chunks(path: Path, profile: CropProfile, preview_px: int, stable: bool = False) -> Iterator[Prepared]:
    """Yield the parts of a file as they are ready; a photograph is one part."""
    yield guarded(path, profile, preview_px, stable)


def guarded(path: Path, profile: CropProfile, preview_px: int, stable: bool = False) -> Prepared:
    """``prepare``, with a status for what it did not foresee: one odd file must not end a scan."""
    try:
        return prepare(path, profile, preview_px, stable)
    except FacewitnessError:
        raise
    except MemoryError:
        return failed(path, Status.TOO_LARGE, "not enough memory to read it and find faces in it")
    except Exception as error:  # the last resort of a scan, see above
        note = f"could not be searched ({type(error).__name__}: {error}); please report this file"
        return failed(path, Status.UNREADABLE, note)


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
