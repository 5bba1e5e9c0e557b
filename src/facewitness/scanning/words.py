"""The words for verdicts and statuses."""

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
