"""The README's commands, typed in its order on ten photographs in an empty folder; its long ones, and those of the
documentation, are parsed alone."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
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


def _commands(kind: str, page: Path = README) -> list[list[str]]:
    text = page.read_text(encoding="utf-8")
    blocks = [body for found, body in BLOCK.findall(text) if found.strip() == kind]
    return [shlex.split(line, comments=True) for body in blocks for line in body.splitlines() if line.strip()]


PAGES = [
    README,
    *sorted((README.parent / "docs").glob("*.md")),
    *sorted((README.parent / "docs" / "systems").glob("*.md")),
]
_ALL = sorted({tuple(command) for page in PAGES for kind in ("slow", "") for command in _commands(kind, page)})


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


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The command of a wheel, installed in an environment of its own beside the packages of this one."""
    environment = tmp_path / "environment"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    wheel = [*pip, "wheel", str(README.parent), "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run(wheel, check=True)
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files do not count there
    (file,) = tmp_path.glob("facewitness-*.whl")
    subprocess.run([*pip, "--python", str(environment), "install", "--no-deps", str(file)], check=True)
    where = [environment / "bin" / "python", "-c", "import facewitness; print(facewitness.__file__)"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(where, check=True, capture_output=True, text=True, env=clean).stdout
    assert found.startswith(str(environment))
    return environment / "bin" / "facewitness"


@pytest.mark.slow
def test_an_outsider_types_the_readme(tmp_path: Path, installed: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    type_readme(folder, [str(installed)], environment)
    for file in ("report/report.html", "forged/manifest.parquet", "sheet.jpg", "divided.parquet", "report.md"):
        assert (folder / file).is_file()
    assert (folder / "detectors" / "mine" / "model.onnx").is_file()
    assert (folder / "report-mine" / "results.jsonl").is_file()


@pytest.mark.parametrize("command", _ALL, ids=shlex.join)
def test_every_command_option_and_recipe_exists(command: tuple[str, ...]) -> None:
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
    if recipe is not None and command[1:3] != ("forge", "train-generator"):
        assert recipe in packaged_recipes()


def test_the_long_commands_are_few_of_many() -> None:
    assert len(_commands("")) >= 10
    assert len(_commands("slow")) >= 10
