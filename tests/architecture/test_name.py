"""The old name is gone, and nothing promises an install from an index, where the package is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
HISTORY = ("CHANGELOG.md", "docs/decisions/", "src/facewitness/experiments/revisions.json")
"""Revisions keep what the hashes of finished runs were made of."""
OLD_NAME = "forge" + "sight"
FROM_AN_INDEX = re.compile(r"""pip install (?:--?\S+ )*["']?facewitness\b(?!-)""")


def _project_files() -> Iterator[Path]:
    for name in ("src", "tests", "docs", "examples", "benchmarks", ".ci"):
        yield from (path for path in (ROOT / name).rglob("*") if path.is_file() and path.suffix != ".pyc")
    yield from (path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".git"))


def test_the_old_name_stands_in_the_history_only() -> None:
    named = [path for path in _project_files() if OLD_NAME.encode() in path.read_bytes().lower()]
    names = [path.relative_to(ROOT).as_posix() for path in named]
    assert [name for name in names if not name.startswith(HISTORY)] == []


def test_no_instruction_promises_an_index() -> None:
    assert FROM_AN_INDEX.search('pip install "facewitness[train]"')  # so that the search below can fail
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in _project_files()
        if path.suffix in (".py", ".md", ".toml", ".html", "") and path.name != Path(__file__).name
        for match in FROM_AN_INDEX.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []
