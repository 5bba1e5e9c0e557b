"""Model cards: one for each entry, with its own paper, recipe and numbers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from facewitness.detectors import zoo
from facewitness.experiments import model_cards
from facewitness.experiments.standings import SCHEMA
from facewitness.types import RecipeError

RECIPES = Path(__file__).parents[2] / "src/facewitness/recipes/zoo"


def test_every_entry_has_a_card_that_says_where_it_stands(tmp_path: Path) -> None:
    row = {"detector": "meso4", "metric": "auc", "value": 0.75, "low": 0.7, "high": 0.8, "seeds": 1}
    table = pl.DataFrame([row | {"slice": kind} for kind in ("seen", "unseen", "fall")], SCHEMA)
    files = model_cards.write(tmp_path, RECIPES, table, Path("docs/results/zoo.md"))
    assert [file.stem for file in files] == list(zoo.ARCHITECTURES)
    meso4, vgg16 = ((tmp_path / f"{name}.md").read_text() for name in ("meso4", "vgg16"))
    assert "0.750 (0.700-0.800)" in meso4
    assert "(../results/zoo.md)" in meso4
    assert "facewitness import mesonet" in meso4
    assert "loss `squared-error`, adam at 0.001, 76 crops" in meso4
    assert "| measured | not yet |" in vgg16
    for name, card in zoo.ARCHITECTURES.items():
        assert card.paper in (tmp_path / f"{name}.md").read_text()


def test_an_entry_without_a_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"meso4\.toml: every entry"):
        model_cards.write(tmp_path, tmp_path, None, None)
