"""LAE's tables: accuracy on a seen and an unseen method, what masks gain, and how they are chosen."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, spearmanr

from facewitness.evaluation import tables
from facewitness.evaluation.tables import number, row
from facewitness.experiments import measure
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.plan import Run
from facewitness.experiments.sections import MaskCurveSection, MaskGainSection, SeenUnseenSection
from facewitness.experiments.seen_unseen import ACCURACY, SEEN, UNSEEN, against, seen_unseen_rows
from facewitness.metrics.detection import balanced_accuracy_weighted
from facewitness.metrics.intervals import DRAWS
from facewitness.reporting import figures, markdown
from facewitness.reporting.report import section as section_text

_FEW = 4  # points, for which a correlation says nothing


def render(context: Context, section: SeenUnseenSection) -> Rendered:
    """Return a table of runs on a seen and an unseen method."""
    rows = _rows(context, section.runs, section.seen, section.unseen)
    if not rows:
        return Rendered("", [])
    table = tables.build(rows)
    plan, lines = context.plan, []
    for name in section.runs:
        label = plan.label(name)
        first = row(table, detector=label, metric=ACCURACY)
        cells = [
            number(row(table, detector=label, set=kind, metric=metric), seeds=metric == ACCURACY)
            for metric in section.metrics
            for kind in (SEEN, UNSEEN)
        ]
        if first and any(cell != "-" for cell in cells):
            masks = plan.sections[name].masks if plan.sections[name].label.endswith(" masks") else 0
            lines.append((label, str(masks or "-"), str(first["n_seeds"]), *cells))
    if not lines:
        return Rendered("", rows)
    kinds = ((SEEN, section.seen), (UNSEEN, section.unseen))
    head = [f"{metric}, {kind}: {name}" for metric in section.metrics for kind, name in kinds]
    text = markdown.table(("run", "masks", "seeds", *head), lines)
    return Rendered(section_text(section.title or "Seen and unseen", section.text, text), rows)


def _rows(context: Context, names: Sequence[str], seen: str, unseen: str) -> list[dict[str, Any]]:
    wanted = (pl.col("label") == 0) | pl.col("method").is_in([seen, unseen])
    return [
        row
        for name, tables in measure.judged(context.plan, names).items()
        for row in seen_unseen_rows(context.plan.label(name), [table.filter(wanted) for table in tables], [seen])
    ]


def gains(context: Context, section: MaskGainSection) -> pl.DataFrame:
    """Return, for every finetuned run, how far mass inside the region and accuracy rose over the run it began from."""
    rows = []
    for task in section.tasks:
        for name, runs in measure.finished(context.plan, task.runs).items():
            for run in runs:
                origin = context.plan.origin(run)
                after, before = (_single(context, one, task.unseen) for one in (run, origin))
                if after is not None and before is not None:
                    names = {"task": task.name, "seed": origin.seed, "label": context.plan.label(name)}
                    differences = {f"{key}_gained": after[key] - before[key] for key in after}
                    rows.append({**names, **after, **differences})
    return pl.DataFrame(rows).drop_nulls() if rows else pl.DataFrame()


def _single(context: Context, run: Run, unseen: str) -> dict[str, float] | None:
    """What one run reaches on the unseen method; None if it was not judged or has no map of it."""
    scores = measure.scores(context.plan, run)
    if scores is None:
        return None
    part = scores.filter(pl.col("score").is_not_null()).filter(against(scores, [unseen]))
    values, labels = (part[name].to_numpy().astype(np.float64) for name in ("score", "label"))
    accuracy = balanced_accuracy_weighted(0.5)(values, labels, np.ones((1, part.height)))[0]
    mass: Any = part.filter(label=1)["mass_inside"].mean()
    return None if mass is None else {"mass": float(mass), "accuracy": float(accuracy)}


def render_gain(context: Context, section: MaskGainSection) -> Rendered:
    """Return whether the runs whose attention moved most into the region gained most accuracy."""
    table, gained = gains(context, section), ("mass_gained", "accuracy_gained")
    if table.height < _FEW:
        return Rendered("", [])
    mass, accuracy = (table[name].to_numpy() for name in gained)
    if not np.ptp(mass) or not np.ptp(accuracy):
        return Rendered("", [])
    found = _spearman(mass, accuracy)
    rng = np.random.default_rng(0)
    members = table.with_row_index().group_by("task", "seed", maintain_order=True).agg("index")["index"].to_list()
    drawn = [np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]) for _ in range(DRAWS)]
    low, high = np.nanpercentile([_spearman(mass[places], accuracy[places]) for places in drawn], (2.5, 97.5))
    means = table.group_by("task", "label", maintain_order=True).agg(pl.len(), pl.col(*gained).mean())
    rows = [(task, label, str(n), f"{moved:+.3f}", f"{won:+.3f}") for task, label, n, moved, won in means.iter_rows()]
    text = (
        f"Over {table.height} stages 2 on top of {len(members)} stages 1, the mass gained inside the region of the "
        f"unseen method's fakes and the accuracy gained on it have a Spearman correlation of {found:.2f} ({low:.2f} to "
        f"{high:.2f}; stages 1 are drawn)."
    )
    head = ("task", "stage 2", "runs", "mass gained", "accuracy gained")
    return Rendered(section_text(section.title or "Gain by masks", text, markdown.table(head, rows)), [])


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return float(spearmanr(first, second).statistic)


def render_curve(context: Context, section: MaskCurveSection) -> Rendered:
    """Return accuracy on the unseen method by the number of masks, chosen actively and at random."""
    rows = _rows(context, section.run_names(), section.seen, section.unseen)
    if not rows or context.file is None:
        return Rendered("", rows)
    table, plan = tables.build(rows), context.plan
    curves: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for kind, names in (("active", section.active), ("random", section.random)):
        every = [(plan.sections[name].masks, plan.label(name)) for name in (section.none, *names)]
        cells = [(masks, row(table, detector=label, set=UNSEEN, metric=ACCURACY)) for masks, label in every]
        curves[kind] = sorted(((masks, cell) for masks, cell in cells if cell), key=lambda point: point[0])
    file = context.figure(".png")
    _draw(curves, file, section.task)
    at = {kind: dict(points) for kind, points in curves.items()}
    counts = sorted({masks for masks, _ in curves["random"] if masks})
    lines = [(str(n), *(number(at[kind].get(n, {}), seeds=True) for kind in curves)) for n in counts]
    shown = markdown.table(("masks", *curves), lines)
    title = section.title or "Active against random selection"
    text = f"Accuracy on the unseen method ({section.task})."
    return Rendered(section_text(title, text, f"![Accuracy by masks]({file.name})", shown), rows)


def _draw(curves: dict[str, list[tuple[int, dict[str, Any]]]], file: Path, task: str) -> None:
    figure, axes = figures.pyplot().subplots(figsize=(6, 3.6))
    for name, points in curves.items():
        masks = [count for count, _ in points]
        value, low, high = ([cells[key] for _, cells in points] for key in ("value", "low", "high"))
        axes.plot(masks, value, marker="o", label=name)
        axes.fill_between(masks, low, high, alpha=0.15)
    axes.set_xlabel("fakes with a mask")
    axes.set_ylabel(f"accuracy, unseen ({task})")
    axes.legend(frameon=False)
    figures.keep(figure, file)
