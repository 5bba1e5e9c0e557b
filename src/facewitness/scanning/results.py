"""The JSON Schema of a report: the one format of results.jsonl, of the store, and of programs."""

from typing import Any

from facewitness.types import REPORT_FORMAT, EvidenceKind, Status, Verdict


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``Report.to_json``; docs/schema/report.json is this."""
    number = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
    verdict = {"enum": [*(one.value for one in Verdict), None]}
    status = {"enum": [one.value for one in Status]}
    seconds = {"type": "number", "minimum": 0}
    shot = {"start_s": seconds, "end_s": seconds}
    span = {**shot, "score": number}
    track = {
        "shot": {"type": "integer", "minimum": 0},
        **shot,
        "frames": {"type": "integer", "minimum": 0},
        "score": number,
        "verdict": verdict,
        "reason": {"type": "string"},
        "spans": _list(span),
        "evidence": {"type": "object", "additionalProperties": {"type": "number"}},
    }
    face = {
        "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        "status": status,
        "score": number,
        "verdict": verdict,
        "map": {"type": ["string", "null"]},
        "time_s": {"type": ["number", "null"], "minimum": 0},
        "turn_deg": {"type": "number"},
        "frame": {"type": "integer", "minimum": 0},
        "members": {"type": "object", "additionalProperties": number},
        "track": {"type": ["integer", "null"], "minimum": 0},
        "variants": {"type": "object", "additionalProperties": number},
    }
    evidence = {
        "kind": {"enum": [one.value for one in EvidenceKind]},
        **{name: {"type": "string"} for name in ("seen", "proves", "limits")},
        "synthetic": {"type": "boolean"},
    }
    fields: dict[str, Any] = {
        "format": {"const": REPORT_FORMAT},
        "kind": {"enum": ["image", "video"]},
        "path": {"type": "string"},
        "sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        "status": status,
        "score": number,
        "verdict": verdict,
        "statement": {"type": "string"},
        "faces": _list(face),
        "detector": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "notes": {"type": "array", "items": {"type": "string"}},
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "provenance": _list(evidence),
        "duration_s": {"type": ["number", "null"], "minimum": 0},
        "shots": _list(shot),
        "tracks": _list(track),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Facewitness report of one file",
        "description": "Pixels of the upright source, left top right bottom; seconds from the first frame on. A status "
        "other than ok has no score.",
        "type": "object",
        "properties": fields,
        "required": list(fields),
    }


def _list(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of objects that have all of these properties."""
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": list(properties)}}
