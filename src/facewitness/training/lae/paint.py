"""Masks are asked for: a folder with pictures, empty masks and instructions for a person, and the way back.

``NNNN.png`` is what the detector saw, ``NNNN.mask.png`` is to be painted white where the face was forged. What a
program needs to read them back stands in ``asked.json``.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness import storage
from facewitness.media import image
from facewitness.types import FacewitnessError, Image, MediaError

INDEX = "asked.json"
_HALF = 127
_GRAY = 32  # how far the colours of a mask may be apart: what a JPEG or a soft brush leaves
_COLUMNS = 10
_INSTRUCTIONS = """Paint these masks
=================

Each NNNN.png is a face that the detector calls forged for a reason we do not trust. Say where it was forged:

1. Open NNNN.mask.png, which is black, in any image program. NNNN.png beside it is the face, at the same size.
2. Paint white whatever was changed by the forgery: the swapped face, the new mouth, the recoloured hair. Leave the
   rest black. A rough outline is enough. In doubt about a place, leave it black.
3. Save it under the same name, as PNG, at the same size.

A mask that is left black is left out: nothing is learnt from that face. Do as many as you like, in order: the first
are the most wanted. Then:

  {command}
"""


def write(
    folder: Path,
    crops: Sequence[Image],
    rows: Sequence[dict[str, Any]],
    facts: dict[str, Any],
    command: str,
    masks: Sequence[NDArray[np.uint8]] | None = None,
) -> None:
    """Write the folder. ``rows`` say of each crop (S, S, 3) what reading it back must know; ``masks`` pre-paint it.

    Raises:
        FacewitnessError: the folder holds masks already.
    """
    if (folder / INDEX).exists():
        raise FacewitnessError(f"{folder} already holds masks to paint: give another --out")
    folder.mkdir(parents=True, exist_ok=True)
    for number, crop in enumerate(crops):
        blank = np.zeros(crop.shape[:2], np.uint8) if masks is None else masks[number]
        (folder / f"{number:04}.png").write_bytes(image.encode(crop, "png"))
        cv2.imwrite(str(folder / f"{number:04}.mask.png"), blank)
    (folder / "README.txt").write_text(_INSTRUCTIONS.format(command=command), encoding="utf-8")
    cv2.imwrite(str(folder / "contact.jpg"), cv2.cvtColor(_contact(crops), cv2.COLOR_RGB2BGR))
    listed = [{"file": f"{number:04}.mask.png", **row} for number, row in enumerate(rows)]
    storage.write_text(folder / INDEX, json.dumps({**facts, "faces": listed}, indent=2) + "\n")


def read(folder: Path) -> tuple[list[dict[str, Any]], list[NDArray[np.uint8]], dict[str, Any]]:
    """What was painted: the rows of the faces with a mask, their masks (S, S) of 0 and 255, and the folder's facts.

    Raises:
        FacewitnessError: the folder is none of ours, a mask is missing, of another size, colourful, or none is painted.
    """
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FacewitnessError(f"{folder} was not written by `facewitness lae select` ({error})") from error
    rows, masks = [], []
    for row in index["faces"]:
        mask = _mask(folder / row["file"], int(index["size_px"]))
        if mask.any():
            rows.append(row)
            masks.append(mask)
    if not rows:
        raise FacewitnessError(f"{folder}: every mask is black: paint some, as README.txt in it says")
    return rows, masks, {key: value for key, value in index.items() if key != "faces"}


def _mask(path: Path, size_px: int) -> NDArray[np.uint8]:
    try:
        rgb = image.read(path)
    except MediaError as error:
        raise FacewitnessError(f"mask {path}: {error}; save it as PNG under this name") from error
    if rgb.shape[:2] != (size_px, size_px):
        height, width = rgb.shape[:2]
        raise FacewitnessError(
            f"mask {path} is {width} x {height} px, its face {size_px} x {size_px}: paint it at that size"
        )
    if int((rgb.max(2).astype(int) - rgb.min(2)).max()) > _GRAY:
        raise FacewitnessError(f"mask {path} has colours: paint in white on black; is it the picture itself?")
    return np.where(rgb.mean(2) > _HALF, 255, 0).astype(np.uint8)


def _contact(crops: Sequence[Image]) -> Image:
    """All faces small, in order, ten to a row."""
    small = [np.asarray(cv2.resize(crop, (96, 96), interpolation=cv2.INTER_AREA), np.uint8) for crop in crops]
    small += [np.zeros((96, 96, 3), np.uint8)] * (-len(small) % _COLUMNS)
    rows = [np.concatenate(small[start : start + _COLUMNS], axis=1) for start in range(0, len(small), _COLUMNS)]
    return np.concatenate(rows, axis=0)
