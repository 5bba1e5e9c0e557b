"""The README's commands, typed in its order on ten photographs in an empty folder; the long ones are parsed alone."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from facewitness.cli import app
from facewitness.config import packaged_recipes
from tests.fakes import astronaut, save

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```sh( slow| install)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _commands(kind: str) -> list[list[str]]:
    text = README.read_text(encoding="utf-8")
    blocks = [body for found, body in BLOCK.findall(text) if found.strip() == kind]
    return [shlex.split(line, comments=True) for body in blocks for line in body.splitlines() if line.strip()]


def _photographs(folder: Path) -> None:
    """Ten photographs of one consenting person, shifted and tinted as if they were ten."""
    for number in range(10):
        tinted = np.clip(astronaut().astype(float) * (0.75 + 0.05 * number), 0, 255).astype(np.uint8)
        save(np.roll(tinted, 5 * number, axis=1), folder / f"{number}.png")


def type_readme(folder: Path, program: list[str], environment: dict[str, str]) -> None:
    """Type every command that is not marked slow, in order, in a folder with ten photographs."""
    _photographs(folder / "photos")
    for command in _commands(""):
        assert command[0] == "facewitness"
        result = subprocess.run(
            [*program, *command[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert result.returncode == 0, f"{shlex.join(command)}\n{result.stdout}\n{result.stderr}"


@pytest.mark.slow
def test_the_commands_work_in_their_order(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-c", "from facewitness.cli import main; main()"]
    type_readme(tmp_path, program, environment)
    for file in ("report/report.html", "forged/manifest.parquet", "sheet.jpg", "divided.parquet", "page.md"):
        assert (tmp_path / file).is_file()
    assert (tmp_path / "detectors" / "mine" / "model.onnx").is_file()
    assert (tmp_path / "report-mine" / "results.jsonl").is_file()


@pytest.mark.parametrize("command", [*_commands("slow"), *_commands("")], ids=shlex.join)
def test_every_command_option_and_recipe_exists(command: list[str]) -> None:
    node: Any = typer.main.get_command(app)
    recipe = None
    for word in command[1:]:
        if hasattr(node, "commands"):
            if word in node.commands:
                node = node.commands[word]
                continue
            node = node.commands[node.default]
        if word.startswith("-"):
            assert word in {name for parameter in node.params for name in parameter.opts}, f"no option {word}"
        elif recipe is None and any(parameter.name == "recipe" for parameter in node.params):
            recipe = word
    if recipe is not None and command[1:3] != ["forge", "train-generator"]:
        assert recipe in packaged_recipes()


def test_the_long_commands_are_few_of_many() -> None:
    assert len(_commands("")) >= 10
    assert len(_commands("slow")) >= 10
