"""Cards as JSON, and the hash that ties a card to its weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from facewitness.types import Calibration, Card, CardError, CropProfile, VideoCalibration

FILE = "card.json"


def write(card: Card, folder: Path) -> None:
    """Write ``card.json`` into a folder."""
    (folder / FILE).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Card:
    """Read ``card.json`` from a folder.

    Raises:
        CardError: there is none, or it is not a card of this version.
    """
    path = folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CardError(f"{folder}: has no {FILE}: neither a finished run nor an exported folder") from error
    except (OSError, ValueError) as error:
        raise CardError(f"{path}: cannot be read as a detector's card: {error}") from error
    try:
        return from_dict(data)
    except (TypeError, KeyError, AttributeError) as error:
        raise CardError(f"{path}: not a card of this version: {error}") from error


def from_dict(data: Mapping[str, Any]) -> Card:
    """A card from the plain values that ``asdict`` gives; an unknown or a missing field is a TypeError."""
    values = dict(data)
    unknown = sorted(set(values) - {field.name for field in fields(Card)})
    if unknown:
        raise TypeError(f"unknown field {unknown[0]!r}")
    if "crop" in values:
        values["crop"] = _profile(values["crop"])
    if values.get("calibration") is not None:
        values["calibration"] = Calibration(**values["calibration"])
    if values.get("video") is not None:
        values["video"] = VideoCalibration(**values["video"])
    for name in ("mean", "std", "members", "fusion"):
        if name in values:
            values[name] = tuple(values[name])
    return Card(**values)


def _plain(crop: CropProfile) -> dict[str, Any]:
    values = asdict(crop)
    further = [_plain(one) for one in crop.further]
    return {**values, "further": further} if further else {k: v for k, v in values.items() if k != "further"}


def _profile(data: Mapping[str, Any]) -> CropProfile:
    return CropProfile(**{**data, "further": tuple(_profile(one) for one in data.get("further", ()))})


def identity(card: Card) -> dict[str, Any]:
    """What a report must say of the detector that judged: name, weights, crop profile, thresholds."""
    calibration, video = card.calibration, card.video
    return {
        "name": card.name,
        "weights_sha256": card.weights,
        "crop": _plain(card.crop),
        "fake_above": calibration.fake_above if calibration else None,
        "real_below": calibration.real_below if calibration else None,
        "video": None
        if video is None
        else {
            name: getattr(video, name) for name in ("fake_above", "real_below", "span_above", "frames", "min_frames")
        },
        "fake_rate": calibration.fake_rate if calibration else None,
        "real_rate": calibration.real_rate if calibration else None,
        "reals": calibration.reals if calibration else None,
        "profile": calibration.profile if calibration else "",
    }


def deciding(card: Card) -> dict[str, Any]:
    """Return what of a card decides a measurement: all but how it is run and what is only said or drawn."""
    values = asdict(card)
    del values["video"]
    del values["plain_layout"]
    if values["calibration"]:
        for name in ("map_scale", "fake_rate", "real_rate", "profile"):
            del values["calibration"][name]
    return values
