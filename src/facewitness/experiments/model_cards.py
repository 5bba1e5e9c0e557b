"""A model card for each architecture of the zoo, from its ``Card``, its recipe and a comparison. No number by hand."""

from pathlib import Path

import polars as pl

from facewitness import config, storage
from facewitness.config import PACKAGED
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.evaluation.tables import number, row
from facewitness.experiments.seen_unseen import GAP, SEEN, UNSEEN
from facewitness.reporting import markdown
from facewitness.reporting.templates import render
from facewitness.training.recipe import TrainRecipe
from facewitness.types import RecipeError

IMPORTS = {
    "meso4": "mesonet Meso4_DF.h5",
    "mesoinception4": "mesonet MesoInception_DF.h5",
    "classnseg": "classnseg encoder_46.pt decoder_46.pt",
    "xception": "xception STATE.pth",
}
"""Entries whose published weights ``facewitness import`` reads."""


def write_cards(folder: Path, table: Path | None, report: Path | None) -> list[Path]:
    """Write ``folder/NAME.md`` for every architecture and return the files.

    Args:
        folder: made if absent.
        table: the tidy table of an experiment that compares them; None leaves the measurements out.
        report: of that experiment, which the cards name.

    Raises:
        RecipeError: an architecture has no recipe ``zoo/NAME``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    measured = pl.read_parquet(table) if table is not None else None
    files = []
    for name, card in ARCHITECTURES.items():
        recipe = PACKAGED / "zoo" / f"{name}.toml"
        text = render(
            "facewitness.experiments",
            "model_card.md.jinja",
            table=markdown.table,
            count=markdown.human_count,
            card=card,
            whose=_comment(recipe),
            recipe=config.load(recipe, TrainRecipe),
            published=IMPORTS.get(name),
            measured=_measured(name, measured, report),
        )
        files.append(folder / f"{name}.md")
        storage.write_text(files[-1], text)
    return files


def _comment(recipe: Path) -> str:
    """The words at the head of a recipe, which say whose settings it has."""
    try:
        lines = recipe.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecipeError(f"{recipe}: every entry of the zoo needs a recipe: {error.strerror}") from error
    words = [line[2:] for line in lines if line.startswith("# ") and not line.startswith("#   ")]
    return " ".join(words)


def _measured(name: str, table: pl.DataFrame | None, report: Path | None) -> str | None:
    if table is None or table.filter(pl.col("detector") == name).is_empty():
        return None
    cells = [row(table, detector=name, set=kind, metric="auc") for kind in (SEEN, UNSEEN, GAP)]
    seen, unseen, gap = (number(cell, seeds=True) for cell in cells)
    where = f" ([at a small size, beside all others](../results/{report.name}))" if report is not None else ""
    return f"AUC on seen methods {seen}, on unseen {unseen}, gap {gap}{where}"
