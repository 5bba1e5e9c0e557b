"""What an instruction to install names: something that exists."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from facewitness.provenance import install_command


def _installed_from(monkeypatch: pytest.MonkeyPatch, record: str | None) -> None:
    class Installed:
        @staticmethod
        def read_text(name: str) -> str | None:
            return record if name == "direct_url.json" else None

    monkeypatch.setattr(metadata, "distribution", lambda name: Installed)


def test_the_folder_that_was_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    _installed_from(monkeypatch, json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    assert install_command("train") == f'pip install "{folder}[train]"'


@pytest.mark.parametrize("record", [None, '{"url": "file:///no/such/folder"}', '{"url": "https://example.org/a.whl"}'])
def test_an_origin_that_is_gone_or_unknown_is_not_named(monkeypatch: pytest.MonkeyPatch, record: str | None) -> None:
    _installed_from(monkeypatch, record)
    assert install_command("train").startswith('pip install "DIR[train]", DIR being ')
