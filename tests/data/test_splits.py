"""Splits: nobody in two of them, shares as asked, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facewitness.data import splits
from facewitness.types import ManifestError, Sample


def crowd(people: int = 200) -> list[Sample]:
    """Two data sets, one to four photographs a person, and a few swaps that tie two people together."""
    rng = np.random.default_rng(0)
    samples = []
    for person in range(people):
        dataset = "studio" if person % 4 else "street"
        for shot in range(rng.integers(1, 5)):
            samples.append(Sample(Path(f"{person}-{shot}.jpg"), 0, identities=(f"p{person}",), dataset=dataset))
    for swap in range(20):
        pair = tuple(f"p{p}" for p in rng.integers(people, size=2))
        samples.append(Sample(Path(f"swap-{swap}.jpg"), 1, "faceswap", identities=pair, dataset="studio"))
    return samples


def test_nobody_is_in_two_splits_and_all_samples_stay_in_place() -> None:
    before = crowd()
    after = splits.assign(before)
    splits.verify(after)
    assert [replace(sample, split="train") for sample in after] == before


def test_each_data_set_is_divided_about_as_asked() -> None:
    samples = splits.assign(crowd(), (0.6, 0.2, 0.2))
    for dataset in ("studio", "street"):
        counts = Counter(sample.split for sample in samples if sample.dataset == dataset)
        for split, share in {"train": 0.6, "val": 0.2, "test": 0.2}.items():
            assert counts[split] / counts.total() == pytest.approx(share, abs=0.03)


def test_seed_decides() -> None:
    assert splits.assign(crowd(), seed=1) == splits.assign(crowd(), seed=1)
    assert splits.assign(crowd(), seed=1) != splits.assign(crowd(), seed=2)


def test_a_share_of_zero_gets_nothing() -> None:
    assert {sample.split for sample in splits.assign(crowd(), (0.0, 0.0, 1.0))} == {"test"}


def test_indirect_links_make_one_group() -> None:
    samples = [
        Sample(Path("a"), 0, identities=("a",)),
        Sample(Path("alone"), 0),
        Sample(Path("c"), 0, identities=("c",), video="1", dataset="x"),
        Sample(Path("bc"), 1, "swap", identities=("b", "c")),
        Sample(Path("ab"), 1, "swap", identities=("a", "b")),
        Sample(Path("frame"), 0, video="1", dataset="x"),
        Sample(Path("other set"), 0, video="1", dataset="y"),
    ]
    assert splits.groups(samples) == [0, 1, 0, 0, 0, 0, 2]


@pytest.mark.parametrize("link", [{"identities": ("anna",)}, {"video": "7"}])
def test_a_leak_is_found_and_named(link: dict[str, Any]) -> None:
    samples = [Sample(Path("x.jpg"), 0, **link), Sample(Path("y.jpg"), 0, split="test", **link)]
    with pytest.raises(ManifestError, match=r"in two splits: x\.jpg in train, y\.jpg in test"):
        splits.verify(samples)


def test_one_tangle_of_swaps_cannot_be_divided() -> None:
    samples = [Sample(Path(f"{i}"), 1, "swap", identities=(f"p{i}", f"p{i + 1}")) for i in range(30)]
    with pytest.raises(ManifestError, match=r"largest group .* has 30 of 30; .*assign splits before forging"):
        splits.assign(samples)


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_shares_that_are_none(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ManifestError, match="add up to 1"):
        splits.assign(crowd(), fractions)


def test_nothing_in_nothing_out() -> None:
    assert splits.assign([]) == []
