"""What of our own code decides a training, as a hash: comments, docstrings and layout do not count."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

_DECIDES = ("forgesight.detectors", "forgesight.training", "forgesight.media", "forgesight.forge")
_DATA = ("forgesight.detectors.architectures", "forgesight.detectors.zoo")  # a run's own card stands for them


def code_digest(modules: Iterable[str]) -> str:
    """SHA-256 over some modules and all they import of the packages that decide what a training gives."""
    waiting, known = list(modules), dict[str, str]()
    while waiting:
        name = waiting.pop()
        if name in known or name in _DATA or not name.startswith(_DECIDES):
            continue
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        waiting += _imports(tree)
        known[name] = ast.dump(_bare(tree))
    text = "\n".join(f"{name} {known[name]}" for name in sorted(known))
    return hashlib.sha256(text.encode()).hexdigest()


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if _is_module(node.module, alias.name))


def _is_module(package: str, name: str) -> bool:
    if not package.startswith("forgesight"):
        return False
    try:
        return find_spec(f"{package}.{name}") is not None
    except (ImportError, AttributeError):
        return False


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
