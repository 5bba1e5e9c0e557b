"""Figure of RQ4: in how many sets' tops a detector's neurons are, against chance."""

from pathlib import Path

import polars as pl

from facewitness.reporting import figures


def overlap_figure(overlaps: pl.DataFrame, learnt: pl.DataFrame, file: Path) -> bool:
    """Draw the overlap for each size of the top; False if no neurons were read.

    The detector is the one with most neurons of those that learnt their own set, or, if none did, of all.
    """
    if not overlaps.height:
        return False
    asked = overlaps.join(learnt, on=learnt.columns, how="semi")
    asked = asked if asked.height else overlaps
    widest = asked.sort("neurons", descending=True, maintain_order=True).row(0, named=True)
    names = {key: widest[key] for key in ("detector", "root", "type")}
    table = overlaps.filter(**names)
    tops = table["top"].unique().sort().to_list()
    figure, axes = figures.pyplot().subplots(1, len(tops), figsize=(2.7 * len(tops), 2.6), squeeze=False)
    for panel, top in zip(axes[0], tops, strict=True):
        part = table.filter((pl.col("top") == top) & (pl.col("hits") > 0))
        hits = part["hits"].to_numpy()
        panel.bar(hits - 0.2, part["found"], 0.4, label="found", color="#34699a")
        panel.bar(hits + 0.2, part["chance"], 0.4, label="by chance", color="#bbbbbb")
        panel.set_title(f"top {top} of {widest['neurons']}", fontsize=9)
        panel.set_xlabel("on so many sets", fontsize=8)
        panel.set_xticks(range(1, widest["sets"] + 1))
    axes[0][0].set_ylabel("neurons", fontsize=8)
    axes[0][-1].legend(frameon=False, fontsize=8)
    figure.suptitle(" ".join(names.values()), fontsize=9)
    figure.tight_layout()
    figures.keep(figure, file)
    return True
