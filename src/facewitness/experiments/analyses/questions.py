"""The sections of a generalizability study: the paper's four research questions, and what is missing."""

from collections.abc import Sequence

import polars as pl

from facewitness.data.terms import credits
from facewitness.evaluation import tables
from facewitness.evaluation.tables import number, row
from facewitness.experiments.analyses import claims, generalization, neurons, saliency
from facewitness.experiments.analyses.claims import Results, learners
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.analyses.generalization import ACCURACY, UNSEEN
from facewitness.experiments.analyses.neuron_plots import overlap_figure
from facewitness.experiments.analyses.saliency_plots import bucket_figure, picture_sheet
from facewitness.experiments.analyses.study import Study, Trained
from facewitness.experiments.sections import GeneralizationSection
from facewitness.reporting import markdown
from facewitness.reporting.report import section as section_text

_PEOPLE = {"unseen": "", "trained": ", trained people", "validation": "", "any": ", all of it"}


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
    parts = [
        _head(study),
        claims.render(results),
        _ranking(study, accuracy),
        _calibration(study, accuracy),
        *(_specialised(study, accuracy, group) for group in ("same method", "same people")),
        _saliency(context, study, results.similarity),
        _neurons(context, results),
        _universal(results.kept),
        _gaps(study, results),
    ]
    return Rendered("\n\n".join(part for part in parts if part), rows)


def _head(study: Study) -> str:
    section = study.section
    roots = "; ".join(f"{root.name}: {', '.join(root.methods)}{_of(root.sources)}" for root in section.roots)
    sets = "; ".join(
        f"{one.name}: {', '.join(one.methods)}{_of(one.sources)}{_PEOPLE[one.people]}"
        for one in study.plan.settings.set
    )
    videos = study.plan.settings.by_video
    by_video = (
        f"\n- Told apart by video, since the official splits put one person into training and test: {', '.join(videos)}"
        if videos
        else ""
    )
    detectors = list(study.detectors())
    more = {
        method
        for trained in detectors
        if trained.type != "original"
        for method in study.plan.sections[study.names[trained]].methods
        if method not in study.roots[trained.root].methods
    }
    return (
        f"{len(detectors)} detectors: {len({one.detector for one in detectors})} architectures, {len(section.roots)} "
        f"training sets, each as it is (original), with the last layers trained on with fakes of "
        f"{', '.join(sorted(more))} (transfer), and with all of them (merge).\n\n"
        f"- Trained on: {roots}\n- Judged on: {sets}\n- Unseen, as RQ1 counts: {', '.join(section.unseen)}{by_video}"
    )


def _of(sources: Sequence[str]) -> str:
    return f" of {', '.join(sources)}" if sources else ""


def _cell(table: pl.DataFrame, trained: Trained, name: str, metric: str, percent: bool = False) -> str:
    return number(row(table, **trained._asdict(), set=name, metric=metric), percent=percent)


def _ordered(table: pl.DataFrame, name: str, metric: str) -> list[Trained]:
    """Every detector that the table has such a row of, the greatest value first."""
    found = table.filter(set=name, metric=metric).sort("value", descending=True, nulls_last=True)
    return [Trained(*cells) for cells in found.select("detector", "root", "type").iter_rows()]


def _ranking(study: Study, accuracy: pl.DataFrame) -> str:
    """Ranked by degradation, the smallest first; a detector that learnt nothing has nothing to lose, and no rank."""
    names = study.section.unseen
    order = list(reversed(_ordered(accuracy, UNSEEN, "degradation")))
    if not order:
        return ""
    learnt = {Trained(*cells) for cells in learners(accuracy).iter_rows()}
    order.sort(key=lambda trained: trained not in learnt)
    head = ("rank", "detector", "own set, %", *names, "unseen, mean %", "degradation, points", "AUC own", "AUC unseen")
    rows = []
    for rank, trained in enumerate(order, 1):
        cells = [_cell(accuracy, trained, name, ACCURACY, percent=True) for name in (trained.root, *names, UNSEEN)]
        cells.append(_cell(accuracy, trained, UNSEEN, "degradation"))
        cells += [_cell(accuracy, trained, name, "auc") for name in (trained.root, UNSEEN)]
        rows.append((str(rank) if trained in learnt else "-", str(trained), *cells))
    text = (
        "Accuracy at a score of 0.5, reals and fakes counting alike. Degradation: accuracy on the detector's own set "
        "less its mean over the unseen ones. The unseen sets of transfer and merge hold methods that these were "
        "trained on, of other people, as in the paper. Without a rank: detectors whose accuracy on their own set is no "
        "better than a guess."
    )
    return section_text("RQ1: table 5", text, markdown.table(head, rows))


def _calibration(study: Study, accuracy: pl.DataFrame) -> str:
    names = study.section.unseen
    rows = [
        (str(trained), *(_cell(accuracy, trained, name, "ece") for name in (trained.root, *names)))
        for trained in _ordered(accuracy, UNSEEN, ACCURACY)
    ]
    text = "Expected calibration error of each set as it stands (its share of fakes differs from set to set)."
    return section_text("Calibration", text, markdown.table(("detector", "own set", *names), rows)) if rows else ""


_TITLES = {
    "same method": "RQ2: table 6, the same method on another source",
    "same people": "RQ2: table 7, the same people by another method",
}


def _specialised(study: Study, accuracy: pl.DataFrame, group: str) -> str:
    order = _ordered(accuracy, group, "difference")
    if not order:
        return ""
    head = (
        *("detector", "degradation: unseen", f"{group}: accuracy, %", f"{group}: degradation", "difference"),
        "over the limit",
    )
    rows = []
    for trained in order:
        root = study.roots[trained.root]
        special = root.same_method if group == "same method" else root.same_people
        unseen = row(accuracy, **trained._asdict(), set=UNSEEN, metric="degradation")
        cells = [f"{name} {_cell(accuracy, trained, name, ACCURACY, percent=True)}" for name in special]
        rows.append(
            (
                *(str(trained), number(unseen), "; ".join(cells)),
                *(_cell(accuracy, trained, group, metric) for metric in ("degradation", "difference")),
                "yes" if unseen and unseen["value"] > study.section.degraded else "no",
            )
        )
    text = (
        "Difference: by how many points the degradation is smaller here than on the unseen sets, on the same draws of "
        f"people. The paper asks only about detectors that lose over {study.section.degraded:g} points (*over the "
        "limit*)."
    )
    if group == "same people":
        text += (
            " Only the fakes are of people trained on; the reals beside them are of people that were not, since a "
            "detector has been taught that the photographs of its own people are real. A detector that learnt from "
            "the very fakes of a set is not judged on it."
        )
    return section_text(_TITLES[group], text, markdown.table(head, rows))


def _saliency(context: Context, study: Study, similarity: pl.DataFrame) -> str:
    file, pictures = context.figure("-saliency.png"), context.figure("-pictures.jpg")
    assert file is not None
    assert pictures is not None
    if not bucket_figure(similarity, file):
        return ""
    head = ("detector", "pair", "map", "SSIM", "below 0.7", "0.7 to 0.9", "0.9 and above", "maps", "flat")
    shares = ("dissimilar", "partly", "similar")
    shown = similarity.group_by("detector", "root", "pair", "map", maintain_order=True).agg(
        pl.col("value", *shares).mean(), pl.col("n", "flat").sum()
    )
    rows = []
    for cells in shown.filter(~pl.col("pair").is_in(saliency.COMMON)).iter_rows(named=True):
        value = "-" if cells["value"] is None else f"{cells['value']:.3f}"
        parts = [f"{cells[name]:.0%}" if cells[name] is not None else "-" for name in shares]
        who = f"{cells['detector']} {cells['root']}"
        rows.append((who, cells["pair"], cells["map"], value, *parts, str(cells["n"]), str(cells["flat"])))
    text = (
        "Structural similarity of saliency maps for the class fake at the last convolution, of fakes, means over the "
        "sets; *guided* is Grad-CAM times guided backpropagation, as in the paper, *cam* is Grad-CAM alone. *Common "
        "root*: the mean of the pairs original-transfer, original-merge and transfer-merge for each photograph. The "
        "null cases are the original against the same net trained on labels dealt at random, and against the original "
        "of another seed. *Flat*: one of the two maps is empty; the pair is left out."
    )
    drawn = ""
    if picture_sheet(study, pictures):
        drawn = (
            f"![Forgeries and saliency maps]({pictures.name})\n\n"
            "Grad-CAM at the last convolution of a detector and of those that began from it, each map scaled to its "
            "maximum, blank where it is empty. Only adults who consented to be shown in altered form: "
            f"{credits()}."
        )
    plot = f"![Similarity of saliency maps]({file.name})"
    return section_text("RQ3: figures 2 and 3", text, plot, markdown.table(head, rows), drawn)


def _neurons(context: Context, results: Results) -> str:
    file = context.figure("-neurons.png")
    assert file is not None
    if not overlap_figure(results.overlaps, learners(results.accuracy), file):
        return ""
    rows = []
    for cells in results.overlaps.filter(pl.col("hits") == pl.col("sets")).iter_rows(named=True):
        counts = (str(cells[name]) for name in ("neurons", "top", "sets", "found"))
        rows.append((f"{cells['detector']} {cells['root']} {cells['type']}", *counts, f"{cells['chance']:.1f}"))
    text = (
        "The average causal effect of every neuron that the last layer reads, on the score, for each set; *on all "
        "sets* counts those that are among the most contributing on every one of them, and *by chance* how many would "
        "be if each set drew its own at random."
    )
    head = ("detector", "neurons", "top", "sets", "on all sets", "by chance")
    plot = f"![Neurons shared by the sets]({file.name})"
    return section_text("RQ4: figure 5", text, plot, markdown.table(head, rows))


def _universal(kept: pl.DataFrame) -> str:
    order = [Trained(*cells) for cells in kept.select("detector", "root", "type").unique(maintain_order=True).rows()]
    if not order:
        return ""
    gains = ("gain of universal", "gain of random", "gain of universal in accuracy")
    head = ("detector", *(f"AUC: {text}" for text in neurons.VARIANTS.values()), *gains)
    shown = [(variant, "auc") for variant in neurons.VARIANTS]
    shown += [("fitted universal", "auc gain"), ("fitted random", "auc gain"), ("fitted universal", "accuracy gain")]
    rows = [
        (str(one), *(number(row(kept, **one._asdict(), variant=variant, metric=metric)) for variant, metric in shown))
        for one in order
    ]
    text = (
        "What the paper proposes in its section 5. Means over the unseen sets; a neuron is universal for a set if it "
        "is in the upper half on every other one. What is fitted anew is the last layer (logistic regression on people "
        "of the validation split), everything before it stays. Gains are to a layer fitted to all neurons."
    )
    return section_text("Beyond the paper: keeping the universal neurons", text, markdown.table(head, rows))


def _gaps(study: Study, results: Results) -> str:
    """What is missing, and why."""
    judged = set(results.accuracy.select("detector", "root", "type").unique().rows())
    read = set(results.overlaps.select("detector", "root", "type").unique().rows())
    rows = []
    for trained in study.detectors():
        if tuple(trained) not in judged:
            finished = study.plan.is_trained(study.first(trained))
            reason = "not judged, or a class of a set without a face" if finished else "not trained yet"
            rows.append((str(trained), reason))
        elif tuple(trained) not in read:
            rows.append((str(trained), "no neurons: not read yet, or its verdict is no dense layer over its features"))
    return section_text("Gaps of the study", markdown.table(("detector", "what is missing"), rows)) if rows else ""
