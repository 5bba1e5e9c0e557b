"""Model cards: one for each entry, with its own paper, recipe and numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.evaluation import tables
from facewitness.experiments import model_cards
from facewitness.types import RecipeError


def test_every_entry_has_a_card_that_says_where_it_stands(tmp_path: Path) -> None:
    row = {"detector": "meso4", "metric": "auc", "value": 0.75, "low": 0.7, "high": 0.8, "n_seeds": 1}
    table = tables.build([row | {"set": kind} for kind in ("seen", "unseen", "gap")])
    tables.write(table, tmp_path / "table.parquet")
    files = model_cards.write_cards(tmp_path, tmp_path / "table.parquet", Path("docs/results/zoo.md"))
    assert [file.stem for file in files] == list(ARCHITECTURES)
    meso4, vgg16 = ((tmp_path / f"{name}.md").read_text() for name in ("meso4", "vgg16"))
    assert "0.750 (0.700-0.800)" in meso4
    assert "(../results/zoo.md)" in meso4
    assert "facewitness import mesonet" in meso4
    assert "loss `squared-error`, adam at 0.001, 76 crops" in meso4
    assert "| measured | not yet |" in vgg16
    for name, card in ARCHITECTURES.items():
        assert card.paper in (tmp_path / f"{name}.md").read_text()


def test_an_entry_without_a_recipe_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_cards, "PACKAGED", tmp_path)
    with pytest.raises(RecipeError, match=r"meso4\.toml: every entry"):
        model_cards.write_cards(tmp_path, None, None)
