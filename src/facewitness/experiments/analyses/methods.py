"""Runs and finished detectors on every method, and what became of the methods that a run left out."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import polars as pl

from facewitness.evaluation import scores as scoring
from facewitness.evaluation import tables
from facewitness.evaluation.evaluate import score
from facewitness.evaluation.tables import number, row
from facewitness.experiments import measure
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.plan import slug
from facewitness.experiments.sections import MethodsSection
from facewitness.experiments.seen_unseen import METRICS, seen_unseen_rows
from facewitness.metrics.detection import tpr_at_fpr_weighted
from facewitness.reporting import markdown
from facewitness.reporting.report import section as section_text

RECALL = "recall@fpr=0.01"


def render(context: Context, section: MethodsSection) -> Rendered:
    """Return a table of AUC and one of recall at 1 % false alarms: a line for each run, a column for each method."""
    plan = context.plan
    judged = measure.judged(plan, section.runs or plan.trainings())
    found = {plan.label(name): scores for name, scores in judged.items()}
    if context.file is not None:
        found |= {name: [_scores(context, name, detector)] for name, detector in section.detectors.items()}
    metrics = {"auc": METRICS["auc"], RECALL: tpr_at_fpr_weighted(0.01)}
    rows = [row for name, scores in found.items() for row in seen_unseen_rows(name, scores, [], metrics)]
    rows = [row for row in rows if row["set"].startswith("method ") and row["metric"] in metrics]
    if not rows or context.file is None:
        return Rendered("", rows)
    table = tables.build(rows)
    left_out = {plan.label(name): methods for name, methods in section.left_out.items() if name in judged}
    parts = [
        "AUC. Bold: trained without the family of this method. Intervals are in `table.csv`.",
        _table(table, "auc", left_out),
    ]
    parts += [_summary(table, left_out)] if left_out else []
    parts += [
        "Recall at 1 % false alarms among the reals that a method is compared with:",
        _table(table, RECALL, left_out),
    ]
    return Rendered(section_text(section.title or "Methods", section.text, *parts), rows)


def _scores(context: Context, name: str, detector: str) -> pl.DataFrame:
    """The scores of a finished detector on what the runs are judged on."""
    plan = context.plan
    out = plan.out / "scores" / slug(name)
    score(plan.judged_on(next(iter(plan.sections))), detector, out, progress=context.progress)
    return pl.read_parquet((out / scoring.FILE).read_bytes())


def _table(table: pl.DataFrame, metric: str, left_out: dict[str, list[str]]) -> str:
    sets = table["set"].unique().sort().to_list()
    lines = []
    for name in table["detector"].unique(maintain_order=True):
        cells = [number(row(table, detector=name, set=one, metric=metric), bare=True) for one in sets]
        hidden = [one.removeprefix("method ") in left_out.get(name, []) for one in sets]
        lines.append([name, *(f"**{cell}**" if out else cell for cell, out in zip(cells, hidden, strict=True))])
    return markdown.table(("", *(one.removeprefix("method ") for one in sets)), lines)


def _summary(table: pl.DataFrame, left_out: dict[str, list[str]]) -> str:
    """The AUC of every method that a run left out, with their mean."""
    cells: Sequence[tuple[str, str, dict[str, Any]]] = [
        (name, method, row(table, detector=name, set=f"method {method}", metric="auc"))
        for name, methods in left_out.items()
        for method in methods
    ]
    known = [(name, method, cell) for name, method, cell in cells if cell and cell["value"] is not None]
    lines = [(method, name, f"{cell['n_real']} / {cell['n_fake']}", number(cell)) for name, method, cell in known]
    mean, worst = fmean(cell["value"] for *_, cell in known), min(cell["value"] for *_, cell in known)
    return (
        markdown.table(("left out", "run", "real / fake", "AUC"), lines)
        + f"\n\nMean of these: {mean:.3f}; worst: {worst:.3f}."
    )
