"""Detectors trained alike: ranking on seen and unseen methods, by family and method, beside the papers' figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facewitness.detectors import cards
from facewitness.evaluation import tables
from facewitness.evaluation.tables import number, row
from facewitness.experiments import measure
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.sections import ComparisonSection
from facewitness.experiments.seen_unseen import GAP, SEEN, UNSEEN, seen_unseen_rows
from facewitness.reporting import figures, markdown
from facewitness.reporting.report import section as section_text
from facewitness.types import Card

ACCURACY = "balanced_accuracy@0.5"


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
    assert figure is not None
    plot(table, order, figure)
    parts = [
        _head(table, section.seen),
        f"![AUC on seen and unseen methods]({figure.name})",
        _ranking(table, order, trained),
        _families(table, order),
        _methods(table, order, section.seen),
        _reported(table, order, reported),
        _settings(order, trained),
    ]
    return Rendered("\n\n".join(part for part in parts if part), rows)


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


def _head(table: pl.DataFrame, seen: Sequence[str]) -> str:
    unseen = table.filter(set=UNSEEN, metric="auc")
    counts = f"{unseen['n_real'][0]} real and {unseen['n_fake'][0]} forged photographs" if unseen.height else "none"
    cells = _row(table, table["detector"][0], SEEN, "auc")
    return (
        f"Every detector was trained on the same reals and on fakes of {', '.join(seen)} only, and judged by the same "
        f"code on people it has not seen: {cells.get('n_real', 0)} real and {cells.get('n_fake', 0)} forged "
        f"photographs for the seen methods, {counts} for all others."
    )


def _ranking(table: pl.DataFrame, order: Sequence[str], trained: Mapping[str, Trained]) -> str:
    head = (
        *("detector", "parameters", "MACs", "seeds", "AUC seen", "AUC unseen", "generalization gap"),
        *("accuracy seen", "accuracy unseen", "reals called fake"),
    )
    rows = []
    for name in order:
        card = trained[name].card
        cells = [number(_row(table, name, kind, "auc"), seeds=True) for kind in (SEEN, UNSEEN, GAP)]
        cells += [number(_row(table, name, kind, ACCURACY)) for kind in (SEEN, UNSEEN)]
        cells.append(number(_row(table, name, UNSEEN, "false_positive_rate@0.5")))
        sizes = (markdown.human_count(card.parameters), markdown.human_count(card.macs))
        rows.append((name, *sizes, str(_row(table, name, UNSEEN, "auc").get("n_seeds", "-")), *cells))
    text = (
        "Ranked by AUC on unseen methods. *Generalization gap*: AUC seen less AUC unseen. Accuracy is at a score of "
        "0.5, reals and fakes counting alike, as in the papers; *reals called fake* at the same score, over the reals "
        "that stand against the unseen methods."
    )
    return section_text("Comparison", text, markdown.table(head, rows))


def _families(table: pl.DataFrame, order: Sequence[str]) -> str:
    names = _sets(table, "family ")
    if not names:
        return ""
    rows = [(one, *(number(_row(table, one, f"family {name}", "auc")) for name in names)) for one in order]
    return section_text("Unseen methods by family", "AUC.", markdown.table(("detector", *names), rows))


def _methods(table: pl.DataFrame, order: Sequence[str], seen: Sequence[str]) -> str:
    methods = sorted(_sets(table, "method "), key=lambda name: (name not in seen, name))
    head = ("detector", *(f"**{name}**" if name in seen else name for name in methods))
    rows = [(one, *(number(_row(table, one, f"method {name}", "auc"), bare=True) for name in methods)) for one in order]
    text = "AUC, without intervals (they are in `table.csv`). Bold: trained on."
    return section_text("Every method", text, markdown.table(head, rows))


def _reported(table: pl.DataFrame, order: Sequence[str], reported: Mapping[str, str]) -> str:
    rows = []
    for name in (name for name in order if name in reported):
        ours = " / ".join(number(_row(table, name, kind, ACCURACY), bare=True) for kind in (SEEN, UNSEEN))
        rows.append((name, ours, reported[name]))
    if not rows:
        return ""
    text = (
        "Not the same data: the papers train on thousands of videos at full size, this experiment on a small benchmark "
        "set. What can be compared is the order of the detectors and the size of the gap."
    )
    head = ("detector", "ours: accuracy seen / unseen", "reported")
    return section_text("Beside the papers' figures", text, markdown.table(head, rows))


def _settings(order: Sequence[str], trained: Mapping[str, Trained]) -> str:
    head = ("detector", "input px", "loss", "optimiser", "batch", "paired", "epochs", "crops seen")
    rows = []
    for name in order:
        card, recipe, epochs = trained[name]
        optim, data = recipe["optim"], recipe["data"]
        solved = optim["optimizer"] == "svm"
        crops = [2 * data["pairs_per_epoch"] * count for count in epochs]
        rows.append(
            (
                name,
                str(card.crop.size_px),
                "hinge" if solved else recipe["loss"]["kind"],
                "solved" if solved else f"{optim['optimizer']} {optim['rate']:g}",
                "-" if solved else str(2 * optim["batch_pairs"]),
                f"{data['paired']:.0%}",
                "-" if solved else _between(epochs),
                "-" if solved else _between(crops),
            )
        )
    text = (
        "What every detector was trained with here; the papers' settings are in the recipes `zoo/NAME`. *Paired*: how "
        "often a fake stood beside its own original."
    )
    return section_text("Sizes and settings", text, markdown.table(head, rows))


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
