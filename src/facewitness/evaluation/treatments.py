"""Verdicts under what people and programs do to photographs every day: ``facewitness evaluate treatments``.

A genuine photograph stays genuine under a filter, a messenger or a screenshot, and a verdict should stay what it was.
From the rows of ``evaluation.robustness`` for ``media.degrade.TREATMENTS`` to the tidy table and a report.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from facewitness.data import manifest as manifests
from facewitness.detectors import zoo
from facewitness.detectors.base import Detector
from facewitness.evaluation import tables
from facewitness.evaluation.robustness import UNDAMAGED, measure
from facewitness.evaluation.tables import number, row, set_name
from facewitness.media.degrade import TREATMENTS
from facewitness.metrics.detection import auc_weighted
from facewitness.metrics.intervals import DRAWS, bootstrap, wilson
from facewitness.reporting import report, templates
from facewitness.types import Calibration, CardError, Verdict

TABLE = "treatments.parquet"
FALSE_ALARMS, CHANGED, REVERSED = "false_positive_rate@threshold", "changed_verdict", "reversed_verdict"


def treatments(
    manifest: Path,
    detector: str | Path | Detector,
    out: Path,
    *,
    report_file: Path | None = None,
    command: Sequence[str] = (),
    **options: Any,
) -> Path:
    """Measure (``evaluation.robustness.measure`` says what ``options`` are) and write the table; return its CSV.

    Raises:
        CardError: the detector cannot be loaded, or has no thresholds.
        ManifestError: as ``measure`` does.
    """
    loaded = zoo.load(detector) if isinstance(detector, str | Path) else detector
    calibration = loaded.card.calibration
    if calibration is None:
        raise CardError(
            f"{loaded.card.name} has no thresholds, and so no verdict that a treatment could change: export or fuse it"
        )
    options |= {"operators": tuple(TREATMENTS), "disorganised": False}
    rows = pl.read_parquet(measure(manifest, loaded, out, **options).read_bytes())
    table = tables.build(tidy(rows, calibration, loaded.card.name))
    if report_file is not None:
        failed = rows.filter(pl.col("status") != "ok")["path"].n_unique()
        facts = [
            f"Detector: {loaded.card.name}, weights SHA-256 `{loaded.card.weights}`",
            f"Thresholds: fake from {calibration.fake_above:.4f}, real below {calibration.real_below:.4f}",
            f"Manifest: `{manifest}`, SHA-256 `{manifests.digest(manifest)}`",
            f"Photographs that could not be judged: {failed}; seed {options.get('seed', 0)}",
            f"Intervals: shares after Wilson, photographs taken for independent; AUC by {DRAWS} draws of people",
        ]
        report_file.parent.mkdir(parents=True, exist_ok=True)
        introduction = "Written by `facewitness evaluate treatments`, not by hand."
        report.write(report_file, "Verdicts under ordinary treatment", introduction, [_text(table)], facts, command)
    return tables.write(table, out / TABLE)


def tidy(rows: pl.DataFrame, calibration: Calibration, detector: str) -> Iterator[dict[str, Any]]:
    """Yield rows of the tidy table from the rows of one detector; ``table`` is the treatment.

    The sets are ``all`` and ``source NAME``.
    """
    judged = rows.filter(pl.col("status") == "ok").with_columns(_verdict(calibration))
    before = judged.filter(operator=UNDAMAGED).select("path", before="verdict")
    for (operator,), part in judged.join(before, on="path").group_by("operator", maintain_order=True):
        for source in (None, *part["dataset"].unique().sort()):
            chosen = part if source is None else part.filter(dataset=source)
            named = {"table": str(operator), "detector": detector, "set": set_name(None, source), "n_seeds": 1}
            counts = {"n_real": chosen.filter(label=0).height, "n_fake": chosen.filter(label=1).height}
            yield from ({**named, **counts, **found} for found in _numbers(chosen, source is None))


def _numbers(part: pl.DataFrame, whole: bool) -> Iterator[dict[str, Any]]:
    real, fake = part.filter(label=0), part.filter(label=1)
    sure = part.filter(pl.col("before") != str(Verdict.INCONCLUSIVE))
    other = pl.col("verdict") != pl.col("before")
    turned = sure.filter(other & (pl.col("verdict") != str(Verdict.INCONCLUSIVE)))
    shares = {
        FALSE_ALARMS: (real.filter(verdict=str(Verdict.FAKE)), real),
        "inconclusive_real": (real.filter(verdict=str(Verdict.INCONCLUSIVE)), real),
        "recall@threshold": (fake.filter(verdict=str(Verdict.FAKE)), fake),
        CHANGED: (sure.filter(other), sure),
        REVERSED: (turned, sure),
    }
    for metric, (hits, of) in shares.items():
        if of.height:
            yield {"metric": metric, **wilson(hits.height, of.height)._asdict()}
    if whole and real.height and fake.height:
        scores, labels = part["score"].to_numpy(), part["label"].to_numpy()
        found = bootstrap({"auc": auc_weighted}, scores, labels, part["person"].to_list())
        yield {"metric": "auc", **found["auc"]._asdict()}


def _verdict(calibration: Calibration) -> pl.Expr:
    return pl.col("score").map_elements(lambda score: str(calibration.verdict(score)), pl.String).alias("verdict")


def _text(table: pl.DataFrame) -> str:
    names = {UNDAMAGED: "none", **{name: operator.summary for name, operator in TREATMENTS.items()}}
    shown = (FALSE_ALARMS, "inconclusive_real", CHANGED, REVERSED, "recall@threshold")
    lines, by_source = [], []
    sources = sorted({name.removeprefix("source ") for name in table.filter(metric=FALSE_ALARMS)["set"]} - {"all"})
    for name, summary in names.items():
        cells = [number(row(table, table=name, set="all", metric=metric), percent=True) for metric in shown]
        lines.append([summary, *cells, number(row(table, table=name, set="all", metric="auc"))])
        alarms = [row(table, table=name, set=set_name(None, one), metric=FALSE_ALARMS) for one in sources]
        by_source.append([summary, *(number(cell, percent=True, bare=True) for cell in alarms)])
    first = [row(table, table=UNDAMAGED, set=set_name(None, one), metric=FALSE_ALARMS) for one in sources]
    heads = [f"{one} ({cell['n_real']})" for one, cell in zip(sources, first, strict=True)]
    return templates.render(
        "facewitness.evaluation",
        "treatments.md.jinja",
        counts=row(table, table=UNDAMAGED, set="all", metric=FALSE_ALARMS),
        lines=lines,
        heads=heads,
        by_source=by_source,
    )
