"""The report of a study: the paper's tables and figures on our data, and each of its findings with what speaks for it.

One page of Markdown with its figures beside it, and the same as one HTML file that needs nothing else.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facewitness import storage
from facewitness.data import manifest as manifests
from facewitness.data.terms import credits
from facewitness.experiments.generalizability import plan
from facewitness.experiments.generalizability.answers import UNSEEN, VARIANTS
from facewitness.experiments.generalizability.work import COMMON, Study
from facewitness.media import image
from facewitness.media.visualize import heat, tile_sheet
from facewitness.metrics.intervals import DRAWS
from facewitness.reporting import figures, markdown

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.86rem; font-variant-numeric: tabular-nums;
        display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.6rem; text-align: left; white-space: nowrap; }
img { max-width: 100%; height: auto; }
code { background: #f3f3f3; padding: 0 0.2rem; }
"""


_PEOPLE = {"unseen": "", "trained": ", trained people", "any": ", all of it"}


class Answers(NamedTuple):
    """The tables of ``answers``."""

    worth: pl.DataFrame
    looks: pl.DataFrame
    overlaps: pl.DataFrame
    universal: pl.DataFrame


class Finding(NamedTuple):
    """One of the paper's four, and what we found."""

    said: str
    evidence: str
    holds: bool | None  # None: what is needed to say is missing


def write(page: Path, study: Study, answers: Answers, command: Sequence[str] = ()) -> Path:
    """Write the page, its figures beside it, and the HTML file of the same name; returns the latter's path."""
    page.parent.mkdir(parents=True, exist_ok=True)
    settings = study.settings
    alike = _figure_3(answers.looks, page.with_name(f"{page.stem}-heat.png"))
    shared = _figure_5(answers.overlaps, _learnt(answers.worth), page.with_name(f"{page.stem}-neurons.png"))
    parts = [
        f"# {settings.title}",
        _head(study),
        _findings(findings(answers)),
        f"## What we make of it\n\n*Written by hand, after the tables.* {settings.discussion}"
        if settings.discussion
        else "",
        _table_5(study, answers.worth),
        _calibration(study, answers.worth),
        *(_specialised(study, answers.worth, group) for group in ("same method", "same people")),
        _heat(answers.looks, alike, _figure_2(study, page.with_name(f"{page.stem}-pictures.jpg"))),
        _neurons(answers.overlaps, shared),
        _universal(answers.universal),
        _gaps(study, answers),
        markdown.provenance_section(
            command,
            [
                f"Manifest: `{settings.manifest}`, SHA-256 `{manifests.digest(Path(settings.manifest))}`; seeds "
                f"{', '.join(map(str, settings.seeds))}",
                f"Intervals: percentile bootstrap, {DRAWS} draws of people; differences are of the same draws; 95 %",
            ],
        ),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    storage.write_text(page, text)
    whole = page.with_suffix(".html")
    storage.write_text(whole, html(text, page.parent, settings.title))
    return whole


def html(text: str, folder: Path, title: str) -> str:
    """A page of Markdown as one HTML file, its pictures in it."""
    from markdown_it import MarkdownIt

    body = str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))

    def held(found: re.Match[str]) -> str:
        kind = "png" if found[1].endswith("png") else "jpeg"
        return f'src="data:image/{kind};base64,{base64.b64encode((folder / found[1]).read_bytes()).decode()}"'

    body = re.sub(r'src="([^":]+\.(?:png|jpg))"', held, body)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body>\n{body}</body></html>\n"
    )


def findings(answers: Answers) -> list[Finding]:
    """The paper's findings, and what our numbers say of each: of those detectors that learnt their own set at all."""
    learnt = _learnt(answers.worth)
    worth, overlaps, universal = (
        table.join(learnt, on=learnt.columns, how="semi")
        for table in (answers.worth, answers.overlaps, answers.universal)
    )
    roots = learnt.filter(kind="original").select("subject", "root")
    looks = answers.looks.join(roots, on=roots.columns, how="semi")
    asked = answers.worth.select(learnt.columns).n_unique()
    return [_first(worth, asked), _second(worth), _third(looks), _fourth(overlaps, universal)]


def _learnt(worth: pl.DataFrame) -> pl.DataFrame:
    """The detectors whose accuracy on their own set is above a guess, its interval too."""
    own = worth.filter((pl.col("set") == pl.col("root")) & (pl.col("metric") == "accuracy"))
    return own.filter(pl.col("low") > 0.5).select("subject", "root", "kind")


def _first(worth: pl.DataFrame, asked: int) -> Finding:
    said = "Detectors are not generalizable in zero-shot settings; a few shots mitigate the degradation."
    fall = worth.filter((pl.col("set") == UNSEEN) & (pl.col("metric") == "degradation"))
    if fall["kind"].n_unique() < len(plan.KINDS):
        return Finding(said, f"{fall.height} of {asked} detectors learnt their own set: too few to say.", None)
    zero = fall.filter(kind="original")
    falls = zero.filter(pl.col("low") > 0).height
    medians = {kind: _median(fall.filter(kind=kind)["value"]) for kind in plan.KINDS}
    evidence = (
        f"Of {asked} detectors {fall.height} learnt their own set (interval of the accuracy above 50 %). Of the "
        f"{zero.height} originals among them {falls} lose accuracy on the unseen sets (interval above 0). Median "
        "degradation in points: " + ", ".join(f"{kind} {medians[kind]:.1f}" for kind in plan.KINDS) + "."
    )
    helped = min(medians["transfer"], medians["merge"]) < medians["original"]
    return Finding(said, evidence, falls > zero.height / 2 and helped)


def _second(worth: pl.DataFrame) -> Finding:
    said = "Detectors learn properties of the synthesis method; human identities have no significant effect."
    shares = []
    evidence = []
    for group in ("same method", "same people"):
        found = worth.filter((pl.col("set") == group) & (pl.col("metric") == "difference"))
        if not found.height:
            return Finding(said, f"No detector that learnt its own set was judged on one of the {group}.", None)
        above, below = found.filter(pl.col("low") > 0).height, found.filter(pl.col("high") < 0).height
        shares.append(above / found.height)
        evidence.append(
            f"On sets of the {group} the degradation is smaller than on the unseen ones for {above} of {found.height} "
            f"detectors, larger for {below} (intervals clear of 0; median {_median(found['value']):.1f} points)."
        )
    return Finding(said, " ".join(evidence), shares[0] > 0.5 >= shares[1])


def _third(looks: pl.DataFrame) -> Finding:
    said = "Detectors extract unrestrained features: the heat maps of detectors with a common root are dissimilar."
    guided = looks.filter((pl.col("map") == "guided") & pl.col("value").is_not_null())
    common = guided.filter(pair="common root")
    if not common.height:
        return Finding(said, "No heat maps of detectors that learnt their own set could be compared.", None)
    share, alike = (_median(common[name]) for name in ("dissimilar", "value"))
    nulls = {pair: guided.filter(pair=pair)["value"] for pair in ("another seed", "permuted labels")}
    beside = [f"{pair} {_median(values):.2f}" for pair, values in nulls.items() if values.count()]
    evidence = (
        f"In the median group {share:.0%} of the guided heat maps have an SSIM below 0.7 (median SSIM {alike:.2f})"
        + (f"; for comparison: {', '.join(beside)}." if beside else ".")
        + " What SSIM of heat maps can tell is bounded by those null cases."
    )
    return Finding(said, evidence, share > 0.5)


def _fourth(overlaps: pl.DataFrame, universal: pl.DataFrame) -> Finding:
    said = "There are neurons that contribute on all sets, seen and unseen."
    every = overlaps.filter(pl.col("hits") == pl.col("sets"))
    if not every.height:
        return Finding(said, "No neurons of a detector that learnt its own set were read.", None)
    half = every.filter(pl.col("top") == pl.col("top").max().over("subject", "root", "kind"))
    above = half.filter(pl.col("found") > pl.col("chance")).height
    evidence = (
        f"Of each detector's largest top, more neurons are in it on all sets than by chance for {above} of "
        f"{half.height} detectors (median {_median(half['found']):.0f} against {_median(half['chance']):.0f})."
    )
    fitted = universal.filter(pl.col("variant") == "fitted universal")
    if fitted.height:
        told = []
        for metric, said_of in (("auc", "AUC"), ("accuracy", "accuracy")):
            gains = fitted.filter(pl.col("metric") == f"{metric} gain")
            up, down = gains.filter(pl.col("low") > 0).height, gains.filter(pl.col("high") < 0).height
            told.append(f"a higher {said_of} for {up} of {gains.height} and a lower one for {down}")
        evidence += (
            " On sets not used to choose them, a last layer fitted to universal neurons only has, beside one fitted to "
            f"all, {', '.join(told)} (intervals clear of 0)."
        )
    return Finding(said, evidence, above > half.height / 2)


def _median(values: pl.Series) -> float:
    found: Any = values.cast(pl.Float64).drop_nulls().drop_nans().median()
    return float("nan") if found is None else float(found)


def _head(study: Study) -> str:
    settings = study.settings
    roots = "; ".join(f"{root.name}: {', '.join(root.methods)}{_of(root.sources)}" for root in settings.root)
    sets = "; ".join(
        f"{one.name}: {', '.join(one.methods)}{_of(one.sources)}{_PEOPLE[one.people]}" for one in settings.set
    )
    count = len(settings.subject) * len(settings.root) * len(plan.KINDS)
    by_video = (
        f"\n- Told apart by video, since the official splits put one person into training and test: "
        f"{', '.join(settings.by_video)}"
        if settings.by_video
        else ""
    )
    return (
        f"{count} detectors: {len(settings.subject)} architectures, {len(settings.root)} training sets, each as it is "
        f"(original), with the last layers trained on with fakes of {', '.join(settings.extra_methods)} (transfer), "
        "and with all of them (merge). Written by `facewitness study report`, not by hand; intervals of 95 % over "
        "people.\n\n"
        f"- Trained on: {roots}\n- Judged on: {sets}\n- Unseen, as RQ1 counts: {', '.join(settings.unseen)}{by_video}"
    )


def _of(sources: Sequence[str]) -> str:
    return f" of {', '.join(sources)}" if sources else ""


def _findings(found: Sequence[Finding]) -> str:
    said = {True: "Our evidence is for it", False: "Our evidence is not for it", None: "This cannot be said"}
    lines = [f"{place}. *{one.said}* **{said[one.holds]}.** {one.evidence}" for place, one in enumerate(found, 1)]
    return "## The paper's findings\n\n" + "\n".join(lines)


def _cell(row: Mapping[str, Any] | None, percent: bool = False) -> str:
    if row is None or row["value"] is None:
        return "-"
    scale = 100 if percent else 1
    digits = 1 if percent or row.get("metric") in ("degradation", "difference") else 3
    shown = f"{row['value'] * scale:.{digits}f}"
    if row["low"] is None:
        return shown
    return f"{shown} ({row['low'] * scale:.{digits}f} to {row['high'] * scale:.{digits}f})"


def _at(table: pl.DataFrame, **where: str) -> dict[str, Any] | None:
    found = table.filter(**where)
    return found.row(0, named=True) if found.height else None


def _named(study: Study, table: pl.DataFrame, **where: str) -> list[dict[str, str]]:
    """Every detector that the table has such a row of, the greatest value first."""
    found = table.filter(**where).sort("value", descending=True, nulls_last=True)
    return [{key: row[key] for key in ("subject", "root", "kind")} for row in found.iter_rows(named=True)]


def _table_5(study: Study, worth: pl.DataFrame) -> str:
    """Ranked by degradation, the smallest first; who learnt nothing has nothing to lose, and no rank."""
    names = study.settings.unseen
    order = list(reversed(_named(study, worth, set=UNSEEN, metric="degradation")))
    if not order:
        return ""
    learnt = _learnt(worth).rows(named=True)
    order.sort(key=lambda who: who not in learnt)
    head = ("rank", "detector", "own set, %", *names, "unseen, mean %", "degradation, points", "AUC own", "AUC unseen")
    rows = []
    for rank, who in enumerate(order, 1):
        cells = [_cell(_at(worth, **who, set=name, metric="accuracy"), True) for name in (who["root"], *names, UNSEEN)]
        cells.append(_cell(_at(worth, **who, set=UNSEEN, metric="degradation")))
        cells += [_cell(_at(worth, **who, set=name, metric="auc")) for name in (who["root"], UNSEEN)]
        rows.append((str(rank) if who in learnt else "-", " ".join(who.values()), *cells))
    text = (
        "Accuracy at a score of 0.5, reals and fakes counting alike. Degradation: accuracy on the detector's own set "
        "less its mean over the unseen ones. The unseen sets of transfer and merge hold methods that these were "
        "trained on, of other people, as in the paper. Without a rank: whose accuracy on its own set is no better "
        "than a guess."
    )
    return f"## RQ1: table 5\n\n{text}\n\n{markdown.table(head, rows)}"


def _calibration(study: Study, worth: pl.DataFrame) -> str:
    order = _named(study, worth, set=UNSEEN, metric="accuracy")
    names = study.settings.unseen
    rows = []
    for who in order:
        cells = [_cell(_at(worth, **who, set=name, metric="ece")) for name in (who["root"], *names)]
        rows.append((" ".join(who.values()), *cells))
    text = "Expected calibration error of each set as it stands (its share of fakes differs from set to set)."
    return f"## Calibration\n\n{text}\n\n{markdown.table(('detector', 'own set', *names), rows)}" if rows else ""


def _specialised(study: Study, worth: pl.DataFrame, group: str) -> str:
    order = _named(study, worth, set=group, metric="difference")
    if not order:
        return ""
    title = {
        "same method": "table 6, the same method on another source",
        "same people": "table 7, the same people by another method",
    }
    head = (
        "detector",
        "degradation: unseen",
        f"{group}: accuracy, %",
        f"{group}: degradation",
        "difference",
        "over the mark",
    )
    rows = []
    roots = {root.name: root for root in study.settings.root}
    for who in order:
        special = roots[who["root"]].same_method if group == "same method" else roots[who["root"]].same_people
        fall = _at(worth, **who, set=UNSEEN, metric="degradation")
        accuracy = "; ".join(
            f"{name} {_cell(_at(worth, **who, set=name, metric='accuracy'), True)}" for name in special
        )
        rows.append(
            (
                " ".join(who.values()),
                _cell(fall),
                accuracy,
                _cell(_at(worth, **who, set=group, metric="degradation")),
                _cell(_at(worth, **who, set=group, metric="difference")),
                "yes" if fall is not None and fall["value"] > study.settings.fallen else "no",
            )
        )
    text = (
        "Difference: by how many points the degradation is smaller here than on the unseen sets, on the same draws of "
        f"people. The paper asks only about detectors that lose over {study.settings.fallen:g} points (*over the "
        "mark*)."
    )
    if group == "same people":
        text += (
            " Only the fakes are of people trained on; the reals beside them are of people that were not, since a "
            "detector has been told of its own people's photographs that they are real. A detector that learnt from "
            "the very fakes of a set is not judged on it."
        )
    return f"## RQ2: {title[group]}\n\n{text}\n\n{markdown.table(head, rows)}"


def _heat(looks: pl.DataFrame, figure: Path | None, pictures: Path | None) -> str:
    if figure is None:
        return ""
    head = ("detector", "pair", "map", "SSIM", "below 0.7", "0.7 to 0.9", "0.9 and above", "heat maps", "flat")
    rows = []
    shown = looks.group_by("subject", "root", "pair", "map", maintain_order=True).agg(
        pl.col("value", "dissimilar", "little", "alike").mean(), pl.col("n", "flat").sum()
    )
    for row in shown.filter(~pl.col("pair").is_in(COMMON)).iter_rows(named=True):
        shares = [f"{row[name]:.0%}" if row[name] is not None else "-" for name in ("dissimilar", "little", "alike")]
        value = "-" if row["value"] is None else f"{row['value']:.3f}"
        rows.append(
            (
                f"{row['subject']} {row['root']}",
                row["pair"],
                row["map"],
                value,
                *shares,
                str(row["n"]),
                str(row["flat"]),
            )
        )
    text = (
        "Structural similarity of heat maps for the class fake at the last convolution, of fakes, means over the sets; "
        "*guided* is Grad-CAM times guided backpropagation, as in the paper, *cam* is Grad-CAM alone. *Common root*: "
        "the mean of the pairs original-transfer, original-merge and transfer-merge for each photograph. The null "
        "cases are the original against the same net trained on labels dealt at random, and against the original of "
        "another seed. *Flat*: nothing spoke for a fake in one of the two, which is left out."
    )
    drawn = (
        f"\n\n![Forgeries and what detectors look at]({pictures.name})\n\n"
        "What speaks for a fake to a detector and to what went on from it: Grad-CAM at the last convolution, each map "
        "scaled to its maximum, blank where nothing does. Only adults who consented to be shown in altered form: "
        f"{credits()}."
        if pictures
        else ""
    )
    return (
        f"## RQ3: figures 2 and 3\n\n{text}\n\n![Similarity of heat maps]({figure.name})\n\n"
        f"{markdown.table(head, rows)}{drawn}"
    )


def _figure_2(study: Study, file: Path) -> Path | None:
    """Forgeries under the heat of each chain's detectors."""
    rows = []
    for chain in study.chains():
        drawings = study.drawings(study.chain(chain.subject, chain.root, chain.seed)[0])
        if drawings.exists():
            kept = np.load(drawings)
            tiles = [
                [crop, *(heat(crop, kept[kind][place]) if kept[kind][place].any() else None for kind in plan.KINDS)]
                for place, crop in enumerate(kept["crops"])
            ]
            rows.append((f"{chain.subject}, {chain.root}", [tile for own in tiles for tile in own]))
    if not rows:
        return None
    picture = tile_sheet(rows, ("forgery", *plan.KINDS), tile_px=104)
    what = "Forgeries and the heat maps of detectors over them"
    file.write_bytes(image.encode(picture, "jpeg:85", synthetic=what))
    return file


def _figure_3(looks: pl.DataFrame, file: Path) -> Path | None:
    """Shares of the three buckets, a bar for each set; a panel for each detector of a common root."""
    table = looks.filter((pl.col("pair") == "common root") & (pl.col("map") == "guided"))
    panels = table.select("subject", "root").unique(maintain_order=True).rows()
    if not panels:
        return None
    columns = min(5, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = figures.pyplot().subplots(
        lines, columns, figsize=(2.6 * columns, 2.5 * lines), squeeze=False, sharey=True
    )
    for place, (subject, root) in enumerate(panels):
        own = table.filter(subject=subject, root=root)
        panel = axes[place // columns][place % columns]
        low = [0.0] * own.height
        for name, colour in (("dissimilar", "#c0392b"), ("little", "#e59b2c"), ("alike", "#2e8b57")):
            values = [value or 0.0 for value in own[name]]
            panel.bar(range(own.height), values, bottom=low, color=colour, label=name if not place else None)
            low = [a + b for a, b in zip(low, values, strict=True)]
        panel.set_xticks(range(own.height), own["set"], rotation=60, ha="right", fontsize=7)
        panel.set_title(f"{subject}, {root}", fontsize=8)
        panel.set_ylim(0, 1)
        if own["value"].is_null().all():
            panel.text(0.5, 0.5, "all flat", transform=panel.transAxes, ha="center", fontsize=8)
    for panel in axes.flat[len(panels) :]:
        panel.axis("off")
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=8, bbox_to_anchor=(0.5, -0.06))
    figure.tight_layout()
    figures.keep(figure, file)
    return file


def _neurons(overlaps: pl.DataFrame, figure: Path | None) -> str:
    if figure is None:
        return ""
    rows = []
    for row in overlaps.filter(pl.col("hits") == pl.col("sets")).iter_rows(named=True):
        who = f"{row['subject']} {row['root']} {row['kind']}"
        cells = (str(row["neurons"]), str(row["top"]), str(row["sets"]), str(row["found"]), f"{row['chance']:.1f}")
        rows.append((who, *cells))
    text = (
        "The average causal effect of every neuron that the last layer reads, on the score, for each set; *on all "
        "sets* counts those that are among the most contributing on every one of them, and *by chance* how many would "
        "be if each set drew its own at random."
    )
    head = ("detector", "neurons", "top", "sets", "on all sets", "by chance")
    return f"## RQ4: figure 5\n\n{text}\n\n![Neurons shared by the sets]({figure.name})\n\n{markdown.table(head, rows)}"


def _figure_5(overlaps: pl.DataFrame, learnt: pl.DataFrame, file: Path) -> Path | None:
    """In how many sets' tops a detector's neurons are, against chance, for each size of the top.

    It is the one with most neurons of those that learnt their own set, or, if none did, of all.
    """
    if not overlaps.height:
        return None
    asked = overlaps.join(learnt, on=learnt.columns, how="semi")
    asked = asked if asked.height else overlaps
    widest = asked.sort("neurons", descending=True, maintain_order=True).row(0, named=True)
    who = {key: widest[key] for key in ("subject", "root", "kind")}
    own = overlaps.filter(**who)
    tops = own["top"].unique().sort().to_list()
    figure, axes = figures.pyplot().subplots(1, len(tops), figsize=(2.7 * len(tops), 2.6), squeeze=False)
    for panel, top in zip(axes[0], tops, strict=True):
        part = own.filter((pl.col("top") == top) & (pl.col("hits") > 0))
        hits = part["hits"].to_numpy()
        panel.bar(hits - 0.2, part["found"], 0.4, label="found", color="#34699a")
        panel.bar(hits + 0.2, part["chance"], 0.4, label="by chance", color="#bbbbbb")
        panel.set_title(f"top {top} of {widest['neurons']}", fontsize=9)
        panel.set_xlabel("on so many sets", fontsize=8)
        panel.set_xticks(range(1, widest["sets"] + 1))
    axes[0][0].set_ylabel("neurons", fontsize=8)
    axes[0][-1].legend(frameon=False, fontsize=8)
    figure.suptitle(" ".join(who.values()), fontsize=9)
    figure.tight_layout()
    figures.keep(figure, file)
    return file


def _universal(universal: pl.DataFrame) -> str:
    who = universal.select("subject", "root", "kind").unique(maintain_order=True).rows(named=True)
    if not who:
        return ""
    gains = ("gain of universal", "gain of random", "gain of universal in accuracy")
    head = ("detector", *(f"AUC: {said}" for said in VARIANTS.values()), *gains)
    rows = []
    for one in who:
        cells = [_cell(_at(universal, **one, variant=variant, metric="auc")) for variant in VARIANTS]
        cells += [
            _cell(_at(universal, **one, variant=f"fitted {kind}", metric="auc gain"))
            for kind in ("universal", "random")
        ]
        cells.append(_cell(_at(universal, **one, variant="fitted universal", metric="accuracy gain")))
        rows.append((" ".join(one.values()), *cells))
    text = (
        "What the paper proposes in its section 5. Means over the unseen sets; a neuron is universal for a set if it "
        "is in the upper half on every other one. What is fitted anew is the last layer (logistic regression on people "
        "of the validation split), everything before it stays. Gains are to a layer fitted to all neurons."
    )
    return f"## Beyond the paper: keeping the universal neurons\n\n{text}\n\n{markdown.table(head, rows)}"


def _gaps(study: Study, answers: Answers) -> str:
    """What is not there, and why."""
    have = set(answers.worth.select("subject", "root", "kind").unique().rows())
    read = set(answers.overlaps.select("subject", "root", "kind").unique().rows())
    rows = []
    for run in plan.runs(study.settings):
        who = (run.subject, run.root, run.kind)
        if run.kind in plan.KINDS and run.seed == study.settings.seeds[0]:
            if who not in have:
                why = (
                    "not trained yet" if not study.is_trained(run) else "not judged, or a class of a set without a face"
                )
                rows.append((" ".join(who), why))
            elif who not in read:
                rows.append(
                    (" ".join(who), "no neurons: not read yet, or its verdict is no dense layer over its features")
                )
    return "## Gaps\n\n" + markdown.table(("detector", "what is missing"), rows) if rows else ""
