"""How tests are dealt to processes: a file each, so that its fixtures are made once; the long exports one by one."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests of a file, for ``--dist loadgroup``."""
    for item in items:
        if item.path.name != "test_every_export.py":
            item.add_marker(pytest.mark.xdist_group(item.path.as_posix()))
