"""The one tidy table of results: a row for each number, and what each metric's name means.

The name of a metric carries its threshold (after ``@``) and, where there are two, its target: ``iou@0.5`` holds a map
at 0.5 against the forged region, ``iou_gray@0.1`` at 0.1 against the gray-scale fakeness. ``gamma(X)`` is a
degraded X over the undamaged one.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from facewitness import storage
from facewitness.types import ManifestError

SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "table": pl.String,  # the section of the report that shows it
        "detector": pl.String,
        "n_seeds": pl.Int64,
        "set": pl.String,  # the photographs: see ``set_name``; "seen", "unseen", "gap" (seen less unseen)
        "metric": pl.String,  # of METRICS
        "value": pl.Float64,  # mean over the seeds; null where the number does not exist
        "low": pl.Float64,  # 95 % interval over people; null where nothing can be drawn
        "high": pl.Float64,
        "seed_low": pl.Float64,  # of the single seeds; null where there is one, or they were not told apart
        "seed_high": pl.Float64,
        "n_real": pl.Int64,  # scored and counted in this number
        "n_fake": pl.Int64,
        "n_unscored": pl.Int64,  # photographs of the set without a score
        "note": pl.String,  # what a reader must know of the choice of photographs
    }
)
METRICS: Mapping[str, str] = MappingProxyType(
    {
        "auc": "area under the ROC curve of the score",
        "frame_auc": "area under the ROC curve of the scores of single faces in frames of videos",
        "video_auc": "area under the ROC curve of the scores of whole videos",
        "video_recall@threshold": "share of the forged videos called fake at the shipped threshold for videos",
        "video_false_positive_rate@threshold": "share of the real videos called fake at that threshold",
        "video_inconclusive_real": "share of the real videos without a verdict",
        "span_iou": "intersection over union along time of found and forged spans, mean over forged videos",
        "eer": "rate at which false alarms and misses are equal",
        "ece": "expected calibration error of the score",
        "average_precision": "area under the precision-recall curve of the score",
        "recall@fpr=0.01": "share of the fakes found at the threshold that 1 % of these very reals reach",
        "accuracy@threshold": "accuracy at the shipped threshold of the verdict fake",
        "recall@threshold": "share of the fakes called fake at the shipped threshold",
        "false_positive_rate@threshold": "share of the reals called fake at the shipped threshold",
        "photograph_false_positive_rate@threshold": "share of the real photographs any face of which is called fake",
        "inconclusive_real": "share of the reals between the two shipped thresholds",
        "inconclusive_fake": "share of the fakes between the two shipped thresholds",
        "changed_verdict": "share of the verdicts other than inconclusive that are another one under a treatment",
        "reversed_verdict": "share of the verdicts that turn from real to fake or from fake to real under a treatment",
        "balanced_accuracy@0.5": "accuracy at a score of 0.5, reals and fakes counting alike",
        "real_accuracy@0.5": "share of the reals with a score below 0.5",
        "fake_accuracy@0.5": "share of the fakes with a score of at least 0.5",
        "false_positive_rate@0.5": "share of the reals with a score of at least 0.5",
        "degradation": "balanced_accuracy@0.5 on the detector's own set less its mean on others, in points",
        "difference": "degradation on the unseen sets less that on a specialised group, in points",
        "cluster_accuracy": "accuracy by two clusters of features, one photograph's label being known; ten draws",
        "dice@0.5": "Dice coefficient of map and forged region, of fakes",
        "false_positive_area@0.5": "share of the unforged pixels that the map calls forged, of fakes",
        "false_positive_area_real@0.5": "share of the pixels that the map calls forged, of reals",
        "empty_map_real@0.5": "share of the reals whose map stays below 0.5 everywhere",
        "mask_outside": "share of the forged pixels outside the crop, of fakes",
        "iou@0.5": "intersection over union of map and forged region, of fakes",
        "pixel_auc": "area under the ROC curve of the map's pixels, of fakes",
        "mass_inside": "share of the map's sum inside the forged region, of fakes",
        "pointing": "share of the fakes whose map is highest inside the forged region",
        "hull_iou@0.5": "intersection over union of map and hull of the landmarks, of reals and fakes",
        "coss": "cosine similarity of map and gray-scale fakeness, of fakes",
        "psnr": "peak signal-to-noise ratio of map and gray-scale fakeness in dB, of fakes",
        "ssim": "structural similarity of map and gray-scale fakeness, of fakes",
        "iou_gray@0.1": "intersection over union of map and gray-scale fakeness, both at 0.1, of fakes",
        "dice_gray@0.1": "Dice coefficient of map and gray-scale fakeness, both at 0.1, of fakes",
        "pbca@0.1": "pixel-wise binary classification accuracy of the map, of fakes",
        "iinc@0.1": "inverse intersection non-containment of the map (lower is better), of fakes",
        "recall_gray@0.1": "share of the fakeness at or above 0.1 that the map shows, of fakes",
        "coss_inside": "coss within the part of the face that was changed the most",
        "psnr_inside": "psnr within the part of the face that was changed the most",
        "ssim_inside": "ssim within the part of the face that was changed the most",
        "area@0.1": "share of the map at or above 0.1, of reals",
        "area_median@0.1": "median over reals of the share of the map at or above 0.1",
        "spotted@0.1": "share of the reals with more than 1 % of the map at or above 0.1",
    }
)


def build(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the table of some rows; columns that a row lacks are null, NaN becomes null.

    Raises:
        ManifestError: a metric has a name without a meaning.
    """
    found = list(rows)
    names = {str(row["metric"]).removeprefix("gamma(").removesuffix(")") for row in found}
    unknown = sorted(names - set(METRICS))
    if unknown:
        raise ManifestError(f"no metric {unknown[0]!r}; there are {', '.join(METRICS)}")
    complete = [{name: row.get(name) for name in SCHEMA} for row in found]
    return pl.DataFrame(complete, SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))


def set_name(method: str | None, source: str | None, attribute: str | None = None) -> str:
    """Return the name of the photographs of a method, of a source, of those with an attribute, or of all."""
    parts = {"method": method, "source": source, "attribute": attribute}
    return ", ".join(f"{kind} {name}" for kind, name in parts.items() if name is not None) or "all"


def write(table: pl.DataFrame, file: Path) -> Path:
    """Write a table as Parquet, whole or not at all, and as CSV beside it; return the path of the CSV."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with storage.atomic_write(file) as part:
        table.write_parquet(part)
    storage.write_text(file.with_suffix(".csv"), table.write_csv(float_precision=6))
    return file.with_suffix(".csv")


def row(table: pl.DataFrame, /, **where: str) -> dict[str, Any]:
    """Return the row with these values of columns; {} if the table has none."""
    found = table.filter(**where)
    return found.row(0, named=True) if found.height else {}


def number(cells: Mapping[str, Any], *, seeds: bool = False, bare: bool = False, percent: bool = False) -> str:
    """Return a row's number as text, such as ``0.950 (0.931-0.964) [0.945-0.955]``; a dash where there is none.

    Args:
        cells: a row of the table.
        seeds: also the lowest and the highest seed, between square brackets.
        bare: without the interval.
        percent: as percentages; metrics that are in points have one digit too.
    """
    if not cells or cells["value"] is None:
        return "-"
    scale, digits = (100, 1) if percent else (1, 1 if cells.get("metric") in ("degradation", "difference") else 3)

    def text(*values: float) -> str:
        between = " to " if min(values) < 0 else "-"
        return between.join(f"{value * scale:.{digits}f}" for value in values)

    shown = text(cells["value"]) + " %" * percent
    if bare or cells["low"] is None:
        return shown
    shown += f" ({text(cells['low'], cells['high'])})"
    if seeds and cells.get("n_seeds", 1) > 1 and cells.get("seed_low") is not None:
        shown += f" [{text(cells['seed_low'], cells['seed_high'])}]"
    return shown
