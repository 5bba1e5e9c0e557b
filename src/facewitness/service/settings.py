"""What a service is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facewitness.scanning.profile import Adjust

KEPT_HOURS = 168.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and all of them together, may take."""

    request_bytes: int = 2 * 1024**3
    files: int = 200  # of one request
    queued_files: int = 20_000  # of all scans together
    body_s: float = 900.0  # for the whole body of a request
    silence_s: float = 30.0  # between two parts of a body
    wrong_tokens: int = 10  # of one address in a minute
    kept_hours: float = KEPT_HOURS  # after which a scan is deleted, with its files


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a service keeps its data, whom it answers, and with which detector."""

    folder: Path
    detector: str | Path = "default"
    token: str | None = None  # asked of every request but those for the page itself; None only on loopback
    hosts: tuple[str, ...] = LOOPBACK  # names by which it may be addressed; ("*",): any
    workers: int | None = None  # processes that read files; None chooses by cores
    device: str = "auto"  # see ``detectors.zoo.load``
    limits: Limits = field(default_factory=Limits)
    stable: bool = True  # each face is judged again under mild changes; see ``scanning.stability``
    adjust: "Adjust | None" = None  # gives the detector other thresholds; see ``scanning.profile.thresholds``
