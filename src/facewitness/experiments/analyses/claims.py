"""The four findings of the generalizability paper, held against the numbers of a study.

Only detectors whose accuracy on their own set is above a guess, its interval too, count.
"""

from typing import Any, NamedTuple

import polars as pl

from facewitness.experiments.sections import STUDIED
from facewitness.experiments.seen_unseen import ACCURACY, UNSEEN

_NAMES = ("detector", "root", "type")


class Results(NamedTuple):
    """The tables of a study."""

    accuracy: pl.DataFrame  # of ``generalization.accuracy_table``
    similarity: pl.DataFrame  # of ``saliency.similarity_table``
    overlaps: pl.DataFrame  # of ``neurons.contribution_tables``
    kept: pl.DataFrame


class Claim(NamedTuple):
    """What our numbers say of a finding of the paper."""

    evidence: str
    supported: bool | None  # None: what is needed to say is missing


def claims(results: Results) -> list[Claim]:
    """Return our evidence on the paper's four findings; ``study.md.jinja`` has these in words."""
    learnt = learners(results.accuracy)
    accuracy, overlaps, kept = (
        table.join(learnt, on=learnt.columns, how="semi")
        for table in (results.accuracy, results.overlaps, results.kept)
    )
    roots = learnt.filter(type="original").select("detector", "root")
    similarity = results.similarity.join(roots, on=roots.columns, how="semi")
    asked = results.accuracy.select(learnt.columns).n_unique()
    return [_degradation(accuracy, asked), _properties(accuracy), _saliency(similarity), _neurons(overlaps, kept)]


def learners(accuracy: pl.DataFrame) -> pl.DataFrame:
    """Return the detectors whose accuracy on their own set is above a guess, its interval too."""
    known = accuracy.filter((pl.col("set") == pl.col("root")) & (pl.col("metric") == ACCURACY))
    return known.filter(pl.col("low") > 0.5).select(_NAMES)


def _degradation(accuracy: pl.DataFrame, asked: int) -> Claim:
    table = accuracy.filter((pl.col("set") == UNSEEN) & (pl.col("metric") == "degradation"))
    if table["type"].n_unique() < len(STUDIED):
        return Claim(f"{table.height} of {asked} detectors learnt their own set: too few to say.", None)
    zero = table.filter(type="original")
    degraded = zero.filter(pl.col("low") > 0).height
    medians = {kind: _median(table.filter(type=kind)["value"]) for kind in STUDIED}
    evidence = (
        f"Of {asked} detectors {table.height} learnt their own set (interval of the accuracy above 50 %). Of the "
        f"{zero.height} originals among them {degraded} lose accuracy on the unseen sets (interval above 0). Median "
        "degradation in points: " + ", ".join(f"{kind} {medians[kind]:.1f}" for kind in STUDIED) + "."
    )
    mitigated = min(medians["transfer"], medians["merge"]) < medians["original"]
    return Claim(evidence, degraded > zero.height / 2 and mitigated)


def _properties(accuracy: pl.DataFrame) -> Claim:
    shares = []
    evidence = []
    for group in ("same method", "same people"):
        table = accuracy.filter((pl.col("set") == group) & (pl.col("metric") == "difference"))
        if not table.height:
            return Claim(f"No detector that learnt its own set was judged on one of the {group}.", None)
        above, below = table.filter(pl.col("low") > 0).height, table.filter(pl.col("high") < 0).height
        shares.append(above / table.height)
        evidence.append(
            f"On sets of the {group} the degradation is smaller than on the unseen ones for {above} of {table.height} "
            f"detectors, larger for {below} (intervals clear of 0; median {_median(table['value']):.1f} points)."
        )
    return Claim(" ".join(evidence), shares[0] > 0.5 >= shares[1])


def _saliency(similarity: pl.DataFrame) -> Claim:
    guided = similarity.filter((pl.col("map") == "guided") & pl.col("value").is_not_null())
    common = guided.filter(pair="common root")
    if not common.height:
        return Claim("No saliency maps of detectors that learnt their own set could be compared.", None)
    share, median = (_median(common[name]) for name in ("dissimilar", "value"))
    nulls = {pair: guided.filter(pair=pair)["value"] for pair in ("another seed", "permuted labels")}
    beside = [f"{pair} {_median(values):.2f}" for pair, values in nulls.items() if values.count()]
    evidence = (
        f"In the median group {share:.0%} of the guided saliency maps have an SSIM below 0.7 (median SSIM {median:.2f})"
        + (f"; for comparison: {', '.join(beside)}." if beside else ".")
        + " What SSIM of saliency maps can tell is bounded by those null cases."
    )
    return Claim(evidence, share > 0.5)


def _neurons(overlaps: pl.DataFrame, kept: pl.DataFrame) -> Claim:
    every = overlaps.filter(pl.col("hits") == pl.col("sets"))
    if not every.height:
        return Claim("No neurons of a detector that learnt its own set were read.", None)
    half = every.filter(pl.col("top") == pl.col("top").max().over(_NAMES))
    above = half.filter(pl.col("found") > pl.col("chance")).height
    evidence = (
        f"Of each detector's largest top, more neurons are in it on all sets than by chance for {above} of "
        f"{half.height} detectors (median {_median(half['found']):.0f} against {_median(half['chance']):.0f})."
    )
    fitted = kept.filter(pl.col("variant") == "fitted universal")
    if fitted.height:
        parts = []
        for metric, name in (("auc", "AUC"), ("accuracy", "accuracy")):
            gains = fitted.filter(pl.col("metric") == f"{metric} gain")
            up, down = gains.filter(pl.col("low") > 0).height, gains.filter(pl.col("high") < 0).height
            parts.append(f"a higher {name} for {up} of {gains.height} and a lower one for {down}")
        evidence += (
            " On sets not used to choose them, a last layer fitted to universal neurons only has, beside one fitted to "
            f"all, {', '.join(parts)} (intervals clear of 0)."
        )
    return Claim(evidence, above > half.height / 2)


def _median(values: pl.Series) -> float:
    found: Any = values.cast(pl.Float64).drop_nulls().drop_nans().median()
    return float("nan") if found is None else float(found)
