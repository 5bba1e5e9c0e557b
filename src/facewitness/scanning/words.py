"""The words for verdicts, statuses and evidence: the same in JSON, on a terminal, on the page and on paper."""

from collections.abc import Mapping

VERDICT_WORDS: Mapping[str | None, str] = {
    "fake": "Fake",
    "inconclusive": "Inconclusive",
    "real": "No sign of forgery",
    None: "No verdict",
}
STATUS_WORDS: Mapping[str, str] = {
    "ok": "scored",
    "no_face": "no face found",
    "face_too_small": "face too small",
    "doubtful_face": "only what may be no face",
    "unreadable": "unreadable",
    "unsupported": "not a supported picture",
    "too_large": "too large",
    "no_permission": "no permission",
}
EVIDENCE_WORDS: Mapping[str, str] = {
    "c2pa": "Signed manifest (C2PA)",
    "stamp": "Stamp of Facewitness",
    "digital_source_type": "Declared source type",
    "generator": "Trace of a generator",
    "thumbnail": "Thumbnail",
    "double_compression": "Compressed twice",
    "edit_history": "Software and edit history",
    "camera": "Camera data",
    "jpeg": "JPEG compression",
    "unreadable_metadata": "Damaged metadata",
    "no_metadata": "No metadata",
}
