"""The report of an evaluation, in Markdown, written from evaluation folders and from nothing else.

Every number comes from a table, every judgement is computed (``evaluation.requirements``); ``report.md.jinja`` has the
words.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facewitness.evaluation.requirements import Evaluation, Requirement, read, requirements
from facewitness.evaluation.slices import MAP_METRICS
from facewitness.evaluation.tables import number
from facewitness.reporting import markdown
from facewitness.reporting.templates import render
from facewitness.storage import write_text
from facewitness.types import ManifestError, Status

OPEN, CLOSE = "<!-- results -->", "<!-- /results -->"
"""Marks in a Markdown file, between which ``insert`` writes."""
_KINDS = ("real", "fake")


def write(
    file: Path, folder: Path, *, left_out: Mapping[str, Path] | None = None, trained_on: Sequence[str] | None = None
) -> None:
    """Write the report of the evaluation in ``folder``.

    Args:
        file: the Markdown file, as ``docs/results/default.md``; its folder is made if absent.
        folder: the evaluation of the detector the report is about.
        left_out: method -> the evaluation, on that method, of a detector trained without it.
        trained_on: methods the detector has seen in training, to which requirements apply; None means all.

    Raises:
        ManifestError: a folder holds no finished evaluation.
    """
    main = read(folder)
    others = {method: read(other) for method, other in (left_out or {}).items()}
    seen = main.methods if trained_on is None else [method for method in main.methods if method in set(trained_on)]
    found = requirements(main, seen, others)
    record, counts = main.record, main.record["counts"]
    statuses = sorted({one for kind in _KINDS for by in counts[kind].values() for one in by} - {Status.OK})
    text = render(
        "facewitness.evaluation",
        "report.md.jinja",
        record=record,
        card=record["detector"],
        command=shlex.join(record["command"]),
        manifest_name=Path(record["manifest"]["path"]).name,
        others=others,
        reals=sum(sum(by.values()) for by in counts["real"].values()),
        fakes=sum(sum(by.values()) for by in counts["fake"].values()),
        requirements=[(one.what, one.asked or "to be reported", one.shown, _answer(one)) for one in found],
        missed=[one for one in found if not one.satisfied],
        methods=list(_methods(main, seen)),
        notes=[f"{name}: {auc['note']}." for name in main.methods if (auc := main.row("auc", name)) and auc["note"]],
        left_out=list(_left_out(others)),
        sources=list(_sources(main)),
        attributes=list(_attributes(main)),
        source_names=main.sources,
        crossed=list(_crossed(main)),
        maps=list(_maps(main, seen)),
        statuses=statuses,
        failures=list(_failures(counts, statuses)) if statuses else [],
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text)


def insert(
    file: Path,
    folder: Path,
    *,
    left_out: Mapping[str, Path] | None = None,
    trained_on: Sequence[str] | None = None,
) -> None:
    """Replace what stands between the marks ``OPEN`` and ``CLOSE`` of a Markdown file by a short table.

    ``trained_on`` as for ``write``; without ``left_out`` the table has no column for it.

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
    rows, unseen = [], []
    for method in main.methods:
        values = (number(main.row(metric, method)) for metric in ("auc", "recall@threshold", "iou@0.5"))
        rows.append((_named(method, trained_on or main.methods), *values))
        unseen.append(number(others[method].row("auc", method) if method in others else {}))
    head: tuple[str, ...] = ("method", "AUC", "called fake", "map IoU")
    if others:
        head = (*head, "AUC when trained without it")
        rows = [(*row, cell) for row, cell in zip(rows, unseen, strict=True)]
    alarms = []
    for name in main.real_sources:
        row = main.row("false_positive_rate@threshold", source=name)
        alarms.append(f"{name} {number(row, percent=True)} of {row['n_real']}" if row else f"{name} not measured")
    falsely = f"Real photographs called fake, by source: {'; '.join(alarms)}."
    body = f"{OPEN}\n{markdown.table(head, rows)}\n\n{falsely} In parentheses: 95 % intervals.\n{CLOSE}"
    write_text(file, before + body + after)


def _answer(requirement: Requirement) -> str:
    if requirement.satisfied is None:
        return "**not measured**"
    if not requirement.asked:
        return "reported"
    if requirement.satisfied:
        return "yes" if requirement.sure else "yes, though the interval reaches past"
    return "**no**"


def _counted(row: Mapping[str, Any]) -> str:
    return f"{row['n_real']} / {row['n_fake']}" if row else "-"


def _named(method: str, seen: Sequence[str]) -> str:
    return method + ("" if method in seen else " (never trained on)")


def _methods(main: Evaluation, seen: Sequence[str]) -> Iterator[Sequence[str]]:
    metrics = ("auc", "average_precision", "eer", "accuracy@threshold", "recall@fpr=0.01", "recall@threshold", "ece")
    for method in [*main.methods, None]:
        name = "all together" if method is None else _named(method, seen)
        yield name, _counted(main.row("auc", method)), *(number(main.row(metric, method)) for metric in metrics)


def _left_out(others: Mapping[str, Evaluation]) -> Iterator[Sequence[str]]:
    for method, other in others.items():
        values = (number(other.row(metric, method)) for metric in ("auc", "eer", "recall@fpr=0.01", "iou@0.5"))
        card = other.record["detector"]
        yield method, _counted(other.row("auc", method)), *values, f"{card['name']} `{str(card['weights'])[:12]}`"


def _sources(main: Evaluation) -> Iterator[Sequence[str]]:
    metrics = (
        *("false_positive_rate@threshold", "photograph_false_positive_rate@threshold", "inconclusive_real"),
        *("false_positive_area_real@0.5", "empty_map_real@0.5"),
    )
    for name in [*main.real_sources, None]:
        rows = [main.row(metric, source=name) for metric in metrics]
        counted = rows[0] or rows[3]
        cells = (number(row, percent=True) for row in rows)
        yield name or "all sources", str(counted["n_real"]) if counted else "0", *cells


def _attributes(main: Evaluation) -> Iterator[Sequence[str]]:
    shares = ("false_positive_rate@threshold", "inconclusive_real")
    for name in main.attributes:
        alarms, unsure = (number(main.row(metric, attribute=name), percent=True) for metric in shares)
        auc, recall = (main.row(metric, attribute=name) for metric in ("auc", "recall@threshold"))
        yield name, _counted(auc), alarms, unsure, number(auc), number(recall, percent=True)


def _crossed(main: Evaluation) -> Iterator[Sequence[str]]:
    for method in main.methods:
        rows = [main.row("auc", method, dataset) for dataset in main.sources]
        yield method, *(f"{number(row)}, {_counted(row)}" if row else "not applied" for row in rows)


def _maps(main: Evaluation, seen: Sequence[str]) -> Iterator[Sequence[str]]:
    for method in main.methods:
        if iou := main.row("iou@0.5", method):
            values = (number(main.row(metric, method)) for metric in MAP_METRICS.values())
            yield _named(method, seen), str(iou["n_fake"]), *values


def _failures(counts: Mapping[str, Any], statuses: Sequence[str]) -> Iterator[Sequence[str]]:
    for kind in _KINDS:
        for name, by in sorted(counts[kind].items()):
            yield kind, name, str(sum(by.values())), *(str(by.get(status, 0)) for status in statuses)
