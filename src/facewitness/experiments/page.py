"""The page of a comparison: one table with intervals, one by family, the papers' own figures, and a plot beside it.

Numbers come from ``standings`` and from run folders. The discussion is the recipe's: written by a person, and the page
says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facewitness import storage
from facewitness.data import manifest as manifests
from facewitness.detectors import cards
from facewitness.evaluation import requirements
from facewitness.experiments.standings import FALL, SEEN, UNSEEN
from facewitness.metrics.intervals import DRAWS
from facewitness.reporting import figures, markdown
from facewitness.types import Card


class Text(NamedTuple):
    """What a page says beside its numbers."""

    title: str
    discussion: str
    reported: Mapping[str, str]
    failures: Mapping[str, str]
    command: tuple[str, ...]


class Trained(NamedTuple):
    """How large a detector is, and how it was trained."""

    card: Card
    recipe: Mapping[str, Any]
    epochs: list[int]  # of each seed


def write(
    page: Path,
    table: pl.DataFrame,
    folders: Mapping[tuple[str, int], Path],
    seen: Sequence[str],
    text: Text,
    manifest: Path,
) -> None:
    """Write the page, and its plot as a PNG of the same name beside it. ``folders`` are runs by detector and seed."""
    order = _order(table)
    trained = {name: _trained([folder for (of, _), folder in folders.items() if of == name]) for name in order}
    page.parent.mkdir(parents=True, exist_ok=True)
    figure = page.with_suffix(".png")
    plot(table, order, figure)
    parts = [
        f"# {text.title}",
        _head(table, seen),
        f"![AUC on seen and unseen methods]({figure.name})",
        _standings(table, order, trained),
        f"## What we make of it\n\n*Written by hand, after the table.* {text.discussion}" if text.discussion else "",
        _families(table, order),
        _methods(table, order, seen),
        _reported(table, order, text.reported),
        _recipes(order, trained),
        _failed(text.failures),
        markdown.provenance_section(
            text.command,
            [
                f"Manifest: `{manifest}`, SHA-256 `{manifests.digest(manifest)}`",
                f"Intervals: percentile bootstrap, {DRAWS} draws of people, the same for every seed of a detector; "
                "95 %",
                "Between square brackets: the lowest and the highest of the seeds",
            ],
        ),
    ]
    storage.write_text(page, "\n\n".join(part for part in parts if part) + "\n")


def plot(table: pl.DataFrame, order: Sequence[str], file: Path) -> None:
    """Seen and unseen AUC of each detector with intervals, and a dot for each unseen family."""
    names = list(reversed(order))
    figure, axes = figures.pyplot().subplots(figsize=(8.5, 1.2 + 0.27 * len(names)))
    families = [name for name in table["slice"].unique(maintain_order=True) if name.startswith("family ")]
    for number, family in enumerate(families):
        values: list[Any] = [row(table, name, family, "auc").get("value") for name in names]
        label = family.removeprefix("family ")
        colour = f"C{number + 2}"
        axes.scatter(values, range(len(names)), s=14, color=colour, alpha=0.7, label=f"unseen: {label}", zorder=2)
    for kind, colour, marker in ((SEEN, "#222222", "s"), (UNSEEN, "#c0392b", "o")):
        for place, name in enumerate(names):
            found = row(table, name, kind, "auc")
            if found and found["value"] is not None:
                low, high = (found[end] if found[end] is not None else found["value"] for end in ("low", "high"))
                axes.plot([low, high], [place, place], color=colour, linewidth=2, zorder=3)
                label = {SEEN: "seen", UNSEEN: "all unseen"}[kind] if place == 0 else None
                axes.scatter([found["value"]], [place], s=30, color=colour, marker=marker, label=label, zorder=4)
    axes.axvline(0.5, color="#999999", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlabel("AUC (0.5: a guess); bars: 95 % intervals over people")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.07 - 0.6 / len(names)), ncols=4, frameon=False, fontsize=8)
    figures.keep(figure, file)


def _order(table: pl.DataFrame) -> list[str]:
    """Detectors, the best on unseen methods first."""
    unseen = table.filter((pl.col("slice") == UNSEEN) & (pl.col("metric") == "auc"))
    ranked = unseen.sort("value", descending=True, nulls_last=True)["detector"].to_list()
    return ranked or table["detector"].unique(maintain_order=True).to_list()


def _head(table: pl.DataFrame, seen: Sequence[str]) -> str:
    one = table.filter((pl.col("slice") == UNSEEN) & (pl.col("metric") == "auc"))
    counts = f"{one['n_real'][0]} real and {one['n_fake'][0]} forged photographs" if one.height else "no photographs"
    known = row(table, table["detector"][0], SEEN, "auc")
    return (
        f"Every detector was trained on the same reals and on fakes of {', '.join(seen)} only, and judged by the same "
        f"code on people it has not seen: {known.get('n_real', 0)} real and {known.get('n_fake', 0)} forged "
        f"photographs for the seen methods, {counts} for all others. Written by `facewitness compare`, not by hand."
    )


def _standings(table: pl.DataFrame, order: Sequence[str], trained: Mapping[str, Trained]) -> str:
    head = (
        "detector",
        "parameters",
        "MACs",
        "seeds",
        "AUC seen",
        "AUC unseen",
        "fall",
        "accuracy seen",
        "accuracy unseen",
        "reals called fake",
    )
    rows = []
    for name in order:
        card = trained[name].card
        auc = row(table, name, UNSEEN, "auc")
        cells = [number(row(table, name, kind, "auc"), spread=True) for kind in (SEEN, UNSEEN, FALL)]
        cells += [number(row(table, name, kind, "accuracy")) for kind in (SEEN, UNSEEN)]
        cells.append(number(row(table, name, UNSEEN, "false_positives")))
        size = (markdown.human_count(card.parameters), markdown.human_count(card.macs))
        rows.append((name, *size, str(auc.get("seeds", "-")), *cells))
    text = (
        "In the order of the AUC on unseen methods. *Fall*: AUC seen less AUC unseen. Accuracy is at a score of 0.5, "
        "reals and fakes counting alike, as the papers give it; *reals called fake* at the same score, over the reals "
        "that stand against the unseen methods."
    )
    return f"## Standings\n\n{text}\n\n{markdown.table(head, rows)}"


def _families(table: pl.DataFrame, order: Sequence[str]) -> str:
    names = [name for name in table["slice"].unique(maintain_order=True) if name.startswith("family ")]
    if not names:
        return ""
    head = ("detector", *(name.removeprefix("family ") for name in names))
    rows = [(one, *(number(row(table, one, name, "auc")) for name in names)) for one in order]
    return "## Unseen methods by family\n\nAUC.\n\n" + markdown.table(head, rows)


def _methods(table: pl.DataFrame, order: Sequence[str], seen: Sequence[str]) -> str:
    names = [name for name in table["slice"].unique(maintain_order=True) if name.startswith("method ")]
    methods = sorted((name.removeprefix("method ") for name in names), key=lambda name: (name not in seen, name))
    head = ("detector", *(f"**{name}**" if name in seen else name for name in methods))
    rows = [(one, *(number(row(table, one, f"method {name}", "auc"), bare=True) for name in methods)) for one in order]
    text = "AUC, without intervals (they are in `standings.csv`). Bold: trained on."
    return f"## Every method\n\n{text}\n\n" + markdown.table(head, rows)


def _reported(table: pl.DataFrame, order: Sequence[str], reported: Mapping[str, str]) -> str:
    rows = []
    for name in order:
        if reported.get(name):
            ours = " / ".join(number(row(table, name, kind, "accuracy"), bare=True) for kind in (SEEN, UNSEEN))
            rows.append((name, ours, reported[name]))
    if not rows:
        return ""
    text = (
        "Not the same data: the papers train on thousands of videos at full size, we on a small test bed. What can be "
        "compared is the order of the detectors and the size of the fall."
    )
    head = ("detector", "ours: accuracy seen / unseen", "reported")
    return f"## Beside the papers' figures\n\n{text}\n\n{markdown.table(head, rows)}"


def _recipes(order: Sequence[str], trained: Mapping[str, Trained]) -> str:
    head = ("detector", "input px", "loss", "optimiser", "batch", "paired", "epochs", "crops seen")
    rows = []
    for name in order:
        one = trained[name]
        optim, data = one.recipe["optim"], one.recipe["data"]
        solved = optim["optimizer"] == "svm"
        crops = [2 * data["pairs_per_epoch"] * epochs for epochs in one.epochs]
        rows.append(
            (
                name,
                str(one.card.crop.size_px),
                "hinge" if solved else one.recipe["loss"]["kind"],
                "solved" if solved else f"{optim['optimizer']} {optim['rate']:g}",
                "-" if solved else str(2 * optim["batch_pairs"]),
                f"{data['paired']:.0%}",
                "-" if solved else _between(one.epochs),
                "-" if solved else _between(crops),
            )
        )
    text = (
        "What every detector was trained with here. Their papers' settings are in `recipes/zoo`. *Paired*: how often a "
        "fake stood beside its own original."
    )
    return f"## Sizes and settings\n\n{text}\n\n{markdown.table(head, rows)}"


def _failed(failures: Mapping[str, str]) -> str:
    if not failures:
        return ""
    return "## Failed\n\n" + markdown.table(("run", "why"), failures.items())


def _trained(folders: Sequence[Path]) -> Trained:
    recipe = json.loads((folders[0] / "recipe.json").read_text(encoding="utf-8"))
    return Trained(cards.read(folders[0]), recipe, [_epochs(folder) for folder in folders])


def _epochs(folder: Path) -> int:
    """Epochs in a run's log, whatever it was resumed from."""
    seen = set()
    for file in folder.glob("metrics*.csv"):
        log = pl.read_csv(file, infer_schema_length=None)
        if {"epoch", "val_loss"} <= set(log.columns):
            seen |= set(log.filter(pl.col("val_loss").is_not_null())["epoch"].to_list())
    return len(seen)


def _between(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def row(table: pl.DataFrame, detector: str, kind: str, metric: str) -> dict[str, Any]:
    """The row of a number; {} if the table has none."""
    same = (pl.col("detector") == detector) & (pl.col("slice") == kind) & (pl.col("metric") == metric)
    found = table.filter(same)
    return found.row(0, named=True) if found.height else {}


def number(of: Mapping[str, Any], *, spread: bool = False, bare: bool = False) -> str:
    """``0.950 (0.931-0.964) [0.945-0.955]``; what does not exist is left out, or a dash."""
    if bare and of and of["value"] is not None:
        return f"{of['value']:.3f}"
    shown = requirements.number(of)
    if spread and of and of["seeds"] > 1 and of["value"] is not None:
        shown += f" [{of['lowest']:.3f}-{of['highest']:.3f}]"
    return shown
