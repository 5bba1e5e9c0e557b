"""``facewitness robustness``: how far a detector and its map hold under what the world does to pictures.

From the rows of ``evaluation.robustness`` to one table: every number at every level, as it is and as gamma, its share
of the undamaged one (FakeLocator, figures 13 and 15), with intervals over people; and a page with curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facewitness import storage
from facewitness.data import manifest as manifests
from facewitness.evaluation import requirements, tables
from facewitness.evaluation.robustness import DISORGANISED, INSIDE, MAPS, UNDAMAGED, measure
from facewitness.media.degrade import OPERATORS
from facewitness.metrics import seeds
from facewitness.metrics.detection import (
    Numbers,
    auc_weighted,
    balanced_accuracy_weighted,
    called_weighted,
    eer_weighted,
)
from facewitness.metrics.intervals import DRAWS, Interval, bootstrap, bootstrap_mean
from facewitness.reporting import figures, markdown

TABLE = "curves.parquet"
SCHEMA: Mapping[str, Any] = {
    "operator": pl.String,
    "level": pl.Int64,
    "metric": pl.String,  # of the verdict (accuracy at 0.5), of fakes' maps, and ``area`` of reals'
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "gamma": pl.Float64,  # of the undamaged value
    "n_real": pl.Int64,
    "n_fake": pl.Int64,
}
_SHOWN = ("accuracy", "auc", "coss", "psnr", "ssim", "iou")


def robustness(
    manifest: Path,
    detector: str | Path,
    out: Path,
    *,
    page: Path | None = None,
    command: Sequence[str] = (),
    **options: Any,
) -> Path:
    """Measure (``evaluation.robustness.measure`` says what ``options`` are) and write ``out/curves.csv``, and the page.

    Raises:
        ManifestError, CardError, ValueError: as ``measure`` does.
    """
    rows = pl.read_parquet(measure(manifest, detector, out, **options).read_bytes())
    table = curves(rows)
    tables.write(table, out / TABLE)
    if page is not None:
        _write(page, rows, table, manifest, str(detector), command)
    return (out / TABLE).with_suffix(".csv")


def curves(rows: pl.DataFrame) -> pl.DataFrame:
    """The table (``SCHEMA``) of the rows of one detector."""
    judged = rows.filter(pl.col("status") == "ok")
    found: list[dict[str, Any]] = []
    for (operator, level), part in judged.group_by(["operator", "level"], maintain_order=True):
        found += _numbers(str(operator), int(str(level)), part)
    undamaged = {row["metric"]: row["value"] for row in found if row["operator"] == UNDAMAGED}
    for row in found:
        base = undamaged.get(row["metric"])
        row["gamma"] = row["value"] / base if base else None
    return pl.DataFrame(found, SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))


def _numbers(operator: str, level: int, part: pl.DataFrame) -> list[dict[str, Any]]:
    labels = part["label"].to_numpy()
    counts = {"n_real": int((labels == 0).sum()), "n_fake": int(labels.sum())}
    named = {"operator": operator, "level": level, **counts}
    return [{**named, "metric": metric, **interval._asdict()} for metric, interval in numbers(part).items()]


def numbers(*parts: pl.DataFrame) -> dict[str, Interval]:
    """Every metric that some rows (one for each photograph) allow: of the verdict, of fakes' maps, of reals' area.

    Several tables are those of a detector's seeds, photograph by photograph: each number is the mean over them.
    """
    first = parts[0]
    labels, people = first["label"].to_numpy().astype(np.float64), first["person"].to_list()
    scores = np.stack([part["score"].to_numpy() for part in parts])
    everyone = np.ones(len(labels), bool)
    verdicts = {
        name: seeds.over_seeds(seeds.on(scores, everyone, metric)) for name, metric in _verdicts(labels).items()
    }
    found = bootstrap(verdicts, scores[0], labels, people)
    for metric in ("area", "recall", "hull_iou", *MAPS, *INSIDE):
        asked = {"area": [0], "hull_iou": [0, 1]}.get(metric, [1])
        own = pl.col("label").is_in(asked) & pl.all_horizontal(pl.lit(part[metric].is_not_null()) for part in parts)
        kept = [part.filter(own) for part in parts]
        if kept[0].height:
            values = np.stack([part[metric].to_numpy() for part in kept]).mean(0)
            found[metric] = bootstrap_mean(values, kept[0]["person"].to_list())
    return found


def _verdicts(labels: Numbers) -> dict[str, Any]:
    """Metrics of the verdict that the classes at hand allow."""

    found: dict[str, Any] = {}
    if (labels == 0).any():
        alarms = called_weighted(0, 0.5)
        found["real_accuracy"] = lambda s, y, w: 1 - alarms(s, y, w)
    if (labels == 1).any():
        found["fake_accuracy"] = called_weighted(1, 0.5)
    if len(found) == 2:
        found["accuracy"] = balanced_accuracy_weighted(0.5)
        found["auc"] = auc_weighted
        found["eer"] = eer_weighted
    return found


def _write(
    page: Path, rows: pl.DataFrame, table: pl.DataFrame, manifest: Path, detector: str, command: Sequence[str]
) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    failed = rows.filter(pl.col("status") != "ok")["path"].n_unique()
    taken = rows.filter(pl.col("label") == 1)["target"].drop_nulls().value_counts().sort("target")
    truths = ", ".join(f"{kind} ({count} rows)" for kind, count in taken.iter_rows())
    parts = [
        f"# Robustness: {detector}",
        "Written by `facewitness robustness`, not by hand.",
        section(table, page.with_suffix(".png")),
        markdown.provenance_section(
            list(command),
            [
                f"Manifest: `{manifest}`, SHA-256 `{manifests.digest(manifest)}`",
                f"Truth of the maps: {truths or 'none'}; photographs that could not be judged: {failed}",
                f"Intervals: percentile bootstrap, {DRAWS} draws of people",
            ],
        ),
    ]
    storage.write_text(page, "\n\n".join(parts) + "\n")


def section(table: pl.DataFrame, figure: Path, title: str = "") -> str:
    """A part of a page: curves as a picture, written to ``figure``, and as tables; headed if it has a title."""
    metrics = [name for name in _SHOWN if name in table["metric"].unique().to_list()]
    operators = [name for name in OPERATORS if name in table["operator"].unique().to_list()]
    if operators:
        _draw(table, metrics, operators, figure)
    level = "###" if title else "##"
    titles = {UNDAMAGED: "Undamaged"}
    titles |= {name: f"{OPERATORS[name].summary} ({OPERATORS[name].unit})" for name in operators}
    titles[DISORGANISED] = "Disorganised: cut in four and put together in another order"
    parts = [
        f"## {title}" if title else "",
        "The face is found in the undamaged photograph and cut out of every damaged copy at the same place; level 0 is "
        "the photograph as it is. 95 % intervals over people in parentheses; gamma is the share of the undamaged "
        "value. Maps are judged on fakes; *area* is the share of a real photograph's map at or above 0.1.",
        f"![Curves]({figure.name})" if operators else "",
        *(f"{level} {text}\n\n{shown}" for name, text in titles.items() if (shown := _levels(table, name, metrics))),
    ]
    return "\n\n".join(part for part in parts if part)


def _levels(table: pl.DataFrame, operator: str, metrics: Sequence[str]) -> str:
    own = table.filter(pl.col("operator") == operator)
    if not own.height:
        return ""
    rows = []
    for level in own["level"].unique().sort():
        at = {row["metric"]: row for row in own.filter(pl.col("level") == level).iter_rows(named=True)}
        value = f" = {OPERATORS[operator].levels[level - 1]:g}" if operator in OPERATORS else ""
        rows.append((f"{level}{value}", *(_cell(at.get(metric)) for metric in (*metrics, "area"))))
    return markdown.table(("level", *metrics, "area"), rows)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["gamma"] is None or row["level"] == 0:
        return requirements.number(row or {})
    return f"{requirements.number(row)}, gamma {100 * row['gamma']:.0f} %"


def _draw(table: pl.DataFrame, metrics: Sequence[str], operators: Sequence[str], file: Path) -> None:
    columns = 3
    figure, grid = figures.pyplot().subplots(
        -(-len(metrics) // columns), columns, figsize=(4 * columns, 3 * -(-len(metrics) // columns)), squeeze=False
    )
    for axes, metric in zip(grid.ravel(), metrics, strict=False):
        for number, name in enumerate(operators):
            chosen = (pl.col("operator") == name) | (pl.col("operator") == UNDAMAGED)
            own = table.filter(chosen & (pl.col("metric") == metric)).sort("level")
            style = "-" if number < 5 else "--"
            axes.plot(own["level"], own["value"], style, marker="o", markersize=3, label=name)
        axes.set_title(metric, fontsize=10)
        axes.set_xlabel("level")
        axes.grid(alpha=0.3)
    for axes in grid.ravel()[len(metrics) :]:
        axes.set_visible(False)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5, frameon=False, bbox_to_anchor=(0.5, -0.06))
    figure.tight_layout()
    figures.keep(figure, file)
