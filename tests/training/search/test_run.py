"""``facewitness search`` at toy size: cells for every epoch, drawn and trained on; stopped, it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from facewitness import config
from facewitness.cli import app
from facewitness.detectors import cards
from facewitness.detectors.nets.cells import Genotype
from facewitness.training.recipe import TrainRecipe
from facewitness.training.search.recipe import SearchRecipe
from facewitness.training.search.run import Searching, search
from facewitness.training.train import train
from facewitness.types import RecipeError
from tests.fakes import LIGHTNING_CHATTER

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]

RECIPE = """
name = "toy-search"
[data]
path = "{data}"
pairs_per_epoch = 4
validation_pairs = 2
workers = 0
[crop]
size_px = 64
[forge]
methods = {{ selfblend = 1.0 }}
[loss]
kind = "potential"
[search]
sampler = "{sampler}"
channels = 2
blocks = 2
operations = ["zero", "identity", "conv-3", "max-3"]
drop_epochs = [1]
latency_weight = 0.1
[optim]
batch_pairs = 2
epochs = 2
[trainer]
accelerator = "cpu"
threads = 1
"""


@pytest.fixture
def recipe(toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "search.toml"
    path.write_text(RECIPE.format(data=toy_data / "manifest.parquet", sampler="gumbel"))
    return path


def test_a_search_ends_with_cells_that_can_be_trained(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = CliRunner().invoke(app, ["search", str(recipe), "--out", str(out), "-q"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (out / "genotypes.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["epoch 0", "epoch 1"]
    assert [len(alpha) for alpha in lines[0]["alphas"]] == [5, 5]
    assert lines[0]["alphas"] != lines[1]["alphas"]
    genotype = Genotype.parse((out / "genotype.json").read_text().strip())
    assert genotype == Genotype.parse(lines[1]["genotype"])
    assert len(genotype.normal) == 2
    assert 0 <= lines[1]["skips"] <= 1
    for figure in ("cells.png", "alphas.png"):
        assert (out / figure).stat().st_size > 5000
    training = tmp_path / "train.toml"
    text = recipe.read_text()
    text = text[: text.index("[search]")] + '[net]\nentry = "add"\n' + text[text.index("[optim]") :]
    training.write_text(text.replace("toy-search", "toy-add"))
    given = [f"net.args.genotype={json.dumps(str(out / 'genotype.json'))}", "net.args.channels=4", "net.args.normal=1"]
    run = train(training, tmp_path / "add", [*given, "optim.epochs=1"], progress=None)
    args = cards.read(run).args
    assert Genotype.parse(str(args["genotype"])) == genotype, "the card holds the cells themselves, not a file's name"


def test_a_stopped_search_goes_on(recipe: Path, tmp_path: Path) -> None:
    given = ["optim.epochs=3", "search.latency_weight=0"]  # times measured are no two times alike
    whole = search(recipe, tmp_path / "whole", given, progress=None)
    out = tmp_path / "stopped"
    search(recipe, out, given, progress=None)
    lines = (out / "genotypes.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert lines == (whole / "genotypes.jsonl").read_text().splitlines(), "the same seed, the same search"
    search(recipe, out, given, resume=True, progress=None)
    assert len((out / "genotypes.jsonl").read_text().splitlines()) == 3
    with pytest.raises(RecipeError, match="already holds a run"):
        search(recipe, out, progress=None)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('search.operations=["conv-9","zero"]', "no operation 'conv-9' in the space of ADD"),
        ('search.operations=["zero","zero"]', "different ones"),
        ("search.sampler=best", "sampler"),
        ("search.warm_epochs=2", "warm_epochs has to be below optim.epochs, which is 2"),
    ],
)
def test_a_wrong_recipe_is_refused(override: str, message: str, recipe: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        config.load(recipe, SearchRecipe, [override])


def test_a_genotypes_file_that_is_not_there_is_named(recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('name = "x"\n[data]\npath = "p"\n[net]\nentry = "add"\nargs = { genotype = "nowhere.json" }\n')
    with pytest.raises(RecipeError, match=r"nowhere\.json cannot be read"):
        config.load(path, TrainRecipe)


def test_while_it_is_warming_up_only_weights_learn(recipe: Path, tmp_path: Path) -> None:
    given = ["optim.epochs=3", "search.warm_epochs=2", "search.latency_weight=0"]
    lines = (search(recipe, tmp_path / "run", given, progress=None) / "genotypes.jsonl").read_text().splitlines()
    first, second, third = (json.loads(line)["alphas"] for line in lines)
    assert first == second != third


def test_softmax_searches_too(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text().replace('"gumbel"', '"softmax"'))
    assert (search(recipe, tmp_path / "run", ["optim.epochs=1"], progress=None) / "genotype.json").exists()


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_the_recipe_says_how_the_weights_learn(name: str, kind: type, recipe: Path, tmp_path: Path) -> None:
    overrides = [f"optim.optimizer={name}", "optim.rate=0.003", "optim.weight_decay=0.25", "optim.momentum=0.8"]
    searching = Searching(config.load(recipe, SearchRecipe, overrides), tmp_path)
    weights, alpha = searching.configure_optimizers()
    (group,) = weights.param_groups
    assert type(weights) is kind
    assert (group["lr"], group["weight_decay"]) == (0.003, 0.25)
    assert (group["momentum"] if name == "sgd" else group["betas"][0]) == 0.8
    assert group["params"] == list(searching.net.operations())
    assert type(alpha) is torch.optim.Adam
    assert alpha.param_groups[0]["params"] == list(searching.net.alphas)
