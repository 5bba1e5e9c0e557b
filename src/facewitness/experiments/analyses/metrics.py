"""Runs on groups of methods: metrics of verdicts and of gray-scale maps, clusters, maps on real photographs."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness.data import manifest as manifests
from facewitness.detectors import cards
from facewitness.evaluation import tables
from facewitness.evaluation.clustering import FIGURE, RECORD, cluster
from facewitness.evaluation.evaluate import limited, selected
from facewitness.evaluation.robustness import FILE, degraded_crops
from facewitness.evaluation.robustness_report import MAP_METRICS, metrics_of, tidy
from facewitness.evaluation.tables import number
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.measure import finished, map_rows, undamaged
from facewitness.experiments.plan import Run, slug
from facewitness.experiments.sections import MetricsSection, RealsSection
from facewitness.experiments.seen_unseen import against
from facewitness.metrics.intervals import Interval, bootstrap_mean
from facewitness.reporting import markdown
from facewitness.reporting.report import section as section_text
from facewitness.types import Card, CropProfile, Detection, ManifestError, Plane

CLUSTERED = "cluster_accuracy"
MEAN_MAP = "mean map"
REAL_METRICS = ("real_accuracy@0.5", "area@0.1", "area_median@0.1", "spotted@0.1")
SPOTTED = 0.01  # a real photograph is, if more than this share of its map is at or above 0.1


def render(context: Context, section: MetricsSection) -> Rendered:
    """Return a table with a line for each run and group of methods."""
    runs = finished(context.plan, section.runs)
    rows = [row for name, seeds in runs.items() for row in _rows_of_run(context, section, name, seeds)]
    if section.mean_map and runs:
        rows += _rows_of_mean_maps(context, section, context.plan.folder(next(iter(runs.values()))[0]))
    shown = [*section.metrics, *([CLUSTERED] if section.clustered else [])]
    title = section.title or "Metrics"
    folders = (_clusters(context, seeds[0], methods) for seeds in runs.values() for methods in section.judged.values())
    drawn = (folder / FIGURE for folder in folders if section.clustered and (folder / FIGURE).exists())
    picture = _copied(context, next(drawn, None), title)
    return Rendered(section_text(title, section.text, _table(rows, shown) or "Not measured.", picture), rows)


def _rows_of_run(
    context: Context, section: MetricsSection, name: str, seeds: Sequence[Run]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run for every group of methods."""
    judged = [_rows_of(context, run) for run in seeds]
    for group, methods in section.judged.items():
        parts = [_part(one, methods, section.small) for one in judged]
        if not parts[0].filter(label=1).height:
            continue  # no fake so small, or none with a face
        values = metrics_of(*parts)
        if section.clustered:
            values[CLUSTERED] = _clustered(context, seeds[0], methods)
        yield from tidy(values, parts, detector=context.plan.label(name), set=group)


def _rows_of_mean_maps(context: Context, section: MetricsSection, folder: Path) -> Iterator[dict[str, Any]]:
    for group, methods in section.judged.items():
        part = _part(_by_mean_map(context, methods, folder), methods, section.small)
        values = {name: interval for name, interval in metrics_of(part).items() if name in MAP_METRICS.values()}
        yield from tidy(values, [part], detector=MEAN_MAP, set=group)


def render_reals(context: Context, section: RealsSection) -> Rendered:
    """Return a table of real photographs, with a line for each run and source."""
    rows: list[dict[str, Any]] = []
    for name, seeds in finished(context.plan, section.runs).items():
        reals = [
            _rows_of(context, run).filter(label=0, status="ok").filter(pl.col("area").is_not_null()) for run in seeds
        ]
        for source in reals[0]["dataset"].unique().sort():
            parts = [part.filter(dataset=source) for part in reals]
            rows += tidy(_on_reals(parts), parts, detector=context.plan.label(name), set=source)
    text = (
        "Held-out photographs: the share called real, the mean and the median of *area*, and *spotted*, the share of "
        f"photographs whose area is above {SPOTTED:.0%}."
    )
    table = _table(rows, REAL_METRICS)
    return Rendered(section_text(section.title or "Real photographs, by source", text, table) if table else "", rows)


def _rows_of(context: Context, run: Run) -> pl.DataFrame:
    file = context.plan.out / "judged" / context.plan.folder(run).name / FILE
    if file.exists() and context.file is None:
        return pl.read_parquet(file.read_bytes())
    return map_rows(context.plan, run, context.needs[run.name], progress=context.progress)


def _part(rows: pl.DataFrame, methods: Sequence[str], small: float | None) -> pl.DataFrame:
    """The fakes of some methods, and the reals of the sources that these were applied to."""
    good = rows.filter(pl.col("status") == "ok")
    if small is not None:
        good = good.filter((pl.col("label") == 0) | ((pl.col("forged_area") > 0) & (pl.col("forged_area") < small)))
    return good.filter(against(good, methods))


def _by_mean_map(context: Context, methods: Sequence[str], folder: Path) -> pl.DataFrame:
    """The rows of the mean fakeness as everybody's map, in crops like those of a run."""
    manifest = Path(context.plan.settings.manifest)
    detector = mean_map(manifest, methods, cards.read(folder).crop)
    name = slug(f"{MEAN_MAP}-{'-'.join(methods)}")
    return undamaged(context.plan, manifest, detector, name, methods=methods)


@dataclass(frozen=True, slots=True)
class MeanMap:
    """What a map has to beat: a detector that does not look at the photograph at all.

    Its map is always ``plane`` (S, S), its score always one half.
    """

    card: Card
    plane: Plane

    @property
    def identity(self) -> dict[str, Any]:
        """Its name, and the hash of its plane."""
        return {"detector": self.card.name, "weights": self.card.weights}

    def __call__(self, crops: NDArray[np.uint8]) -> Detection:
        """The same for every crop."""
        count = len(crops)
        scores, features = np.full(count, 0.5, np.float32), np.zeros((count, 1), np.float32)
        return Detection(scores, features, np.broadcast_to(self.plane, (count, *self.plane.shape)))


def mean_map(
    manifest: Path, methods: Sequence[str], profile: CropProfile, *, most: int = 200, seed: int = 0
) -> MeanMap:
    """The mean fakeness of at most ``most`` training fakes of each method, cropped with a profile.

    Raises:
        ManifestError: the manifest cannot be used, or no training fake of these methods has a known fakeness.
    """
    fakes = [sample for sample in selected(manifest, "train", methods) if sample.label]
    found = (degraded_crops(replace(sample, original=None), profile).crops[:1] for sample in limited(fakes, most, seed))
    truths = [view.truth for of in found for view in of if view.truth is not None]
    if not truths:
        raise ManifestError(f"{manifest}: no training fake of {', '.join(methods)} with a mask to take the mean of")
    plane = np.asarray(np.mean(truths, axis=0, dtype=np.float64), np.float32)
    weights = hashlib.sha256(plane.tobytes()).hexdigest()
    return MeanMap(Card(MEAN_MAP, "", crop=profile, has_map=True, weights=weights), plane)


def _on_reals(parts: Sequence[pl.DataFrame]) -> dict[str, Interval]:
    """What runs of some seeds do on real photographs; the median has no interval."""
    areas = pl.concat(part["area"] for part in parts).to_numpy()
    values = metrics_of(*parts)
    values["area_median@0.1"] = Interval(float(np.median(areas)), math.nan, math.nan)
    values["spotted@0.1"] = bootstrap_mean(areas > SPOTTED, [person for part in parts for person in part["person"]])
    return {metric: values[metric] for metric in REAL_METRICS}


def _clusters(context: Context, run: Run, methods: Sequence[str]) -> Path:
    return context.plan.out / "clusters" / slug(f"{context.plan.folder(run).name}-{'-'.join(methods)}")


def _clustered(context: Context, run: Run, methods: Sequence[str]) -> Interval:
    """The mean accuracy of ten draws, with the lowest and the highest."""
    out = _clusters(context, run, methods)
    manifest, limit = context.plan.judged_on(run.name), context.plan.settings.limit
    asked = {"sha256": manifests.digest(manifest), "methods": list(methods), "limit": limit}
    known = json.loads((out / RECORD).read_text(encoding="utf-8")) if (out / RECORD).exists() else {}
    if {name: known.get(name) for name in asked} != asked:
        file = cluster(context.plan.folder(run), manifest, out, methods=methods, limit=limit)
        known = json.loads(file.read_text(encoding="utf-8"))
    return Interval(*(known["accuracy"][name] for name in ("mean", "lowest", "highest")))


def _copied(context: Context, figure: Path | None, title: str) -> str:
    if figure is None or context.file is None:
        return ""
    target = context.figure(f"-{slug(title)}.png")
    target.write_bytes(figure.read_bytes())
    return f"![Features by t-SNE, the first of these]({target.name})"


def _table(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str:
    """A line for each run and group; empty if nothing was measured."""
    if not rows:
        return ""
    lines = []
    for (name, group), part in tables.build(rows).group_by(["detector", "set"], maintain_order=True):
        cells = {row["metric"]: row for row in part.iter_rows(named=True)}
        first = part.row(0, named=True)
        shown = (number(cells.get(metric, {})) for metric in metrics)
        lines.append((str(name), str(group), f"{first['n_real']} / {first['n_fake']}", *shown))
    return markdown.table(("run", "judged on", "real / fake", *metrics), lines)
