"""Manifests joined and thinned out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import pytest

from facewitness.curation.tables import counts, merge, thin
from facewitness.data import manifest
from facewitness.types import ManifestError, Sample, Split


def _sample(name: str, method: str = "real", split: str = "train", source: str = "x") -> Sample:
    return Sample(
        Path("/nowhere") / name, int(method != "real"), method, None, (name,), source, cast(Split, split), None, None
    )


def test_merging_keeps_order_and_refuses_what_contradicts_itself(tmp_path: Path) -> None:
    one, two = [_sample("a"), _sample("b", "mine")], [_sample("c", split="test")]
    manifest.write(one, tmp_path / "one.parquet")
    manifest.write(two, tmp_path / "sub" / "two.csv")
    assert merge([tmp_path / "one.parquet", tmp_path / "sub" / "two.csv"]) == one + two
    with pytest.raises(ManifestError, match=r"a is in .*one\.parquet already"):
        merge([tmp_path / "one.parquet", tmp_path / "one.parquet"])
    manifest.write([Sample(Path("/nowhere/z"), 0, identities=("a",), split="test")], tmp_path / "three.csv")
    with pytest.raises(ManifestError, match="a"):
        merge([tmp_path / "one.parquet", tmp_path / "three.csv"])


def test_thinning_draws_the_same_number_of_each_method_in_each_split() -> None:
    samples = [_sample(f"{m}{s}{n}", m, s) for m in ("real", "one", "two") for s in ("train", "test") for n in range(9)]
    few = thin(samples, 4, seed=1)
    assert Counter((s.method, s.split) for s in few) == {
        (m, s): 4 for m in ("real", "one", "two") for s in ("train", "test")
    }
    assert few == [s for s in samples if s in few]
    assert few == thin(samples, 4, seed=1)
    assert few != thin(samples, 4, seed=2)


def test_sources_are_matched() -> None:
    samples = [_sample(f"r{n}", source="studio") for n in range(9)] + [
        _sample(f"q{n}", source="street") for n in range(9)
    ]
    samples += [_sample(f"f{n}", "mine", source="studio") for n in range(4)]
    matched = thin(samples, match_sources=True)
    assert Counter((s.method, s.dataset) for s in matched) == {("real", "studio"): 4, ("mine", "studio"): 4}


def test_counts_are_for_reading() -> None:
    head, *rows = counts([_sample("a"), _sample("b", split="test"), _sample("c", "mine")])
    assert head[:5] == ("method", "source", "train", "val", "test")
    assert rows == [("real", "x", "1", "0", "1", "0", "2", "0", "0"), ("mine", "x", "1", "0", "0", "0", "1", "0", "0")]
