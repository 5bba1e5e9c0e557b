"""Whether a verdict holds: each face judged again after mild changes of its photograph.

A verdict that changes under one of them says more of the change than of the face: it becomes ``inconclusive``, and the
report says under which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from facewitness.scanning.image import Prepared, run
from facewitness.scanning.words import statement
from facewitness.types import Finding, Report, Status, Verdict

if TYPE_CHECKING:
    from facewitness.detectors.base import Detector


def checked(report: Report, prepared: Prepared, detector: Detector) -> Report:
    """The report with the scores of its faces under each treatment; verdicts that change become inconclusive.

    A file that was prepared without variants keeps its report.

    Raises:
        CardError: the detector's scores are not numbers.
    """
    if not prepared.variants:
        return report
    count = len(next(iter(prepared.variants.values())).crops)
    crops = np.concatenate([one.crops for one in prepared.variants.values()])
    views = [view for one in prepared.variants.values() for view in one.views]
    scores = run(detector, crops, views).score.reshape(len(prepared.variants), count)
    findings, notes, place = list(report.findings), [], 0
    for index, finding in enumerate(findings):
        if finding.status is not Status.OK:
            continue
        if place < count:
            judged = dict(zip(prepared.variants, map(float, scores[:, place]), strict=True))
            findings[index], note = _judged(finding, judged, detector)
            notes += [f"face {index + 1}: {note}"] if note else []
        place += 1
    if place > count:
        notes.append(f"stability was checked for the first {count} of {place} faces")
    verdict = _worst(findings)
    said = statement(report.status, report.score, verdict, detector.card.calibration)
    return replace(report, findings=tuple(findings), verdict=verdict, statement=said, notes=(*report.notes, *notes))


def _judged(finding: Finding, scores: Mapping[str, float], detector: Detector) -> tuple[Finding, str]:
    calibration = detector.card.calibration
    finding = replace(finding, variants=scores)
    if calibration is None or finding.verdict in (None, Verdict.INCONCLUSIVE):
        return finding, ""
    changed = {name: calibration.verdict(score) for name, score in scores.items()}
    flips = [f"{verdict.value} under {name}" for name, verdict in changed.items() if verdict is not finding.verdict]
    if not flips:
        return finding, ""
    note = f"the verdict {finding.verdict} does not hold ({', '.join(flips)}): inconclusive"
    return replace(finding, verdict=Verdict.INCONCLUSIVE), note


def _worst(findings: Sequence[Finding]) -> Verdict | None:
    verdicts = {finding.verdict for finding in findings}
    ranked = (Verdict.FAKE, Verdict.INCONCLUSIVE, Verdict.REAL)
    return next((verdict for verdict in ranked if verdict in verdicts), None)
