"""Figures as files: matplotlib without a screen, and PNGs that do not say when they were made."""

from pathlib import Path
from typing import Any


def pyplot() -> Any:
    """matplotlib's, drawing to files only."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as found

    return found


def keep(figure: Any, file: Path, *, dpi: int = 110) -> None:
    """Write a figure as PNG, cut to what is drawn, and forget it."""
    figure.savefig(file, dpi=dpi, bbox_inches="tight", metadata={"Software": None})
    pyplot().close(figure)
