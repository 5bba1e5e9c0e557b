"""Figures of RQ3, similarity of saliency maps and maps over forgeries, and of RQ4, neurons against chance."""

from pathlib import Path

import numpy as np
import polars as pl

from facewitness.experiments.analyses.study import Study
from facewitness.experiments.sections import STUDIED
from facewitness.media import image
from facewitness.media.visualize import heat, tile_sheet
from facewitness.reporting import figures

_COLOURS = {"dissimilar": "#c0392b", "partly": "#e59b2c", "similar": "#2e8b57"}
_LABELS = {"dissimilar": "dissimilar", "partly": "partly similar", "similar": "similar"}


def bucket_figure(similarity: pl.DataFrame, file: Path) -> bool:
    """Draw the shares of the three buckets of SSIM, a bar for each set, a panel for each chain; False if none."""
    table = similarity.filter((pl.col("pair") == "common root") & (pl.col("map") == "guided"))
    panels = table.select("detector", "root").unique(maintain_order=True).rows()
    if not panels:
        return False
    columns = min(5, len(panels))
    lines = -(-len(panels) // columns)
    size = (2.6 * columns, 2.5 * lines)
    figure, axes = figures.pyplot().subplots(lines, columns, figsize=size, squeeze=False, sharey=True)
    for place, (detector, root) in enumerate(panels):
        sets = table.filter(detector=detector, root=root)
        panel = axes[place // columns][place % columns]
        low = [0.0] * sets.height
        for name, colour in _COLOURS.items():
            values = [value or 0.0 for value in sets[name]]
            label = _LABELS[name] if not place else None
            panel.bar(range(sets.height), values, bottom=low, color=colour, label=label)
            low = [a + b for a, b in zip(low, values, strict=True)]
        panel.set_xticks(range(sets.height), sets["set"], rotation=60, ha="right", fontsize=7)
        panel.set_title(f"{detector}, {root}", fontsize=8)
        panel.set_ylim(0, 1)
        if sets["value"].is_null().all():
            panel.text(0.5, 0.5, "all flat", transform=panel.transAxes, ha="center", fontsize=8)
    for panel in axes.flat[len(panels) :]:
        panel.axis("off")
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=8, bbox_to_anchor=(0.5, -0.06))
    figure.tight_layout()
    figures.keep(figure, file)
    return True


def picture_sheet(study: Study, file: Path) -> bool:
    """Draw forgeries under the saliency maps of each chain's detectors; False if there are none."""
    rows = []
    for chain in study.chains():
        if not all(study.plan.is_trained(run) for run in chain) or not study.pictures_file(chain).exists():
            continue
        kept = np.load(study.pictures_file(chain))
        tiles = [
            [crop, *(heat(crop, kept[kind][place]) if kept[kind][place].any() else None for kind in STUDIED)]
            for place, crop in enumerate(kept["crops"])
        ]
        detector, root, _ = study.of(chain[0])
        rows.append((f"{detector}, {root}", [tile for line in tiles for tile in line]))
    if not rows:
        return False
    picture = tile_sheet(rows, ("forgery", *STUDIED), tile_px=104)
    file.write_bytes(image.encode(picture, "jpeg:85", synthetic="Forgeries and saliency maps of detectors over them"))
    return True


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
