"""The page of results, in Markdown, written from evaluation folders and from nothing else.

Every number comes from a table, every judgement is computed (``evaluation.requirements``). Whoever wants another
page evaluates again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from facewitness.evaluation.requirements import Evaluation, Requirement, read, requirements
from facewitness.evaluation.slices import MAP_METRICS
from facewitness.evaluation.tables import number
from facewitness.reporting.markdown import table
from facewitness.storage import write_text
from facewitness.types import ManifestError, Status

OPEN, CLOSE = "<!-- results -->", "<!-- /results -->"
"""Marks in a Markdown file, between which ``insert`` writes."""


def write(
    page: Path,
    folder: Path,
    *,
    left_out: Mapping[str, Path] | None = None,
    trained_on: Sequence[str] | None = None,
) -> None:
    """Write the page for the evaluation in ``folder``.

    Args:
        page: the Markdown file, as ``docs/results/default.md``; its folder is made if absent.
        folder: the evaluation of the detector the page is about.
        left_out: method -> the evaluation, on that method, of a detector trained without it.
        trained_on: methods the detector has seen in training, to which requirements apply; None means all.

    Raises:
        ManifestError: a folder holds no finished evaluation.
    """
    main = read(folder)
    others = {method: read(other) for method, other in (left_out or {}).items()}
    methods = main.methods
    seen = methods if trained_on is None else [method for method in methods if method in set(trained_on)]
    parts = [
        _head(main),
        _requirements(requirements(main, seen, others)),
        _methods(main, seen),
        _left_out(others),
        _sources(main),
        _crossed(main),
        _maps(main, seen),
        _failures(main),
        _made(main, others),
    ]
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, "\n\n".join(part for part in parts if part) + "\n")


def insert(
    file: Path,
    folder: Path,
    *,
    left_out: Mapping[str, Path] | None = None,
) -> None:
    """Replace what stands between the marks ``OPEN`` and ``CLOSE`` of a Markdown file by a short table.

    Raises:
        ManifestError: the file has no such marks, or a folder holds no finished evaluation.
    """
    main = read(folder)
    others = {method: read(other) for method, other in (left_out or {}).items()}
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    before, opened, rest = text.partition(OPEN)
    _, closed, after = rest.partition(CLOSE)
    if not opened or not closed:
        raise ManifestError(f"{file}: no {OPEN} ... {CLOSE} in it to write the results between")
    rows = []
    for method in main.methods:
        unseen = others[method].row("auc", method) if method in others else {}
        values = (number(main.row(metric, method)) for metric in ("auc", "recall@threshold", "iou@0.5"))
        rows.append((method, *values, number(unseen)))
    head = ("forgery", "AUC", "called fake", "map IoU", "AUC of a detector that never saw it")
    alarms = []
    for name in main.sources:
        row = main.row("false_positive_rate@threshold", source=name)
        alarms.append(f"{name} {number(row, percent=True)} of {row['n_real']}" if row else f"{name} not measured")
    falsely = f"Real photographs called fake, by source: {'; '.join(alarms)}."
    body = f"{OPEN}\n{table(head, rows)}\n\n{falsely} In parentheses: 95 % intervals.\n{CLOSE}"
    write_text(file, before + body + after)


def _head(main: Evaluation) -> str:
    card, counts = main.record["detector"], main.record["counts"]
    reals = sum(sum(by.values()) for by in counts["real"].values())
    fakes = sum(sum(by.values()) for by in counts["fake"].values())
    return (
        f"# Results: {card['name']}\n\n"
        f"Written by `facewitness evaluate` on {main.record['made'][:10]}; not by hand. "
        f"{reals} real and {fakes} forged photographs of {counts['people']} people (split "
        f"`{main.record['manifest']['split']}`). In parentheses: 95 % intervals."
    )


def _requirements(found: Sequence[Requirement]) -> str:
    rows = [(one.what, one.asked or "to be reported", one.shown, _answer(one)) for one in found]
    missed = [
        f"- {one.what}: {one.shown}" + (f", required {one.asked}." if one.asked else ".")
        for one in found
        if not one.satisfied
    ]
    verdict = "Not satisfied:\n\n" + "\n".join(missed) if missed else "Every requirement is satisfied."
    return f"## Requirements\n\n{table(('', 'required', 'measured', 'satisfied'), rows)}\n\n{verdict}"


def _answer(requirement: Requirement) -> str:
    if requirement.satisfied is None:
        return "**not measured**"
    if not requirement.asked:
        return "reported"
    if requirement.satisfied:
        return "yes" if requirement.sure else "yes, though the interval reaches past"
    return "**no**"


def _methods(main: Evaluation, seen: Sequence[str]) -> str:
    metrics = (
        *("auc", "average_precision", "eer", "accuracy@threshold", "recall@fpr=0.01", "recall@threshold"),
        "ece",
    )
    head = ("method", "real / fake", "AUC", "AP", "EER", "accuracy", "TPR at 1 % FPR", "called fake", "ECE")
    rows, notes = [], []
    for method in [*main.methods, None]:
        auc = main.row("auc", method)
        name = "all together" if method is None else method + ("" if method in seen else " (never trained on)")
        counts = f"{auc['n_real']} / {auc['n_fake']}" if auc else "-"
        rows.append((name, counts, *(number(main.row(metric, method)) for metric in metrics)))
        if auc and auc["note"]:
            notes.append(f"{method}: {auc['note']}.")
    text = (
        "Each method against all reals of the sources it was applied to. Accuracy and *called fake* are at the "
        "shipped `fake` threshold; TPR at 1 % FPR is at a threshold taken from these very reals. AP, accuracy and ECE "
        "depend on how many fakes there are to a real. 1.000 (1.000-1.000) says that no error was seen here, not that "
        "none is made."
    )
    return "\n\n".join(["## Detection by method", text, table(head, rows), *notes])


def _left_out(others: Mapping[str, Evaluation]) -> str:
    if not others:
        return ""
    rows = []
    for method, other in others.items():
        auc = other.row("auc", method)
        values = (number(other.row(metric, method)) for metric in ("auc", "eer", "recall@fpr=0.01", "iou@0.5"))
        counts = f"{auc['n_real']} / {auc['n_fake']}" if auc else "-"
        rows.append((method, counts, *values, f"{other.record['detector']['name']} `{_hash(other)}`"))
    head = ("left out", "real / fake", "AUC", "EER", "TPR at 1 % FPR", "map IoU", "detector")
    text = "Detectors trained without one method, each judged on that method: what to expect of a forgery never seen."
    return f"## Leave one method out\n\n{text}\n\n{table(head, rows)}"


def _sources(main: Evaluation) -> str:
    head = (
        "reals of",
        "photographs",
        "called fake",
        "any face called fake",
        "inconclusive",
        "map area called forged",
        "map stays empty",
    )
    rows = []
    for name in [*main.sources, None]:
        alarms = main.row("false_positive_rate@threshold", source=name)
        area = main.row("false_positive_area_real@0.5", source=name)
        counted = alarms or area
        cells = (
            number(alarms, percent=True),
            number(main.row("photograph_false_positive_rate@threshold", source=name), percent=True),
            number(main.row("inconclusive_real", source=name), percent=True),
            number(area, percent=True),
            number(main.row("empty_map_real@0.5", source=name), percent=True),
        )
        rows.append((name or "all sources", str(counted["n_real"]) if counted else "0", *cells))
    text = (
        "False alarms on real photographs at the thresholds the detector ships with. *Called fake* is about the face "
        "the manifest means, *any face* about all faces of the photograph, as a scan reports it. Intervals of shares "
        "after Wilson, photographs taken for independent; of the area by bootstrap."
    )
    return f"## Real photographs by source\n\n{text}\n\n{table(head, rows)}"


def _crossed(main: Evaluation) -> str:
    methods, datasets = main.methods, main.sources
    rows = []
    for method in methods:
        cells = []
        for dataset in datasets:
            row = main.row("auc", method, dataset)
            cells.append(f"{number(row)}, {row['n_real']} / {row['n_fake']}" if row else "not applied")
        rows.append((method, *cells))
    if not rows:
        return ""
    text = "AUC of each method within each source, with the counts of real / fake."
    return f"## Method by source\n\n{text}\n\n{table(('method', *datasets), rows)}"


def _maps(main: Evaluation, seen: Sequence[str]) -> str:
    metrics = MAP_METRICS.values()
    rows = []
    for method in main.methods:
        iou = main.row("iou@0.5", method)
        if iou:
            name = method + ("" if method in seen else " (never trained on)")
            values = (number(main.row(metric, method)) for metric in metrics)
            rows.append((name, str(iou["n_fake"]), *values))
    if not rows:
        return ""
    named = ("IoU", "Dice", "pixel AUC", "mass inside", "pointing game", "false-positive area", "mask outside the crop")
    head = ("method", "fakes", *named)
    unjudged = main.record["counts"]["maps_not_judged"]
    text = (
        "Means over the fakes whose region is known. Measured in the crop, where the map is at least 0.5. Mass inside: "
        "share of the map's sum on forged pixels. Pointing game: how often the brightest pixel is forged. "
        "False-positive area: share of the unforged pixels of the crop that are called forged. Mask outside the crop: "
        "share of the forged pixels which the detector was never shown and which do not count against it. "
        f"Fakes that were scored but whose region is missing from the crop or unreadable: {unjudged}."
    )
    return f"## Where the forgery is\n\n{text}\n\n{table(head, rows)}"


def _failures(main: Evaluation) -> str:
    counts = main.record["counts"]
    statuses = sorted(
        {status for kind in ("real", "fake") for by in counts[kind].values() for status in by} - {Status.OK}
    )
    text = "A photograph that gives no score counts here and nowhere else."
    if not statuses:
        return f"## What was not scored\n\n{text} All were scored."
    rows = []
    for kind in ("real", "fake"):
        for name, by in sorted(counts[kind].items()):
            rows.append((kind, name, str(sum(by.values())), *(str(by.get(status, 0)) for status in statuses)))
    return f"## What was not scored\n\n{text}\n\n" + table(("", "source or method", "all", *statuses), rows)


def _made(main: Evaluation, others: Mapping[str, Evaluation]) -> str:
    record, card = main.record, main.record["detector"]
    calibration, crop = card["calibration"], card["crop"]
    environment = record["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    if calibration:
        marks = f"temperature {calibration['temperature']:.3f}, fake from {calibration['fake_above']:.4f}, "
        marks += f"real below {calibration['real_below']:.4f}"
    else:
        marks = "none: no thresholds, no verdicts"
    lines = [
        f"Command: `{shlex.join(record['command'])}`" if record["command"] else "Command: called from Python",
        f"Detector: {card['name']}, weights SHA-256 `{card['weights']}`",
        f"Calibration: {marks}",
        f"Trained on: {card['trained_on'] or 'not said by its card'}",
        f"Crop: {crop['finder']}, {crop['alignment']}, margin {crop['margin']}, {crop['size_px']} px, "
        f"faces from {crop['min_face_px']} px",
        f"Manifest: `{Path(record['manifest']['path']).name}`, SHA-256 `{record['manifest']['sha256']}`",
        *(
            f"Without {name}: {other.record['detector']['name']}, weights SHA-256 "
            f"`{other.record['detector']['weights']}`"
            for name, other in others.items()
        ),
        f"Intervals: percentile bootstrap, {record['draws']} draws of people (the person whose photograph it is; "
        f"donors of swaps are not drawn), seed {record['seed']}",
        "The face: the one the manifest gives landmarks of, else the largest",
        f"Made: {record['made']}, {environment['processor']}, {environment['cores']} cores, {environment['system']}",
        f"Versions: {versions}",
    ]
    return "## Provenance\n\n" + "\n".join(f"- {line}" for line in lines)


def _hash(evaluation: Evaluation) -> str:
    return str(evaluation.record["detector"]["weights"])[:12]
