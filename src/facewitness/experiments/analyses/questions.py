"""The sections of a generalizability study: the paper's four research questions, and what is missing.

``study.md.jinja`` has the words.
"""

from collections.abc import Iterator

import polars as pl

from facewitness.data.terms import credits
from facewitness.evaluation import tables
from facewitness.evaluation.tables import number, row
from facewitness.experiments.analyses import generalization, neurons, saliency
from facewitness.experiments.analyses.claims import Results, claims, learners
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.analyses.study import Study, Trained
from facewitness.experiments.analyses.study_plots import bucket_figure, overlap_figure, picture_sheet
from facewitness.experiments.sections import GeneralizationSection
from facewitness.experiments.seen_unseen import ACCURACY, UNSEEN
from facewitness.reporting import templates

_PEOPLE = {"unseen": "", "trained": ", trained people", "validation": "", "any": ", all of it"}
_SHARES = ("dissimilar", "partly", "similar")


def render(context: Context, section: GeneralizationSection) -> Rendered:
    """Return the four research questions; no photograph is read."""
    study = Study(context.plan, section)
    accuracy = generalization.accuracy_table(study)
    results = Results(accuracy, saliency.similarity_table(study), *neurons.contribution_tables(study))
    names = ("accuracy", "saliency", "overlaps", "universal")
    for name, table in zip(names, results, strict=True):
        tables.write(table, study.plan.out / f"{name}.parquet")
    named = pl.concat_str("detector", "root", "type", separator=" ").alias("detector")
    rows = accuracy.with_columns(named).drop("root", "type").rows(named=True)
    if context.file is None:
        return Rendered("", rows)
    text = templates.render(
        "facewitness.experiments.analyses",
        "study.md.jinja",
        section=section,
        settings=study.plan.settings,
        detectors=list(study.detectors()),
        more=_more(study),
        people=_PEOPLE,
        claims=claims(results),
        ranking=list(_ranking(study, accuracy)),
        calibration=list(_calibration(study, accuracy)),
        specialised={group: list(_specialised(study, accuracy, group)) for group in ("same method", "same people")},
        plots=_plots(context, study, results),
        figure=context.figure,
        saliency=list(_saliency(results.similarity)),
        neurons=list(_neurons(results.overlaps)),
        variants=[f"AUC: {text}" for text in neurons.VARIANTS.values()],
        universal=list(_universal(results.kept)),
        gaps=list(_gaps(study, results)),
        credits=credits,
    )
    return Rendered(text, rows)


def _more(study: Study) -> set[str]:
    """The methods that transfer and merge go on with, beside those of their root."""
    learnt = {one: study.plan.sections[study.names[one]].methods for one in study.detectors() if one.type != "original"}
    return {name for one, methods in learnt.items() for name in methods if name not in study.roots[one.root].methods}


def _plots(context: Context, study: Study, results: Results) -> dict[str, bool]:
    """Draw what there is to draw, and return what was drawn."""
    similar = bucket_figure(results.similarity, context.figure("-saliency.png"))
    pictures = similar and picture_sheet(study, context.figure("-pictures.jpg"))
    shared = overlap_figure(results.overlaps, learners(results.accuracy), context.figure("-neurons.png"))
    return {"similar": similar, "pictures": pictures, "shared": shared}


def _cell(table: pl.DataFrame, trained: Trained, name: str, metric: str, percent: bool = False) -> str:
    return number(row(table, **trained._asdict(), set=name, metric=metric), percent=percent)


def _ordered(table: pl.DataFrame, name: str, metric: str) -> list[Trained]:
    """Every detector that the table has such a row of, the greatest value first."""
    return _named(table.filter(set=name, metric=metric).sort("value", descending=True, nulls_last=True))


def _named(table: pl.DataFrame) -> list[Trained]:
    """The detectors of a table, each once."""
    return [Trained(*cells) for cells in table.select(Trained._fields).unique(maintain_order=True).iter_rows()]


def _ranking(study: Study, accuracy: pl.DataFrame) -> Iterator[list[str]]:
    """Ranked by degradation, the smallest first; a detector that learnt nothing has nothing to lose, and no rank."""
    learnt = _named(learners(accuracy))
    order = _ordered(accuracy, UNSEEN, "degradation")[::-1]
    order.sort(key=lambda trained: trained not in learnt)
    for rank, trained in enumerate(order, 1):
        sets = (trained.root, *study.section.unseen, UNSEEN)
        cells = [_cell(accuracy, trained, name, ACCURACY, percent=True) for name in sets]
        cells.append(_cell(accuracy, trained, UNSEEN, "degradation"))
        cells += [_cell(accuracy, trained, name, "auc") for name in (trained.root, UNSEEN)]
        yield [str(rank) if trained in learnt else "-", str(trained), *cells]


def _calibration(study: Study, accuracy: pl.DataFrame) -> Iterator[list[str]]:
    for trained in _ordered(accuracy, UNSEEN, ACCURACY):
        sets = (trained.root, *study.section.unseen)
        yield [str(trained), *(_cell(accuracy, trained, name, "ece") for name in sets)]


def _specialised(study: Study, accuracy: pl.DataFrame, group: str) -> Iterator[list[str]]:
    for trained in _ordered(accuracy, group, "difference"):
        root = study.roots[trained.root]
        special = root.same_method if group == "same method" else root.same_people
        unseen = row(accuracy, **trained._asdict(), set=UNSEEN, metric="degradation")
        cells = [f"{name} {_cell(accuracy, trained, name, ACCURACY, percent=True)}" for name in special]
        falls = [_cell(accuracy, trained, group, metric) for metric in ("degradation", "difference")]
        over = "yes" if unseen and unseen["value"] > study.section.degraded else "no"
        yield [str(trained), number(unseen), "; ".join(cells), *falls, over]


def _saliency(similarity: pl.DataFrame) -> Iterator[list[str]]:
    shown = similarity.group_by("detector", "root", "pair", "map", maintain_order=True).agg(
        pl.col("value", *_SHARES).mean(), pl.col("n", "flat").sum()
    )
    for cells in shown.filter(~pl.col("pair").is_in(saliency.COMMON)).iter_rows(named=True):
        value = "-" if cells["value"] is None else f"{cells['value']:.3f}"
        shares = [f"{cells[name]:.0%}" if cells[name] is not None else "-" for name in _SHARES]
        who = f"{cells['detector']} {cells['root']}"
        yield [who, cells["pair"], cells["map"], value, *shares, str(cells["n"]), str(cells["flat"])]


def _neurons(overlaps: pl.DataFrame) -> Iterator[list[str]]:
    for cells in overlaps.filter(pl.col("hits") == pl.col("sets")).iter_rows(named=True):
        counts = (str(cells[name]) for name in ("neurons", "top", "sets", "found"))
        yield [f"{cells['detector']} {cells['root']} {cells['type']}", *counts, f"{cells['chance']:.1f}"]


def _universal(kept: pl.DataFrame) -> Iterator[list[str]]:
    shown = [(variant, "auc") for variant in neurons.VARIANTS]
    shown += [("fitted universal", "auc gain"), ("fitted random", "auc gain"), ("fitted universal", "accuracy gain")]
    for one in _named(kept):
        cells = (row(kept, **one._asdict(), variant=variant, metric=metric) for variant, metric in shown)
        yield [str(one), *map(number, cells)]


def _gaps(study: Study, results: Results) -> Iterator[list[str]]:
    """What is missing, and why."""
    judged, read = _named(results.accuracy), _named(results.overlaps)
    for trained in study.detectors():
        if trained not in judged:
            finished = study.plan.is_trained(study.first(trained))
            yield [str(trained), "not judged, or a class of a set without a face" if finished else "not trained yet"]
        elif trained not in read:
            yield [str(trained), "no neurons: not read yet, or its verdict is no dense layer over its features"]
