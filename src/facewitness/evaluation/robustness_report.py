"""How far a detector and its map hold under degradation: ``facewitness evaluate robustness``.

From the rows of ``evaluation.robustness`` to the tidy table, a set for each operator and level, each number beside its
gamma: its share of the undamaged one (FakeLocator, figures 13 and 15); and a report with curves.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facewitness.data import manifest as manifests
from facewitness.evaluation import tables
from facewitness.evaluation.robustness import DISORGANISED, INSIDE, UNDAMAGED, measure
from facewitness.media.degrade import OPERATORS
from facewitness.metrics import seeds
from facewitness.metrics.detection import (
    Weighted,
    auc_weighted,
    balanced_accuracy_weighted,
    called_weighted,
    eer_weighted,
)
from facewitness.metrics.intervals import DRAWS, Interval, bootstrap, bootstrap_mean
from facewitness.reporting import figures, report, templates

TABLE = "curves.parquet"
MAP_METRICS: Mapping[str, str] = {
    **{"coss": "coss", "psnr": "psnr", "ssim": "ssim", "iou": "iou_gray@0.1", "dice": "dice_gray@0.1"},
    **{"pbca": "pbca@0.1", "iinc": "iinc@0.1", "recall": "recall_gray@0.1", "region_iou": "iou@0.5"},
    **{name: name for name in INSIDE},
}
"""Columns of the rows -> metrics of the maps of fakes."""
AREA, HULL_IOU = "area@0.1", "hull_iou@0.5"
_SHOWN = ("balanced_accuracy@0.5", "auc", "coss", "psnr", "ssim", "iou_gray@0.1")


def robustness(
    manifest: Path,
    detector: str | Path,
    out: Path,
    *,
    report_file: Path | None = None,
    command: Sequence[str] = (),
    **options: Any,
) -> Path:
    """Measure (``evaluation.robustness.measure`` says what ``options`` are); write ``out/curves.csv`` and the report.

    Raises:
        ManifestError, CardError, ValueError: as ``measure`` does.
    """
    rows = pl.read_parquet(measure(manifest, detector, out, **options).read_bytes())
    table = tables.build(curves(rows, str(detector)))
    if report_file is not None:
        failed = rows.filter(pl.col("status") != "ok")["path"].n_unique()
        taken = rows.filter(pl.col("label") == 1)["target"].drop_nulls().value_counts().sort("target")
        truths = ", ".join(f"{kind} ({count} rows)" for kind, count in taken.iter_rows())
        facts = [
            f"Manifest: `{manifest}`, SHA-256 `{manifests.digest(manifest)}`",
            f"Truth of the maps: {truths or 'none'}; photographs that could not be judged: {failed}",
            f"Intervals: percentile bootstrap, {DRAWS} draws of people",
        ]
        report_file.parent.mkdir(parents=True, exist_ok=True)
        sections = [section(table, report_file.with_suffix(".png"))]
        introduction = "Written by `facewitness evaluate robustness`, not by hand."
        report.write(report_file, f"Robustness: {detector}", introduction, sections, facts, command)
    return tables.write(table, out / TABLE)


def curves(rows: pl.DataFrame, detector: str) -> list[dict[str, Any]]:
    """Return rows of the tidy table from the rows of one detector; ``set`` is ``set_of`` of operator and level."""
    found: list[dict[str, Any]] = []
    judged = rows.filter(pl.col("status") == "ok")
    for part in judged.partition_by("operator", "level", maintain_order=True):
        found += tidy(metrics_of(part), [part], detector=detector, set=set_of(part["operator"][0], part["level"][0]))
    undamaged = {row["metric"]: row["value"] for row in found if row["set"] == UNDAMAGED}
    gammas = [
        {**row, "metric": f"gamma({row['metric']})", "value": row["value"] / base, "low": None, "high": None}
        for row in found
        if row["set"] != UNDAMAGED and (base := undamaged.get(row["metric"]))
    ]
    return found + gammas


def set_of(operator: str, level: int) -> str:
    """Return the name of the photographs at a level of an operator, such as ``jpeg 3``."""
    return f"{operator} {level}" if operator in OPERATORS else operator


def tidy(values: Mapping[str, Interval], parts: Sequence[pl.DataFrame], **named: str) -> list[dict[str, Any]]:
    """Return a row of the tidy table for each of some numbers; ``parts`` are the photographs, once for each seed."""
    counts = {"n_real": parts[0].filter(label=0).height, "n_fake": parts[0].filter(label=1).height}
    return [
        {**named, "n_seeds": len(parts), "metric": metric, **interval._asdict(), **counts}
        for metric, interval in values.items()
    ]


def metrics_of(*parts: pl.DataFrame) -> dict[str, Interval]:
    """Return every metric that some rows (one for each photograph) allow: of verdicts, of fakes' maps, of reals' area.

    Several tables are those of a detector's seeds, photograph by photograph: each number is the mean over them.
    """
    first = parts[0]
    labels, people = first["label"].to_numpy().astype(np.float64), first["person"].to_list()
    scores = np.stack([part["score"].to_numpy() for part in parts])
    everyone = np.ones(len(labels), bool)
    verdicts = {name: seeds.over_seeds(seeds.on(scores, everyone, of)) for name, of in _verdicts(set(labels)).items()}
    found = bootstrap(verdicts, scores[0], labels, people)
    wanted = {"area": (AREA, [0]), "hull_iou": (HULL_IOU, [0, 1])}
    wanted |= {column: (metric, [1]) for column, metric in MAP_METRICS.items()}
    for column, (metric, classes) in wanted.items():
        if column not in first.columns:
            continue  # rows of an earlier version
        judged = pl.all_horizontal(pl.lit(part[column].is_not_null()) for part in parts)
        kept = [part.filter(pl.col("label").is_in(classes) & judged) for part in parts]
        if kept[0].height:
            values = np.stack([part[column].to_numpy() for part in kept]).mean(0)
            found[metric] = bootstrap_mean(values, kept[0]["person"].to_list())
    return found


def _verdicts(labels: set[float]) -> dict[str, Weighted]:
    """Metrics of the verdict that the classes at hand allow."""
    alarms = called_weighted(0, 0.5)
    found: dict[str, Weighted] = {}
    if 0 in labels:
        found["real_accuracy@0.5"] = lambda s, y, w: 1 - alarms(s, y, w)
    if 1 in labels:
        found["fake_accuracy@0.5"] = called_weighted(1, 0.5)
    if len(labels) == 2:
        found |= {"balanced_accuracy@0.5": balanced_accuracy_weighted(0.5), "auc": auc_weighted, "eer": eer_weighted}
    return found


def section(table: pl.DataFrame, figure: Path, title: str = "") -> str:
    """Return a section: curves as a picture, written to ``figure``, and as tables; headed if it has a title."""
    sets, known = set(table["set"]), set(table["metric"])
    metrics = [name for name in _SHOWN if name in known]
    operators = [name for name in OPERATORS if set_of(name, 1) in sets]
    if operators:
        _draw(table, metrics, operators, figure)
    parts = {"Undamaged": {"0": UNDAMAGED}}
    for name in operators:
        levels = {f"{n} = {value:g}": set_of(name, n) for n, value in enumerate(OPERATORS[name].levels, 1)}
        parts[f"{OPERATORS[name].summary} ({OPERATORS[name].unit})"] = levels
    parts["Disorganised: cut in four and put together in another order"] = {"1": DISORGANISED}
    metrics.append(AREA)
    shown = {
        name: [(level, *(_cell(table, of, metric) for metric in metrics)) for level, of in levels.items()]
        for name, levels in parts.items()
        if sets & set(levels.values())
    }
    values: dict[str, Any] = {"title": title, "figure": figure, "drawn": operators, "parts": shown, "metrics": metrics}
    return templates.render("facewitness.evaluation", "robustness.md.jinja", **values)


def _cell(table: pl.DataFrame, name: str, metric: str) -> str:
    gamma = tables.row(table, set=name, metric=f"gamma({metric})")
    share = f", gamma {100 * gamma['value']:.0f} %" if gamma else ""
    return tables.number(tables.row(table, set=name, metric=metric)) + share


def _draw(table: pl.DataFrame, metrics: Sequence[str], operators: Sequence[str], file: Path) -> None:
    columns = 3
    figure, grid = figures.pyplot().subplots(
        -(-len(metrics) // columns), columns, figsize=(4 * columns, 3 * -(-len(metrics) // columns)), squeeze=False
    )
    for axes, metric in zip(grid.ravel(), metrics, strict=False):
        for number, name in enumerate(operators):
            sets = [UNDAMAGED, *(set_of(name, level) for level in range(1, len(OPERATORS[name].levels) + 1))]
            values: list[Any] = [tables.row(table, set=one, metric=metric).get("value") for one in sets]
            style = "-" if number < 5 else "--"
            axes.plot(range(len(sets)), values, style, marker="o", markersize=3, label=name)
        axes.set_title(metric, fontsize=10)
        axes.set_xlabel("level")
        axes.grid(alpha=0.3)
    for axes in grid.ravel()[len(metrics) :]:
        axes.set_visible(False)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5, frameon=False, bbox_to_anchor=(0.5, -0.06))
    figure.tight_layout()
    figures.keep(figure, file)
