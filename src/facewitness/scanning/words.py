"""The words for verdicts, statuses and evidence: the same in JSON, on a terminal, on the page and on paper."""

from collections.abc import Mapping

from facewitness.types import Calibration, Status, Verdict, VideoCalibration

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
    "unsupported": "not a supported picture or video",
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


def rate_words(rate: float) -> str:
    """A rate as a percentage."""
    return f"{100 * rate:.3g} %"


def statement(status: Status, score: float | None, verdict: Verdict | None, calibration: Calibration | None) -> str:
    """The verdict on a file or face in a sentence, with the rates of the thresholds that it stands on."""
    if score is None:
        return f"{STATUS_WORDS[status.value].capitalize()}: no verdict."
    if calibration is None or verdict is None:
        return "The detector is not calibrated: its score carries no verdict."
    expected = calibration.verdict(score)
    whom = f"photographs like those of the profile {calibration.profile}" if calibration.profile else "real faces"
    said = _place(expected, calibration, whom)
    if verdict is not expected:
        said += " That does not hold under mild changes of the picture: no verdict."
    return said + (f" Learnt from {calibration.reals:,} real photographs." if calibration.reals else "")


def video_statement(
    status: Status, score: float | None, verdict: Verdict | None, calibration: VideoCalibration | None
) -> str:
    """The verdict on a video in a sentence: its score is that of the face that looks forged the most."""
    if score is None:
        return f"{STATUS_WORDS[status.value].capitalize()}: no verdict."
    if calibration is None or verdict is None:
        return "The detector has no thresholds for videos: its score carries no verdict."
    expected = calibration.verdict(score)
    said = _place(expected, calibration, "real clips")
    if verdict is not expected:
        said += " There are too few frames of that face: no verdict."
    return f"{said} Learnt from {sum(calibration.counts.values()):,} real clips."


def _place(verdict: Verdict, calibration: Calibration | VideoCalibration, whom: str) -> str:
    """Where a score lies between the thresholds."""
    rate = calibration.fake_rate
    worth = "whose rate of false alarms is not known" if rate is None else f"which {rate_words(rate)} of {whom} reach"
    fake = f"{calibration.fake_above:.3f}, {worth}"
    real = f"{calibration.real_below:.3f}, which {rate_words(calibration.real_rate)} of {whom} reach"
    if verdict is Verdict.FAKE:
        return f"At or above {fake}{'' if rate is None else ' by mistake'}."
    if verdict is Verdict.INCONCLUSIVE:
        return f"Between {real}, and {fake}: no verdict."
    return f"Below {real}: like {rate_words(1 - calibration.real_rate)} of them. No proof that it is real."


def meanings(calibration: Calibration) -> list[tuple[str, str]]:
    """Each verdict and what it means with these thresholds, the most serious first."""
    rate, real_rate = calibration.fake_rate, calibration.real_rate
    fake, real = f"{calibration.fake_above:.3f}", f"{calibration.real_below:.3f}"
    whom = f"photographs like those of the profile {calibration.profile}" if calibration.profile else "faces"
    if rate is None:
        worth = "This threshold was given by hand: its rate of false alarms is not known."
    else:
        worth = f"At this threshold no more than {100 * rate:.3g} in 100 real {whom} are called fake by mistake."
    return [
        ("fake", f"{fake} or more. {worth}"),
        ("inconclusive", f"from {real} to {fake}. The detector does not know. Look for other evidence."),
        (
            "real",
            f"below {real}, where {100 - 100 * real_rate:.3g} in 100 real {whom} lie. A forgery of a kind that the "
            "detector does not see can lie here too: this proves nothing.",
        ),
    ]
