"""Cells as graphs, and how alpha moved while they were searched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from facewitness.detectors.nets.cells import Block, Genotype
from facewitness.reporting import figures

_BOX = {"boxstyle": "round,pad=0.35", "linewidth": 1}


def cells(genotype: Genotype, file: Path) -> None:
    """Both cells beside each other (ADD, figure 8), as PNG."""
    figure, both = figures.pyplot().subplots(2, 1, figsize=(11, 9))
    for axes, (title, blocks) in zip(
        both, (("normal cell", genotype.normal), ("reduction cell", genotype.reduction)), strict=True
    ):
        _cell(axes, blocks, title)
    figure.tight_layout()
    figures.keep(figure, file, dpi=100)


def alphas(entries: Sequence[Mapping[str, Any]], operations: Sequence[str], file: Path) -> None:
    """The mean weight of each operation over the edges of either cell, epoch by epoch, as PNG."""
    figure, both = figures.pyplot().subplots(1, 2, figsize=(11, 4), sharey=True)
    for number, (axes, title) in enumerate(zip(both, ("normal cell", "reduction cell"), strict=True)):
        weights = softmax(np.array([entry["alphas"][number] for entry in entries]), 2)  # (epochs, edges, operations)
        for index, name in enumerate(operations):
            axes.plot(weights[..., index].mean(1), "--" if index > 5 else "-", label=name)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    both[0].set_ylabel("mean weight over the edges")
    both[1].legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figures.keep(figure, file, dpi=100)


def _cell(axes: Any, blocks: Sequence[Block], title: str) -> None:
    """Inputs on the left, blocks in their order, the output on the right; each arrow says its operation."""
    count = len(blocks)
    places = [(0.0, 1.45), (0.0, -1.45)]
    places += [(1.6 + 1.6 * number, 0.6 if number % 2 == 0 else -0.6) for number in range(count)]
    out = (places[-1][0] + 1.6, 0.0)
    for number, block in enumerate(blocks):
        for which, (source, operation) in enumerate(block):
            bend = (0.12 if which else -0.12) if block[0][0] == block[1][0] else 0.04
            far = places[number + 2][0] - places[source][0] > 3.5
            _arrow(axes, places[source], places[number + 2], operation, bend, (0.2 if far else 0.4) + 0.14 * which)
        _arrow(axes, places[number + 2], out, "", 0.0, 0.5)
    for number, place in enumerate(places):
        name = ("cell before\nlast", "last cell")[number] if number < 2 else f"block {number - 2}"
        colour = "#d9e8f5" if number < 2 else "#fdf0d5"
        axes.text(*place, name, ha="center", va="center", fontsize=9, bbox={**_BOX, "facecolor": colour}, zorder=3)
    axes.text(*out, "output", ha="center", va="center", fontsize=9, bbox={**_BOX, "facecolor": "#e2f0d9"}, zorder=3)
    axes.set_xlim(-0.8, out[0] + 0.7)
    axes.set_ylim(-1.8, 1.8)
    axes.set_title(title, fontsize=11)
    axes.axis("off")


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], text: str, bend: float, at: float) -> None:
    style = {"arrowstyle": "-|>", "color": "#555555" if text else "#bbbbbb", "shrinkA": 18, "shrinkB": 20}
    axes.annotate("", end, start, arrowprops={**style, "connectionstyle": f"arc3,rad={bend}"}, zorder=1)
    if text:
        along = np.array(end) - np.array(start)
        middle = np.array(start) + at * along + bend * np.array([along[1], -along[0]]) * 2 * at * (1 - at)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
        axes.text(*middle, text, fontsize=7.5, ha="center", va="center", color="#8a1c1c", zorder=4, bbox=box)
