"""The scores of a scan's videos as one CSV: a row for each face of each frame that was looked at."""

import csv
import json
from pathlib import Path

from facewitness import storage
from facewitness.scanning.files import RESULTS_NAME

FRAMES_NAME = "frames.csv"
COLUMNS = ("path", "time_s", "frame", "shot", "track", "status", "score", "left", "top", "right", "bottom")


def write_frames(out: Path) -> Path:
    """Write ``frames.csv`` beside the ``results.jsonl`` of a scan and return its path.

    Raises:
        OSError: the folder cannot be written.
    """
    with storage.atomic_write(out / FRAMES_NAME) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        with (out / RESULTS_NAME).open(encoding="utf-8") as lines:
            for line in lines:
                report = json.loads(line)
                for face in report["faces"] if report["kind"] == "video" else ():
                    shot = None if face["track"] is None else report["tracks"][face["track"]]["shot"]
                    place = (face["time_s"], face["frame"], shot, face["track"], face["status"], face["score"])
                    rows.writerow((report["path"], *place, *face["box"]))
    return out / FRAMES_NAME
