"""From scores to the tidy table: a row for each metric of each slice, with its interval and the counts behind it.

Slices: ``all``; ``method``, the fakes of one method against all the reals of those data sets it was applied to, or
against all reals where those have few;
``dataset``, all fakes of one source against its reals, and what reals alone show; ``method_dataset``, both at once;
``attribute``, the reals of which the data say something, and the fakes of the same people.
Nothing here touches a pixel: any number can be made again from ``scores.parquet``.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from facewitness.evaluation import tables
from facewitness.metrics import detection
from facewitness.metrics.calibration import ece_weighted
from facewitness.metrics.detection import Weighted
from facewitness.metrics.intervals import DRAWS, Interval, bootstrap, bootstrap_mean, wilson
from facewitness.types import Calibration, Verdict

MAP_METRICS = {
    **{"iou": "iou@0.5", "dice": "dice@0.5", "pixel_auc": "pixel_auc", "mass_inside": "mass_inside"},
    **{"pointing": "pointing", "false_positive_area": "false_positive_area@0.5", "mask_outside": "mask_outside"},
}
"""Columns of the scores -> metrics."""


LEAST_SAID = 20
"""Reals of which the data say the same, to be a slice."""
LEAST_REALS = 0.1
"""For one fake of a method; where its sources have fewer reals, they are no comparison."""


class Slice(NamedTuple):
    """Which rows are compared, and what a reader must know of the choice."""

    kind: str
    method: str | None
    dataset: str | None
    rows: pl.DataFrame  # failed ones included
    note: str = ""
    attribute: str | None = None


def tidy(
    scores: pl.DataFrame, calibration: Calibration | None, *, detector: str = "", seed: int = 0, draws: int = DRAWS
) -> pl.DataFrame:
    """Return the tidy table (``evaluation.tables``) for the scores of one evaluation (``evaluation.scores.SCHEMA``).

    Metrics of a detector without calibration that need a threshold are left out. A metric is null where a class is
    absent from its slice.
    """
    found: list[dict[str, Any]] = []
    for part in slices(scores):
        scored = part.rows.filter(pl.col("score").is_not_null())
        if scored.height:
            found += _detection(part, scored, calibration, seed, draws)
            found += _shares(part, scored, calibration)
            found += _maps(part, scored, seed, draws)
        else:
            found.append(_row(part, scored, "auc", Interval(math.nan, math.nan, math.nan)))
    return tables.build({**row, "detector": detector, "n_seeds": 1} for row in found)


def slices(scores: pl.DataFrame) -> Iterator[Slice]:
    """The slices of a table of scores, in a fixed order."""
    real, fake = pl.col("label") == 0, pl.col("label") == 1
    yield Slice("all", None, None, scores)
    applied: dict[str, list[str]] = {}  # method -> data sets
    for method in scores.filter(fake)["method"].unique().sort():
        fakes = scores.filter(fake, method=method)
        applied[method] = fakes["dataset"].unique().sort().to_list()
        same = scores.filter(real & pl.col("dataset").is_in(applied[method])).height
        reals, note = scores.filter(comparable_reals(scores, applied[method], fakes.height)), ""
        if reals.height > same:
            note = f"compared with all reals: there are {same} of the same sources"
        elif set(scores.filter(real)["dataset"].unique()) - set(applied[method]):
            note = f"compared with the reals of {', '.join(applied[method])} only, to which the method was applied"
        yield Slice("method", method, None, pl.concat([reals, fakes]), note)
    for dataset in scores["dataset"].unique().sort().to_list():
        yield Slice("dataset", None, dataset, scores.filter(dataset=dataset))
    for method, datasets in applied.items():
        for dataset in datasets:
            chosen = scores.filter(real | (pl.col("method") == method), dataset=dataset)
            yield Slice("method_dataset", method, dataset, chosen)
    for attribute in scores.filter(real)["attributes"].explode().drop_nulls().unique().sort().to_list():
        said = real & pl.col("attributes").list.contains(attribute)
        people = scores.filter(said)["person"].to_list()
        if len(people) >= LEAST_SAID:
            chosen = scores.filter(said | (fake & pl.col("person").is_in(people)))
            yield Slice("attribute", None, None, chosen, attribute=attribute)


def comparable_reals(scores: pl.DataFrame, sources: Sequence[str], fakes: int) -> pl.Expr:
    """Return the condition of the reals that so many fakes of some sources are compared with.

    Those of the same sources, or all, where these have fewer than ``LEAST_REALS`` for a fake.
    """
    real = pl.col("label") == 0
    same = real & pl.col("dataset").is_in(sources)
    return same if scores.filter(same).height >= fakes * LEAST_REALS else real


def _detection(
    part: Slice, scored: pl.DataFrame, calibration: Calibration | None, seed: int, draws: int
) -> list[dict[str, Any]]:
    metrics: dict[str, Weighted] = {
        "auc": detection.auc_weighted,
        "average_precision": detection.average_precision_weighted,
        "eer": detection.eer_weighted,
        "recall@fpr=0.01": detection.tpr_at_fpr_weighted(0.01),
        "ece": ece_weighted(),
    }
    if calibration is not None:
        metrics["accuracy@threshold"] = detection.accuracy_weighted(calibration.fake_above)
    if scored["label"].n_unique() < 2:
        return []
    people = scored["person"].to_list()
    found = bootstrap(metrics, scored["score"].to_numpy(), scored["label"].to_numpy(), people, seed=seed, draws=draws)
    return [_row(part, scored, name, interval) for name, interval in found.items()]


def _shares(part: Slice, scored: pl.DataFrame, calibration: Calibration | None) -> list[dict[str, Any]]:
    """What the verdicts do to reals and to fakes. Wilson's interval takes photographs for independent."""
    found = []
    for label, kind in ((0, "real"), (1, "fake")):
        rows = scored.filter(pl.col("label") == label)
        if not rows.height:
            continue
        shares = {}
        if calibration is not None:
            called = "false_positive_rate@threshold" if label == 0 else "recall@threshold"
            shares[called] = rows["verdict"] == str(Verdict.FAKE)
            if label == 0:
                shares["photograph_false_positive_rate@threshold"] = rows["highest"] >= calibration.fake_above
            shares[f"inconclusive_{kind}"] = rows["verdict"] == str(Verdict.INCONCLUSIVE)
        for name, hit in shares.items():
            found.append(_row(part, rows, name, wilson(int(hit.sum()), rows.height)))
        judged = rows.filter(pl.col("iou").is_not_null())
        if label == 0 and judged.height:  # of a real, IoU is 1 exactly when its map stays empty
            empty = int((judged["iou"] == 1).sum())
            found.append(_row(part, judged, "empty_map_real@0.5", wilson(empty, judged.height)))
    return found


def _maps(part: Slice, scored: pl.DataFrame, seed: int, draws: int) -> list[dict[str, Any]]:
    """Means over fakes of what their maps show; of reals, the area called forged."""
    found = []
    wanted = [(1, column, name) for column, name in MAP_METRICS.items()]
    wanted.append((0, "false_positive_area", "false_positive_area_real@0.5"))
    for label, column, name in wanted:
        rows = scored.filter((pl.col("label") == label) & pl.col(column).is_not_null())
        if rows.height:
            mean = bootstrap_mean(rows[column].to_numpy(), rows["person"].to_list(), seed=seed, draws=draws)
            found.append(_row(part, rows, name, mean))
    return found


def _row(part: Slice, counted: pl.DataFrame, metric: str, number: Interval) -> dict[str, Any]:
    fakes = int((counted["label"] == 1).sum())
    return {
        "table": "evaluate",
        "set": tables.set_name(part.method, part.dataset, part.attribute),
        "metric": metric,
        **number._asdict(),
        "n_real": counted.height - fakes,
        "n_fake": fakes,
        "n_unscored": int(part.rows["score"].is_null().sum()),
        "note": part.note or None,
    }
