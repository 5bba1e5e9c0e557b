"""A model card for each architecture of the zoo, from its ``Card``, its recipe and a comparison. No number by hand."""

from pathlib import Path

import polars as pl

from facewitness import config, storage
from facewitness.config import PACKAGED
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.evaluation.tables import number, row
from facewitness.experiments.seen_unseen import GAP, SEEN, UNSEEN
from facewitness.reporting import markdown
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
    crop = card.crop
    scaled = "in 0..1" if card.std == (1.0, 1.0, 1.0) else f"less {_three(card.mean)}, over {_three(card.std)}"
    rows = [
        ("what it is", card.about),
        ("paper", card.paper),
        ("sees", f"one aligned face of {crop.size_px} px, {crop.margin:g} of its side around it; RGB {scaled}"),
        ("says", "P(forged)" + ("; a map of where" if card.has_map else "; no map")),
        ("size", f"{markdown.human_count(card.parameters)} parameters, {markdown.human_count(card.macs)} MACs a face"),
        ("recipe", f"`zoo/{recipe.stem}`: {_comment(recipe)}"),
        ("learns with", _settings(recipe)),
        ("weights", _weights(card.name)),
        ("terms", "code Apache-2.0, written by us from the paper; weights as whoever trained them says"),
        *_measured(card.name, table, page),
    ]
    limits = (
        "**For**: standing beside other detectors, trained on the same photographs and judged by the same code.\n\n"
        "**Not for**: proof, or a scan whose result matters, before it was trained and calibrated on photographs like "
        "those to be scanned. A detector of one family of forgeries is near a guess on the next: see the gap."
    )
    name = f"# Model card: `{card.name}`"
    made = "Written by `facewitness experiment report --cards`."
    return f"{name}\n\n{markdown.table(('', ''), rows)}\n\n{limits}\n\n{made}\n"


def _comment(recipe: Path) -> str:
    """The words at the head of a recipe, which say whose settings it has."""
    try:
        lines = recipe.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecipeError(f"{recipe}: every entry of the zoo needs a recipe: {error.strerror}") from error
    words = [line[2:] for line in lines if line.startswith("# ") and not line.startswith("#   ")]
    return " ".join(words)


def _settings(recipe: Path) -> str:
    settings = config.load(recipe, TrainRecipe)
    optim = settings.optim
    if optim.optimizer == "svm":
        return "a linear SVM"
    return (
        f"loss `{settings.loss.kind}`, {optim.optimizer} at {optim.rate:g}, {2 * optim.batch_pairs} crops a batch, "
        f"at most {optim.epochs} epochs of {2 * settings.data.pairs_per_epoch:,} crops, from `{settings.net.init}`"
    )


def _weights(name: str) -> str:
    if name not in IMPORTS:
        return "none ship: train it"
    return f"none ship; the published ones: `facewitness import {IMPORTS[name]} --out DIR`"


def _measured(name: str, table: pl.DataFrame | None, page: Path | None) -> list[tuple[str, str]]:
    if table is None or table.filter(pl.col("detector") == name).is_empty():
        return [("measured", "not yet")]
    cells = [row(table, detector=name, set=kind, metric="auc") for kind in (SEEN, UNSEEN, GAP)]
    seen, unseen, gap = (number(cell, seeds=True) for cell in cells)
    where = f" ([at a small size, beside all others](../results/{page.name}))" if page is not None else ""
    return [("measured", f"AUC on seen methods {seen}, on unseen {unseen}, gap {gap}{where}")]


def _three(values: tuple[float, float, float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "/".join(f"{value:g}" for value in values)
