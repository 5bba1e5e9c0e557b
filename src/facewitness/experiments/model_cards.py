"""A model card for each architecture of the zoo, from its ``Card``, its recipe and a comparison. No number by hand.

``model_card.md.jinja`` has the words.
"""

from pathlib import Path

import polars as pl

from facewitness import config, storage
from facewitness.config import PACKAGED
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.evaluation.tables import number, row
from facewitness.experiments.seen_unseen import GAP, SEEN, UNSEEN
from facewitness.reporting import templates
from facewitness.training.recipe import TrainRecipe
from facewitness.types import Card, RecipeError

IMPORTS = {
    "meso4": "mesonet Meso4_DF.h5",
    "mesoinception4": "mesonet MesoInception_DF.h5",
    "classnseg": "classnseg encoder_46.pt decoder_46.pt",
    "xception": "xception STATE.pth",
}
"""Entries whose published weights ``facewitness import`` reads."""


def write_cards(folder: Path, table: Path | None, page: Path | None) -> list[Path]:
    """Write ``folder/NAME.md`` for every architecture and return the files.

    Args:
        folder: made if absent.
        table: the tidy table of an experiment that compares them; None leaves the measurements out.
        page: its report, which the cards name.

    Raises:
        RecipeError: an architecture has no recipe ``zoo/NAME``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    measured = pl.read_parquet(table) if table is not None else None
    files = []
    for name, card in ARCHITECTURES.items():
        file = folder / f"{name}.md"
        storage.write_text(file, _card(card, PACKAGED / "zoo" / f"{name}.toml", measured, page))
        files.append(file)
    return files


def _card(card: Card, recipe: Path, table: pl.DataFrame | None, page: Path | None) -> str:
    comment = _comment(recipe)
    cells = (
        []
        if table is None
        else [row(table, detector=card.name, set=kind, metric="auc") for kind in (SEEN, UNSEEN, GAP)]
    )
    return templates.render(
        "facewitness.experiments",
        "model_card.md.jinja",
        card=card,
        comment=comment,
        recipe=config.load(recipe, TrainRecipe),
        published=IMPORTS.get(card.name),
        measured=table is not None and not table.filter(detector=card.name).is_empty(),
        aucs=[number(cell, seeds=True) for cell in cells],
        page=page,
    )


def _comment(recipe: Path) -> str:
    """The words at the head of a recipe, which say whose settings it has."""
    try:
        lines = recipe.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecipeError(f"{recipe}: every entry of the zoo needs a recipe: {error.strerror}") from error
    words = [line[2:] for line in lines if line.startswith("# ") and not line.startswith("#   ")]
    return " ".join(words)
