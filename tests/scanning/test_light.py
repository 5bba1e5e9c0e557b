"""A scan never loads what only training needs; and the check would notice if it did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fakes import astronaut, save

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "torchvision", "timm", "lightning", "sklearn", "scipy", "skimage", "matplotlib", "polars", "pydantic")
PROGRAM = """
import sys
from pathlib import Path
{extra}
from facewitness.scanning.pipeline import scan_paths
from tests.fakes import FakeDetector
summary = scan_paths([Path(sys.argv[1])], Path(sys.argv[2]), FakeDetector(), workers=1)
assert summary.statuses == {{"ok": 1}}, summary
print(*(name for name in {heavy!r} if name in sys.modules))
"""


def loaded(tmp_path: Path, extra: str = "") -> list[str]:
    """Which heavy packages a process has loaded after a scan."""
    (tmp_path / "fake" / "torch").mkdir(parents=True, exist_ok=True)  # so that the control needs no real torch
    (tmp_path / "fake" / "torch" / "__init__.py").touch()
    photo = save(astronaut(), tmp_path / "a.png")
    path = os.pathsep.join([str(tmp_path / "fake"), str(ROOT / "src"), str(ROOT)])
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(extra=extra, heavy=HEAVY), str(photo), str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_a_scan_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded(tmp_path) == []


def test_the_check_above_would_notice(tmp_path: Path) -> None:
    assert loaded(tmp_path, "import torch") == ["torch"]
