"""What the API answers, for its OpenAPI description. A file's ``report`` is an object of docs/schema/report.json."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from facewitness.scanning.words import STATUS_WORDS, VERDICT_WORDS
from facewitness.service.jobs import Scan, ScanFile, State


class FileModel(BaseModel):
    """One file of a scan."""

    number: int = Field(description="Place among the files of the scan, from 0; part of its addresses.")
    name: str = Field(description="As the sender called it.")
    report: dict[str, Any] | None = Field(description="What was found, as in results.jsonl; null: not scanned yet.")
    words: str = Field(description="The verdict, or why there is none, in words; empty: not scanned yet.")
    face_words: list[str] = Field(description="The same for each face of the report.")
    track_words: list[str] = Field(description="The same for each track of a video.")
    has_overlay: bool = Field(description="Whether there is a picture of the photograph with its faces and heat.")


class ScanModel(BaseModel):
    """A scan and how far it is."""

    id: str
    created: float = Field(description="Seconds since 1970.")
    state: State
    total: int = Field(description="Files.")
    done: int = Field(description="Files that were scanned.")


class ScanWithFiles(ScanModel):
    """A scan with its files."""

    files: list[FileModel]


class DetectorModel(BaseModel):
    """A detector that the service could be started with."""

    name: str
    loaded: bool = Field(description="Whether this is the one that judges.")
    about: str
    weights: str | None = Field(description="SHA-256.")
    fake_above: float | None = Field(description="Score from which a face is called fake.")
    fake_rate_words: str = Field(description="How many real faces reach that score by mistake, at most.")
    real_below: float | None = Field(description="Score below which there is no sign of forgery.")


class Health(BaseModel):
    """Whether the service scans."""

    status: str = Field(description="ok, or why it does not scan.")
    version: str


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str


def scan_model(scan: Scan) -> ScanModel:
    """A scan without its files."""
    return ScanModel(id=scan.id, created=scan.created, state=scan.state, total=scan.total, done=scan.done)


def file_model(file: ScanFile) -> FileModel:
    """A file under the name that its sender gave it."""
    report = None if file.entry is None else {**file.entry, "path": file.name}
    return FileModel(
        number=file.number,
        name=file.name,
        report=report,
        words="" if report is None else _words(report),
        face_words=[] if report is None else [_words(face) for face in report["faces"]],
        track_words=[] if report is None else [VERDICT_WORDS[track["verdict"]] for track in report["tracks"]],
        has_overlay=bool(file.pictures.get("overlay")),
    )


def _words(found: Mapping[str, Any]) -> str:
    """The verdict on a file or a face, or why it was not judged."""
    if found["score"] is None:
        return STATUS_WORDS[found["status"]].capitalize()
    return VERDICT_WORDS[found["verdict"]]
