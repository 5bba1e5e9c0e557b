"""What commands print: plain columns, the same on a terminal and in a pipe; progress bars on a terminal alone."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from facewitness.compute.progress import Progress, ProgressEvent
from facewitness.reporting import markdown

if TYPE_CHECKING:
    from facewitness.scanning.pipeline import Summary
    from facewitness.scanning.profile import Profile
    from facewitness.types import Card

_LISTED_FILES = 20  # up to so many files, the summary of a scan has a line for each face


def scan_summary(summary: Summary) -> None:
    """A line for each face, or track of a video, where there are few files, the counts, and where the report is."""
    if 0 < summary.files <= _LISTED_FILES:
        lines = (summary.out / "results.jsonl").read_text(encoding="utf-8").split("\n")
        results = [json.loads(line) for line in lines if line]
        columns([row for result in results for row in _face_rows(result)])
        _notes(results)
    counts = ", ".join(f"{count} {status}" for status, count in summary.statuses.items()) or "nothing to scan"
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items()) or "none"
    kept = f"; {summary.resumed} kept from an earlier scan" if summary.resumed else ""
    typer.echo(f"files: {counts}; verdicts: {verdicts}; {summary.time_s:.1f} s{kept}")
    typer.echo(f"report: {summary.out / 'report.html'}")


def results(folder: Path, maps: bool) -> None:
    """Print the lines of ``results.jsonl``; without ``maps``, those of a folder that is about to go."""
    with (folder / "results.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if not maps:
                entry["faces"] = [{**face, "map": None} for face in entry["faces"]]
            typer.echo(json.dumps(entry, ensure_ascii=False))


def case(folder: Path, to_stderr: bool) -> None:
    """Where a case is, and the one number by which all of it can be told later."""
    from facewitness import storage
    from facewitness.scanning import checksums

    seal = storage.sha256(folder / checksums.NAME)
    typer.echo(f"case: {folder / 'case.pdf'}; SHA-256 of {checksums.NAME}, to be kept elsewhere: {seal}", err=to_stderr)


def failure(item: Mapping[str, Any]) -> None:
    """Print one line on stderr for a file that gave no picture."""
    line = f"{item['status']}: {item['path']}: {'; '.join(item['notes'])}"
    typer.echo("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line), err=True)


def _face_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    path, video = _printable(result["path"]), result["kind"] == "video"
    for number, face in enumerate(result["tracks"] if video else result["faces"], 1):
        score = "" if face["score"] is None else f"{face['score']:.3f}"
        yield path, f"{'track' if video else 'face'} {number}", score, face["verdict"] or face.get("status", "")
    if not result["faces"]:
        yield path, "", "", result["status"]


def _notes(results: Sequence[Mapping[str, Any]]) -> None:
    """What explains the results, and what files say of their own origin, but for what every JPEG has."""
    from facewitness.scanning.pipeline import FAILURES
    from facewitness.scanning.words import EVIDENCE_WORDS

    for result in results:
        if result["status"] not in FAILURES:  # which have a line of their own
            for said in (result["statement"], *result["notes"]):
                typer.echo(f"{_printable(result['path'])}: {said}")
        for one in result.get("provenance", ()):
            if one["kind"] not in ("jpeg", "no_metadata"):
                said = f"{EVIDENCE_WORDS[one['kind']]}: {one['seen']} Proves: {one['proves']}"
                typer.echo(f"{_printable(result['path'])}: {said} Does not prove: {one['limits']}")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)  # a file's name must not steer a terminal


def profile(learnt: Profile) -> None:
    """What thresholds of the user's own photographs promise, by sub-folder, and which photographs raise alarms."""
    own = learnt.detector["fake_above"]
    rows = [("folder", "photographs", "alarms", "at most (95 %)", "alarms of the detector's own threshold")]
    for name, bound in learnt.bounds.items():
        counts = (str(len(learnt.scores[name])), str(learnt.called(name)))
        rows.append((_printable(name), *counts, f"{100 * bound:.2f} %", str(learnt.called(name, own))))
    columns(rows)
    rate, real_rate = (f"{100 * one:g} %" for one in (learnt.fake_rate, learnt.real_rate))
    typer.echo(f"fake from {learnt.fake_above:.4f}: no more than {rate} of such photographs are called fake")
    typer.echo(f"no sign of forgery below {learnt.real_below:.4f}, which no more than {real_rate} reach")
    typer.echo(f"the detector's own thresholds: {own:.4f} and {learnt.detector['real_below']:.4f}")
    for alarm in learnt.alarms[:_LISTED_FILES]:
        typer.echo(f"alarm: {_printable(alarm['path'])}  {alarm['score']:.4f}")
    if len(learnt.alarms) > _LISTED_FILES:
        typer.echo(f"and {len(learnt.alarms) - _LISTED_FILES} more alarms, in profile.json")


def auc_by_method(table: Path) -> None:
    """The AUC of each method and of all together, from a table of ``facewitness evaluate``."""
    with table.open(newline="", encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["metric"] == "auc" and "source " not in row["set"]]
    rows = [("set", "AUC", "95 %", "real", "fake", "without a score")]
    for row in found:
        value, low, high = (f"{float(row[name]):.3f}" if row[name] else "-" for name in ("value", "low", "high"))
        rows.append((row["set"], value, f"{low}-{high}", row["n_real"], row["n_fake"], row["n_unscored"]))
    columns(rows)


def video_numbers(table: Path) -> None:
    """The numbers of a table of ``facewitness evaluate video``."""
    with table.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    rows = [("set", "metric", "value", "95 %", "real", "fake", "without a score")]
    for row in found:
        value, low, high = (f"{float(row[name]):.3f}" if row[name] else "-" for name in ("value", "low", "high"))
        rows.append(
            (row["set"], row["metric"], value, f"{low}-{high}", row["n_real"], row["n_fake"], row["n_unscored"])
        )
    columns(rows)


def yes(value: bool) -> str:
    """A flag in a table."""
    return "yes" if value else "no"


def columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows as aligned text, the same on a terminal and in a pipe."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def zoo(found: Sequence[tuple[str, Card, float | None]]) -> None:
    """Every detector at hand: shipped ones, then architectures to train, with what is known of their speed here."""
    rows = [("name", "parameters", "size", "MACs", "crop", "map", "weights", "crops/s here", "paper")]
    for name, card, speed in found:
        megabytes = "-" if card.parameters is None else f"{card.parameters * 4 / 2**20:.1f} MB"  # as float32
        size = (markdown.human_count(card.parameters), megabytes, markdown.human_count(card.macs))
        shown = (f"{card.crop.size_px} px", yes(card.has_map), card.weights[:12] if card.weights else "to train")
        rows.append((name, *size, *shown, "-" if speed is None else f"{speed:.1f}", _cited(card.paper)))
    columns(rows)
    if any(speed is None for _, _, speed in found):
        typer.echo("crops/s here: not measured yet; facewitness detectors --measure")


def _cited(paper: str) -> str:
    """Authors and year of a paper's full name."""
    first = paper.partition(";")[0]
    years = re.findall(r"\b(?:19|20)\d\d\b", first)
    return ", ".join([first.partition(",")[0], *years[-1:]])


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A nested card as dotted names and texts."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], Mapping):
            yield from flat({str(number): one for number, one in enumerate(value, start=1)}, f"{prefix}{key}.")
        else:
            yield prefix + key, "-" if value in (None, "", {}, ()) else str(value)


def clusters(record: Path) -> None:
    """The accuracies of ``facewitness cluster`` over its draws, and where the rest is."""
    found = json.loads(record.read_text(encoding="utf-8"))
    rows: list[tuple[str, ...]] = [("accuracy", "mean", "lowest", "highest")]
    for name, what in (("accuracy", "both classes"), ("real_accuracy", "reals"), ("fake_accuracy", "fakes")):
        rows.append((what, *(f"{found[name][part]:.3f}" for part in ("mean", "lowest", "highest"))))
    columns(rows)
    typer.echo(
        f"{len(found['draws'])} draws over {found['real']} real and {found['fake']} forged faces: {record.parent}"
    )


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Progress]:
    """Yield a callback that draws a bar for each task; None if ``quiet``, or if stderr is no terminal.

    A bar goes when its task is done. ``rich`` is loaded only for bars that are shown.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    # Lines printed meanwhile are drawn above the bars on a terminal; in a pipe or a file they stay where they belong.
    mixed = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=mixed) as bars:

        def show(event: ProgressEvent) -> None:
            if event.task not in tasks:
                tasks[event.task] = bars.add_task(event.task, total=event.total)
            bars.update(tasks[event.task], completed=event.done, total=event.total)
            if event.total is not None and event.done >= event.total:
                bars.remove_task(tasks.pop(event.task))

        yield show
