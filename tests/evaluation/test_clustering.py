"""Clusters named by one photograph: by hand on points, end to end on a detector whose features are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from facewitness.cli import app
from facewitness.data import manifest
from facewitness.evaluation.clustering import accuracies, cluster, embed, named
from facewitness.types import FacewitnessError, ManifestError
from tests.evaluation import scene
from tests.fakes import FakeDetector

POINTS = np.array([[0.0, 0], [0, 1], [1, 0], [9, 9], [9, 8], [1, 1]])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene.write(tmp_path_factory.mktemp("set"))


@pytest.mark.parametrize(("anchor", "label", "expected"), [(0, 0, [0, 0, 0, 1, 1, 0]), (3, 0, [1, 1, 1, 0, 0, 1])])
def test_the_anchor_names_both_clusters(anchor: int, label: int, expected: list[int]) -> None:
    assert named(POINTS, anchor, label, 0).tolist() == expected


def test_accuracies_by_hand() -> None:
    called, labels = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    assert accuracies(called, labels) == pytest.approx(((1 / 2 + 2 / 3) / 2, 1 / 2, 2 / 3))


def test_tsne_keeps_apart_what_is_apart_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (20, 16)), rng.normal(8, 1, (20, 16))]).astype(np.float32)
    points = embed(features, 1)
    called = named(points, 0, 0, 1)
    assert accuracies(called, np.repeat([0, 1], 20)) == (1, 1, 1)
    np.testing.assert_array_equal(points, embed(features, 1))


def test_ten_draws_a_table_and_a_figure(table: Path, tmp_path: Path) -> None:
    record = json.loads(cluster(FakeDetector(), table, tmp_path, draws=4, workers=0).read_text())
    assert len(record["draws"]) == 4
    assert (record["real"], record["fake"], record["without_face"]) == (6, 9, 1)
    assert record["accuracy"]["lowest"] <= record["accuracy"]["mean"] <= record["accuracy"]["highest"]
    assert len({draw["anchor"] for draw in record["draws"]}) > 1
    found = pl.read_parquet(tmp_path / "cluster.parquet")
    called = found["called"].to_numpy()
    assert accuracies(called, found["label"].to_numpy())[0] == record["draws"][0]["accuracy"]
    assert (tmp_path / "cluster.png").stat().st_size > 5000


def test_a_given_anchor_names_every_draw_and_is_kept_by_a_limit(table: Path, tmp_path: Path) -> None:
    anchor = manifest.read(table)[3].path
    options = {"anchor": anchor, "draws": 3, "limit": 3, "workers": 0}
    record = json.loads(cluster(FakeDetector(), table, tmp_path, **options).read_text())
    assert {draw["anchor"] for draw in record["draws"]} == {str(anchor)}
    assert record["real"] + record["fake"] >= 8


def test_what_cannot_be_clustered_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="not among the photographs"):
        cluster(FakeDetector(), table, tmp_path, anchor=table, workers=0)
    with pytest.raises(FacewitnessError, match="nothing to tell apart"):
        cluster(FakeDetector(), table, tmp_path, limit=1, workers=0)
    with pytest.raises(ManifestError, match="no fake of the method"):
        cluster(FakeDetector(), table, tmp_path, methods=["x"], workers=0)


def test_the_command(table: Path, tmp_path: Path) -> None:
    said = f"evaluate cluster default {table} --out {tmp_path} --draws 2"
    result = CliRunner().invoke(app, said.split())
    assert result.exit_code == 0, result.output
    assert "2 draws over 6 real and 9 forged faces" in result.output
