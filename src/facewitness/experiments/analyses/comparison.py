"""Detectors trained alike: ranking on seen and unseen methods, by family and method, beside the papers' figures.

``comparison.md.jinja`` has the words.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facewitness.detectors import cards
from facewitness.evaluation import tables
from facewitness.evaluation.tables import number, row
from facewitness.experiments import measure
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.sections import ComparisonSection
from facewitness.experiments.seen_unseen import ACCURACY, GAP, SEEN, UNSEEN, seen_unseen_rows
from facewitness.reporting import figures, markdown, templates
from facewitness.types import Card


class Trained(NamedTuple):
    """How large a detector is, and how it was trained."""

    card: Card
    recipe: Mapping[str, Any]
    epochs: list[int]  # of each seed


def render(context: Context, section: ComparisonSection) -> Rendered:
    """Return the comparison's tables and its plot."""
    plan = context.plan
    judged = measure.judged(plan, section.runs or plan.trainings())
    rows = [row for name, scores in judged.items() for row in seen_unseen_rows(plan.label(name), scores, section.seen)]
    if not rows:
        return Rendered("", [])
    table = tables.build(rows)
    if context.file is None:
        return Rendered("", rows)
    order = _order(table)
    trained = {plan.label(name): _trained(plan.trained(name)) for name in judged}
    reported = {plan.label(name): run.reported for name, run in plan.sections.items() if run.reported}
    figure = context.figure(".png")
    plot(table, order, figure)
    families = _sets(table, "family ")
    methods = sorted(_sets(table, "method "), key=lambda name: (name not in section.seen, name))
    text = templates.render(
        "facewitness.experiments.analyses",
        "comparison.md.jinja",
        seen=section.seen,
        first=_row(table, table["detector"][0], SEEN, "auc"),
        unseen=row(table, set=UNSEEN, metric="auc"),
        figure=figure,
        ranking=list(_ranking(table, order, trained)),
        families=families,
        by_family=_aucs(table, order, [f"family {name}" for name in families]),
        methods=[f"**{name}**" if name in section.seen else name for name in methods],
        by_method=_aucs(table, order, [f"method {name}" for name in methods], bare=True),
        reported=list(_reported(table, order, reported)),
        settings=[_settings(name, trained[name]) for name in order],
    )
    return Rendered(text, rows)


def plot(table: pl.DataFrame, order: Sequence[str], file: Path) -> None:
    """Draw seen and unseen AUC of each detector with intervals, and a dot for each unseen family."""
    names = list(reversed(order))
    figure, axes = figures.pyplot().subplots(figsize=(8.5, 1.2 + 0.27 * len(names)))
    for place, family in enumerate(_sets(table, "family ")):
        values: list[Any] = [_row(table, name, f"family {family}", "auc").get("value") for name in names]
        axes.scatter(values, range(len(names)), s=14, color=f"C{place + 2}", alpha=0.7, label=f"unseen: {family}")
    for kind, colour, marker in ((SEEN, "#222222", "s"), (UNSEEN, "#c0392b", "o")):
        for place, name in enumerate(names):
            cells = _row(table, name, kind, "auc")
            if cells and cells["value"] is not None:
                low, high = (cells[end] if cells[end] is not None else cells["value"] for end in ("low", "high"))
                axes.plot([low, high], [place, place], color=colour, linewidth=2, zorder=3)
                label = {SEEN: "seen", UNSEEN: "all unseen"}[kind] if place == 0 else None
                axes.scatter([cells["value"]], [place], s=30, color=colour, marker=marker, label=label, zorder=4)
    axes.axvline(0.5, color="#999999", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlabel("AUC (0.5: a guess); bars: 95 % intervals over people")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.07 - 0.6 / len(names)), ncols=4, frameon=False, fontsize=8)
    figures.keep(figure, file)


def _row(table: pl.DataFrame, detector: str, name: str, metric: str) -> dict[str, Any]:
    return row(table, detector=detector, set=name, metric=metric)


def _sets(table: pl.DataFrame, prefix: str) -> list[str]:
    names = table["set"].unique(maintain_order=True)
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def _order(table: pl.DataFrame) -> list[str]:
    """Detectors, the best on unseen methods first."""
    unseen = table.filter(set=UNSEEN, metric="auc")
    ranked = unseen.sort("value", descending=True, nulls_last=True)["detector"].to_list()
    return ranked or table["detector"].unique(maintain_order=True).to_list()


def _aucs(table: pl.DataFrame, order: Sequence[str], sets: Sequence[str], *, bare: bool = False) -> list[list[str]]:
    """A line for each detector, with its AUC on each set."""
    return [[one, *(number(_row(table, one, name, "auc"), bare=bare) for name in sets)] for one in order]


def _ranking(table: pl.DataFrame, order: Sequence[str], trained: Mapping[str, Trained]) -> Iterator[list[str]]:
    for name in order:
        card = trained[name].card
        cells = [number(_row(table, name, kind, "auc"), seeds=True) for kind in (SEEN, UNSEEN, GAP)]
        cells += [number(_row(table, name, kind, ACCURACY)) for kind in (SEEN, UNSEEN)]
        cells.append(number(_row(table, name, UNSEEN, "false_positive_rate@0.5")))
        sizes = (markdown.human_count(card.parameters), markdown.human_count(card.macs))
        yield [name, *sizes, str(_row(table, name, UNSEEN, "auc").get("n_seeds", "-")), *cells]


def _reported(table: pl.DataFrame, order: Sequence[str], reported: Mapping[str, str]) -> Iterator[list[str]]:
    for name in (name for name in order if name in reported):
        ours = (number(_row(table, name, kind, ACCURACY), bare=True) for kind in (SEEN, UNSEEN))
        yield [name, " / ".join(ours), reported[name]]


def _settings(name: str, trained: Trained) -> list[str]:
    card, recipe, epochs = trained
    optim, data = recipe["optim"], recipe["data"]
    cells = [name, str(card.crop.size_px)]
    if optim["optimizer"] == "svm":
        return [*cells, "hinge", "solved", "-", f"{data['paired']:.0%}", "-", "-"]
    crops = [2 * data["pairs_per_epoch"] * count for count in epochs]
    return [
        *(*cells, recipe["loss"]["kind"], f"{optim['optimizer']} {optim['rate']:g}", str(2 * optim["batch_pairs"])),
        *(f"{data['paired']:.0%}", _between(epochs), _between(crops)),
    ]


def _trained(folders: Sequence[Path]) -> Trained:
    recipe = json.loads((folders[0] / "recipe.json").read_text(encoding="utf-8"))
    return Trained(cards.read(folders[0]), recipe, [_epochs(folder) for folder in folders])


def _epochs(folder: Path) -> int:
    """The epochs in a run's log, whatever it was resumed from."""
    seen = set()
    for file in folder.glob("metrics*.csv"):
        log = pl.read_csv(file, infer_schema_length=None)
        if {"epoch", "val_loss"} <= set(log.columns):
            seen |= set(log.filter(pl.col("val_loss").is_not_null())["epoch"].to_list())
    return len(seen)


def _between(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"
