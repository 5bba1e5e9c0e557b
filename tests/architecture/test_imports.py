"""What each door may load, seen from a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

import facewitness
from tests import fakes

HEAVY = ("torch", "torchvision", "timm", "lightning", "sklearn", "scipy", "skimage", "matplotlib")
TABLES = ("polars", "pydantic")
RUNTIMES = ("onnxruntime", "cv2", "dlib", "PIL")

SCAN = """
import facewitness
report = facewitness.scan({photo!r})
assert report.findings, report
"""


def loaded_by(code: str, names: tuple[str, ...]) -> set[str]:
    """Which of these packages are in ``sys.modules`` of a new interpreter that has run the code."""
    ask = f"\nimport sys\nprint('LOADED', *[name for name in {names!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code + ask], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split()[1:])


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(fakes.save(fakes.astronaut(), tmp_path_factory.mktemp("photo") / "astronaut.png"))


def test_scanning_a_photograph_loads_neither_torch_nor_tables(photo: str) -> None:
    assert loaded_by(SCAN.format(photo=photo), HEAVY + TABLES) == set()


def test_the_check_above_would_notice_torch(photo: str) -> None:
    assert loaded_by(SCAN.format(photo=photo) + "import torch", HEAVY + TABLES) >= {"torch"}


def test_the_command_that_scans_a_folder_does_not_load_torch(photo: str, tmp_path: Path) -> None:
    arguments = ["scan", photo, "--out", str(tmp_path / "out"), "--quiet"]
    code = f"from facewitness.cli import app\napp({arguments!r}, standalone_mode=False)"
    assert loaded_by(code, HEAVY) == set()
    assert (tmp_path / "out" / "results.jsonl").exists()


def test_every_public_name_is_there() -> None:
    names = facewitness.__all__
    assert all(getattr(facewitness, name) is not None for name in names)
    assert facewitness.train.__module__ == "facewitness.training.train"
    with pytest.raises(AttributeError, match="no attribute 'detect'"):
        facewitness.detect  # noqa: B018


def test_importing_the_package_loads_no_runtime() -> None:
    assert loaded_by("import facewitness", HEAVY + TABLES + RUNTIMES) == set()


COMMANDS = (
    "scan",
    "calibrate",
    "forge",
    "train",
    "export",
    "evaluate",
    "detectors",
    "import",
    "experiment",
    "recipes",
    "data",
    "lae",
)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_loads_no_runtime(command: list[str]) -> None:
    arguments = [*command, "--help"]
    code = f"from facewitness.cli import app\napp({arguments!r}, standalone_mode=False)"
    assert loaded_by(code, HEAVY + RUNTIMES + ("polars",)) == set()


def test_the_forge_does_not_load_torch() -> None:
    assert loaded_by("import facewitness.forge.methods", HEAVY) == set()


def test_evaluation_does_not_load_torch() -> None:
    assert loaded_by("import facewitness.evaluation.evaluate, facewitness.evaluation.report", HEAVY) == set()
