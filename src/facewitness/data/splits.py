"""Splits that share no person: whoever is seen in training is never judged on.

A forged photograph may show several identities (a donor and a target), so identities that occur together are one group,
and a group goes whole into one split. Frames of one video stay together as well.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from facewitness.data.manifest import SPLITS
from facewitness.types import ManifestError, Sample, Split

T = TypeVar("T")


def groups(samples: Sequence[Sample]) -> list[int]:
    """For each sample the number of its group: samples linked by an identity or a video, however indirectly.

    Numbers count from 0 in order of first appearance. A sample with neither identity nor video is a group of its own.
    """
    parent = list(range(len(samples)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    owner: dict[Hashable, int] = {}
    for index, sample in enumerate(samples):
        for link in _links(sample):
            a, b = root(index), root(owner.setdefault(link, index))
            parent[max(a, b)] = min(a, b)  # the earliest sample stays the root
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(samples))]


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most ``limit`` of some items, spread evenly, the first and the last among them; all if it is None."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, limit).round().astype(int)]


def assign(
    samples: Sequence[Sample], fractions: tuple[float, float, float] = (0.7, 0.15, 0.15), seed: int = 0
) -> list[Sample]:
    """The samples with new splits, in their order; ``fractions`` are the shares of train, val and test.

    Groups are drawn in a seeded order, the largest first, and each goes where its data sets lack most, so that every
    data set is divided about as asked.

    Raises:
        ManifestError: the fractions do not add up to 1, or the groups are too few or too large for a split to get any.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ManifestError(f"split fractions {fractions} must be at least 0 and add up to 1")
    if not samples:
        return []
    number = groups(samples)
    members: dict[int, list[int]] = {}
    for index, group in enumerate(number):
        members.setdefault(group, []).append(index)
    totals = Counter(sample.dataset for sample in samples)
    have = [Counter[str]() for _ in SPLITS]
    chosen: dict[int, int] = {}
    drawn = np.random.default_rng(seed).permutation(len(members)).tolist()
    for group in sorted(drawn, key=lambda group: -len(members[group])):
        content = Counter(samples[index].dataset for index in members[group])
        lacks = [
            sum(count * (fraction - have[split][name] / totals[name]) for name, count in content.items())
            for split, fraction in enumerate(fractions)
        ]
        chosen[group] = max((s for s in range(len(SPLITS)) if fractions[s] > 0), key=lambda s: lacks[s])
        have[chosen[group]].update(content)
    _check_filled(fractions, have, max(len(rows) for rows in members.values()), len(samples))
    names: list[Split] = ["train", "val", "test"]
    return [replace(sample, split=names[chosen[group]]) for sample, group in zip(samples, number, strict=True)]


def verify(samples: Sequence[Sample]) -> None:
    """Check that no identity and no video is in two splits.

    Raises:
        ManifestError: one is; the message names it and both photographs.
    """
    first: dict[Hashable, Sample] = {}
    for sample in samples:
        for link in _links(sample):
            other = first.setdefault(link, sample)
            if other.split != sample.split:
                kind, name = link[0], link[-1]
                raise ManifestError(
                    f"{kind} {name!r} is in two splits: {other.path} in {other.split}, {sample.path} in "
                    f"{sample.split}; assign splits before forging, or with facewitness.data.splits.assign"
                )


def _links(sample: Sample) -> list[tuple[str, ...]]:
    links: list[tuple[str, ...]] = [("identity", name) for name in sample.identities]
    if sample.video is not None:
        links.append(("video", sample.dataset, sample.video))  # two data sets may both have a video "000"
    return links


def _check_filled(fractions: Sequence[float], have: Sequence[Counter[str]], largest: int, total: int) -> None:
    for name, fraction, content in zip(SPLITS, fractions, have, strict=True):
        if fraction > 0 and not content:
            raise ManifestError(
                f"no sample is left for the split {name!r}: the largest group of samples that share identities has "
                f"{largest} of {total}; add photographs of other people, or assign splits before forging"
            )
