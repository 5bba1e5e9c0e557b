"""The page of ``facewitness experiments``: one section a table, the curves under degradation, the maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from facewitness import storage
from facewitness.data import manifest as manifests
from facewitness.data.terms import credits
from facewitness.evaluation import requirements, robustness_report
from facewitness.experiments import runs
from facewitness.experiments.trials.judge import REAL_METRICS, REALS, SPOTTED
from facewitness.experiments.trials.recipe import Sheet, TrialsRecipe
from facewitness.media import image
from facewitness.metrics.intervals import DRAWS
from facewitness.reporting import markdown
from facewitness.training.search.run import ALPHAS, CELLS, LOG
from facewitness.types import Image


class Found(NamedTuple):
    """All that a page shows."""

    table: pl.DataFrame  # a row for each number
    curves: pl.DataFrame | None
    maps: Image | None
    clusters: dict[str, Path]  # title of a table -> the figure of its first clustering
    cells: dict[str, Path]  # name of a search -> its folder
    sizes: dict[str, int]  # name of a trial -> the parameters of its net


def write(page: Path, settings: TrialsRecipe, found: Found, command: tuple[str, ...]) -> None:
    """Write the page, and its figures beside it under names that begin with the page's."""
    page.parent.mkdir(parents=True, exist_ok=True)
    facts = [
        f"Manifest: `{settings.manifest}`, SHA-256 `{manifests.digest(Path(settings.manifest))}`",
        f"Intervals: percentile bootstrap, {DRAWS} draws of people",
        *([f"Judged: at most {settings.limit} reals, and as many fakes of each method"] if settings.limit else []),
    ]
    parts = [
        f"# {settings.title}",
        "Written by `facewitness experiments`, not by hand. 95 % intervals over people in parentheses; of *clustered*, "
        "the lowest and the highest of ten draws. Verdicts are at 0.5, both classes counting alike; maps are judged on "
        "fakes, *area* (the share of the map at or above 0.1) on reals, *hull_iou* (with the hull of the landmarks, at "
        "0.5) on both. *mean map* looks at no photograph: it is the mean fakeness of training fakes of the methods it "
        "is judged on. Of a trial with several seeds, each number is the mean over them.",
        f"## What we make of it\n\n*Written by hand, after the tables.* {settings.discussion}"
        if settings.discussion
        else "",
        _trials(settings, found.sizes),
        *(_section(page, sheet, found) for sheet in settings.table),
        _reals(found),
        _cells(page, found),
        _degraded(page, settings, found),
        _maps(page, settings, found),
        markdown.provenance_section(list(command), facts),
    ]
    storage.write_text(page, "\n\n".join(part for part in parts if part) + "\n")


def _trials(settings: TrialsRecipe, sizes: Mapping[str, int]) -> str:
    rows = [
        (
            *(trial.name, f"`{Path(trial.recipe).name}`", trial.after or "-", ", ".join(trial.methods)),
            *(", ".join(trial.set) or "-", trial.cells or "-", str(len(trial.seeds) or 1)),
            markdown.human_count(sizes.get(trial.name)),
        )
        for trial in settings.trial
    ]
    head = ("trial", "recipe", "begins from", "trained on", "changed", "cells", "seeds", "parameters")
    common = f"\n\nOf all: {', '.join(f'`{one}`' for one in settings.common)}." if settings.common else ""
    return "## The trials\n\n" + markdown.table(head, rows) + common


def _cells(page: Path, found: Found) -> str:
    """Figure 8 of ADD: the cells of each search, and how alpha moved."""
    parts = []
    for name, folder in found.cells.items():
        shown = []
        for kind in (CELLS, ALPHAS):
            file = page.with_name(f"{page.stem}-{runs.slug(name)}-{kind}")
            file.write_bytes((folder / kind).read_bytes())
            shown.append(f"![{name}]({file.name})")
        last = [*storage.read_log(folder / LOG).values()][-1]
        parts.append(f"**{name}**: {last['skips']:.0%} of its pairs are skips.\n\n" + "\n\n".join(shown))
    return "## Searched cells\n\n" + "\n\n".join(parts) if parts else ""


def _section(page: Path, sheet: Sheet, found: Found) -> str:
    metrics = [*sheet.metrics, *(["clustered"] if sheet.clustered else [])]
    text = f"{sheet.text}\n\n" if sheet.text else ""
    shown = _rows(sheet.title, metrics, found) or "Not measured."
    figure = found.clusters.get(sheet.title)
    if figure is not None and figure.exists():
        file = page.with_name(f"{page.stem}-{runs.slug(sheet.title)}.png")
        file.write_bytes(figure.read_bytes())
        shown += f"\n\n![Features by t-SNE, the first of these]({file.name})"
    return f"## {sheet.title}\n\n{text}{shown}"


def _reals(found: Found) -> str:
    shown = _rows(REALS, REAL_METRICS, found)
    text = (
        f"Held-out photographs: the share called real, the mean and the median of *area*, and *spotted*, the share of "
        f"photographs whose area is above {SPOTTED:.0%}."
    )
    return f"## {REALS}\n\n{text}\n\n{shown}" if shown else ""


def _rows(title: str, metrics: Sequence[str], found: Found) -> str:
    """A table of ``found``, a line for each trial and group; empty if nothing was measured."""
    rows = []
    own = found.table.filter(pl.col("table") == title)
    for (trial, group), part in own.group_by(["trial", "judged"], maintain_order=True):
        at = {row["metric"]: row for row in part.iter_rows(named=True)}
        first = part.row(0, named=True)
        cells = (requirements.number(at.get(metric, {})) for metric in metrics)
        rows.append((str(trial), str(group), f"{first['n_real']} / {first['n_fake']}", *cells))
    return markdown.table(("trial", "judged on", "real / fake", *metrics), rows) if rows else ""


def _degraded(page: Path, settings: TrialsRecipe, found: Found) -> str:
    if found.curves is None:
        return ""
    file = page.with_name(f"{page.stem}-degraded.png")
    return robustness_report.section(found.curves, file, f"{settings.degraded}, degraded")


def _maps(page: Path, settings: TrialsRecipe, found: Found) -> str:
    if found.maps is None:
        return ""
    file = page.with_name(f"{page.stem}-maps.jpg")
    file.write_bytes(
        image.encode(found.maps, "jpeg:88", synthetic="Forgeries and the maps that detectors draw of them")
    )
    return (
        f"## Maps\n\n![Forgery, its fakeness, and the map of each trial laid over it]({file.name})\n\n"
        f"Held-out fakes of people who consented to be shown in altered form; each map, and the fakeness, is scaled to "
        f"its maximum, which stands in the corner of maps. "
        f"Trials: {', '.join(settings.shown)}. Credits: {credits()}."
    )
