"""The page of LAE's experiments: the paper's tables on our data, the claim as a number, and figure 5 as a picture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, spearmanr

from facewitness import storage
from facewitness.data import manifest as manifests
from facewitness.data.terms import credits
from facewitness.experiments.page import number, row
from facewitness.experiments.standings import SEEN, UNSEEN
from facewitness.media import image
from facewitness.metrics.intervals import DRAWS
from facewitness.reporting import figures, markdown
from facewitness.types import Image

if TYPE_CHECKING:
    from facewitness.experiments.lae import Task


class Text(NamedTuple):
    """What the page says beside its numbers."""

    title: str
    discussion: str
    command: tuple[str, ...]
    sizes: tuple[str, ...]  # what was trained for how long


_FEW = 4  # points, for which a correlation says nothing
_MAIN = ("table 3", "control")
_CLAIM = ("mass_inside", "pointing", "pixel_auc")


def write(
    page: Path,
    table: pl.DataFrame,
    gains: pl.DataFrame,
    tasks: Sequence[Task],
    sheets: Mapping[str, Image | None],
    text: Text,
    manifest: Path,
) -> None:
    """Write the page, and beside it figure 5 as a PNG of the same name and each task's sheet of maps as a JPEG."""
    page.parent.mkdir(parents=True, exist_ok=True)
    figure = page.with_suffix(".png")
    parts = [
        f"# {text.title}",
        "Written by `facewitness lae experiments`, not by hand. 95 % intervals over people in parentheses; between "
        "square brackets the lowest and the highest of the seeds.",
        *(_table_3(table, task) for task in tasks),
        f"## What we make of it\n\n*Written by hand, after the tables.* {text.discussion}" if text.discussion else "",
        *(_claim(table, task) + _figures_3_4(page, task, sheets[task.name]) for task in tasks),
        _correlation(gains),
        *(_others(table.filter(task=task.name), "remedies", f"What else was tried, {task.name}") for task in tasks),
        _others(table, "table 4", "Tables 4 and 5: other stages 1"),
        _figure_5(table, figure),
        _others(table, "table 6", "Table 6: other stages 2, with the most masks"),
        markdown.provenance_section(
            list(text.command),
            [
                f"Manifest: `{manifest}`, SHA-256 `{manifests.digest(manifest)}`",
                *text.sizes,
                f"Intervals: percentile bootstrap, {DRAWS} draws of people, the same for every seed of a model",
                "Masks were answered by the manifest's regions; `selection.json` of every run counts them",
            ],
        ),
    ]
    storage.write_text(page, "\n\n".join(part for part in parts if part) + "\n")


def _table_3(table: pl.DataFrame, task: Task) -> str:
    own = table.filter((pl.col("task") == task.name) & pl.col("kind").is_in(_MAIN))
    head = ("model", "masks", "seeds", f"accuracy seen: {task.seen}", f"accuracy unseen: {task.unseen}")
    rows = []
    for label in own["detector"].unique(maintain_order=True):
        numbers = own.filter(pl.col("detector") == label)
        first = numbers.row(0, named=True)
        cells = [number(row(numbers, label, kind, "accuracy"), spread=True) for kind in (SEEN, UNSEEN)]
        cells += [number(row(numbers, label, kind, "auc")) for kind in (SEEN, UNSEEN)]
        masks = first["masks"] if first["kind"] == "table 3" else 0
        rows.append((label, str(masks or "-"), str(first["seeds"]), *cells))
    return f"## Table 3, {task.name}\n\n{markdown.table((*head, 'AUC seen', 'AUC unseen'), rows)}"


def _claim(table: pl.DataFrame, task: Task) -> str:
    """Where the attention lies, before and after stage 2."""
    own = table.filter((pl.col("task") == task.name) & pl.col("kind").is_in(_MAIN))
    rows = []
    for label in own["detector"].unique(maintain_order=True):
        numbers = own.filter(pl.col("detector") == label)
        cells = [number(row(numbers, label, kind, metric)) for metric in _CLAIM for kind in (SEEN, UNSEEN)]
        if any(cell != "-" for cell in cells):
            rows.append((label, *cells))
    if not rows:
        return ""
    head = ("model", *(f"{metric.replace('_', ' ')}, {kind}" for metric in _CLAIM for kind in (SEEN, UNSEEN)))
    text = (
        "Of held-out fakes: the share of the attention map's sum that lies inside the forged region, how often its "
        "brightest pixel does, and the AUC of its pixels."
    )
    return f"## Where it looks, {task.name}\n\n{text}\n\n{markdown.table(head, rows)}"


def _correlation(gains: pl.DataFrame) -> str:
    """Whether the runs whose attention moved most into the region gained most."""
    mass, accuracy = (gains[name].to_numpy() for name in ("mass_gained", "accuracy_gained"))
    if gains.height < _FEW or not np.ptp(mass) or not np.ptp(accuracy):
        return ""
    found = _spearman(mass, accuracy)
    rng = np.random.default_rng(0)
    members = gains.with_row_index().group_by("task", "seed", maintain_order=True).agg("index")["index"].to_list()
    drawn = [np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]) for _ in range(DRAWS)]
    low, high = np.nanpercentile([_spearman(mass[places], accuracy[places]) for places in drawn], (2.5, 97.5))
    means = gains.group_by("task", "label", maintain_order=True).agg(
        pl.len(), pl.col("mass_gained").mean(), pl.col("accuracy_gained").mean()
    )
    rows = [(task, label, str(n), f"{moved:+.3f}", f"{won:+.3f}") for task, label, n, moved, won in means.iter_rows()]
    text = (
        f"Over {gains.height} stages 2 on top of {len(members)} stages 1, the mass gained inside the region of the "
        f"unseen method's fakes and the accuracy gained on it have a Spearman correlation of {found:.2f} ({low:.2f} to "
        f"{high:.2f}; stages 1 are drawn)."
    )
    head = ("task", "stage 2", "runs", "mass gained", "accuracy gained")
    return f"## Does looking right help?\n\n{text}\n\n{markdown.table(head, rows)}"


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return float(spearmanr(one, other).statistic)


def _figures_3_4(page: Path, task: Task, shown: Image | None) -> str:
    if shown is None:
        return ""
    file = page.with_name(f"{page.stem}-{task.name}.jpg")
    file.write_bytes(image.encode(shown, "jpeg:88", synthetic=f"Forgeries and where detectors look, task {task.name}"))
    return (
        f"\n\n![Where the detectors look]({file.name})\n\n"
        "Held-out fakes, three of each method, and where each model looks (first seeds; every map scaled to its "
        f"maximum). Only adults who consented to be shown in altered form: {credits()}."
    )


def _others(table: pl.DataFrame, kind: str, title: str) -> str:
    own = table.filter(pl.col("kind") == kind)
    rows = []
    for label in own["detector"].unique(maintain_order=True):
        numbers = own.filter(pl.col("detector") == label)
        cells = [number(row(numbers, label, part, "accuracy"), spread=True) for part in (SEEN, UNSEEN)]
        cells += [number(row(numbers, label, part, "mass_inside")) for part in (SEEN, UNSEEN)]
        rows.append((label, str(numbers["seeds"][0]), *cells))
    if not rows:
        return ""
    head = ("model", "seeds", "accuracy seen", "accuracy unseen", "mass inside, seen", "mass inside, unseen")
    return f"## {title}\n\n{markdown.table(head, rows)}"


def _figure_5(table: pl.DataFrame, file: Path) -> str:
    """Accuracy on the unseen method by the number of masks, chosen actively and at random."""
    random = table.filter(pl.col("kind") == "figure 5")
    if not random.height:
        return ""
    task = random["task"][0]
    active = table.filter((pl.col("task") == task) & (pl.col("kind") == "table 3") & (pl.col("masks") > 0))
    none = table.filter((pl.col("task") == task) & (pl.col("kind") == "table 3") & (pl.col("masks") == 0))
    none = none.filter(pl.col("detector").str.starts_with("LAE"))
    curves = {"active": pl.concat([none, active]), "random": pl.concat([none, random])}
    _draw(curves, file, task)
    rows = []
    for count in random["masks"].unique().sort():
        cells = [
            number(row(part, part.filter(pl.col("masks") == count)["detector"][0], UNSEEN, "accuracy"), spread=True)
            for part in curves.values()
        ]
        rows.append((str(count), *cells))
    shown = markdown.table(("masks", "active", "random"), rows)
    return f"## Figure 5: whom to ask\n\nAccuracy on the unseen method ({task}).\n\n![]({file.name})\n\n{shown}"


def _draw(curves: dict[str, pl.DataFrame], file: Path, task: str) -> None:
    figure, axes = figures.pyplot().subplots(figsize=(6, 3.6))
    for name, part in curves.items():
        own = part.filter((pl.col("slice") == UNSEEN) & (pl.col("metric") == "accuracy")).sort("masks")
        axes.plot(own["masks"], own["value"], marker="o", label=name)
        axes.fill_between(own["masks"], own["low"], own["high"], alpha=0.15)
    axes.set_xlabel("fakes with a mask")
    axes.set_ylabel(f"accuracy, unseen ({task})")
    axes.legend(frameon=False)
    figures.keep(figure, file)
