"""The results of a scan as a table for spreadsheets: a row for each face, person of a video, or file without one."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facewitness import storage

NAME = "results.csv"
COLUMNS = (
    "path",
    "sha256",
    "status",
    "verdict",
    "score",
    "statement",
    "face",
    "face_status",
    "face_verdict",
    "face_score",
    "lowest_variant",
    "highest_variant",
    "left",
    "top",
    "right",
    "bottom",
    "frame",
    "start_s",
    "end_s",
    "members",
    "provenance",
    "declared_synthetic",
    "notes",
    "detector",
    "weights_sha256",
    "profile",
)


def write(results: Path, out: Path) -> None:
    """Write the lines of a ``results.jsonl`` as CSV (UTF-8, comma, one header), whole or not at all."""
    with storage.atomic_write(out) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        with results.open(encoding="utf-8") as lines:
            for line in lines:
                writer.writerows(_rows(json.loads(line)))


def _rows(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    detector, evidence = entry["detector"], entry["provenance"]
    common = {name: entry[name] for name in ("path", "sha256", "status", "verdict", "score", "statement")}
    common |= {
        "provenance": " ".join(one["kind"] for one in evidence),
        "declared_synthetic": "yes" if any(one["synthetic"] for one in evidence) else "no",
        "notes": "; ".join(entry["notes"]),
        "detector": detector["name"],
        "weights_sha256": detector["weights_sha256"],
        "profile": detector["profile"],
    }
    video = entry["kind"] == "video"
    for number, track in enumerate(entry["tracks"], 1):
        judged = {f"face_{name}": track[name] for name in ("verdict", "score")}
        yield {**common, **judged, "face": number, "start_s": track["start_s"], "end_s": track["end_s"]}
    for number, face in enumerate(() if video else entry["faces"], 1):
        variants = face["variants"].values()
        yield {
            **common,
            "face": number,
            **{f"face_{name}": face[name] for name in ("status", "verdict", "score")},
            "lowest_variant": min(variants, default=""),
            "highest_variant": max(variants, default=""),
            **dict(zip(("left", "top", "right", "bottom"), face["box"], strict=True)),
            "frame": face["frame"],
            "members": " ".join(f"{name}={score}" for name, score in face["members"].items()),
        }
    if not entry["tracks" if video else "faces"]:
        yield common
