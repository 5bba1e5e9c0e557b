"""What a net's own code says, as a hash: comments, docstrings and layout do not count."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

NETS = "facewitness.detectors.nets"


def code_digest(module: str) -> str:
    """SHA-256 over a module of a net and all the modules of nets that it imports."""
    waiting, known = [module], dict[str, str]()
    while waiting:
        name = waiting.pop()
        if name in known or not name.startswith(f"{NETS}."):
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
            if node.module == NETS:
                yield from (f"{NETS}.{alias.name}" for alias in node.names)


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
