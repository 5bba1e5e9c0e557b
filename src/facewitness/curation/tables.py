"""Manifests joined and thinned out. Which split a person belongs to is the business of ``data.splits``."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from facewitness.data import manifest, sources, splits
from facewitness.types import ManifestError, Sample


def merge(paths: Sequence[Path], official: bool = False) -> list[Sample]:
    """The samples of several manifests or folders (``data.sources.read``), in their order.

    ``official`` leaves splits that divide videos, not people.

    Raises:
        ManifestError: a file is in two of them, or a person in two splits.
    """
    samples: list[Sample] = []
    first: dict[Path, Path] = {}
    for path in paths:
        for sample in sources.read(path):
            if sample.path in first:
                raise ManifestError(f"{path}: {sample.path} is in {first[sample.path]} already; leave one of them out")
            first[sample.path] = path
            samples.append(sample)
    if not official:
        splits.verify(samples)
    return samples


def thin(
    samples: Sequence[Sample], most: int | None = None, *, match_sources: bool = False, seed: int = 0
) -> list[Sample]:
    """At most ``most`` samples of each method in each split, drawn by the seed, in their order.

    ``match_sources`` afterwards takes as many reals as fakes of each source in each split, or fewer where there are
    not so many.
    """
    rng = np.random.default_rng(seed)
    kept = set(range(len(samples)))
    if most is not None:
        kept = set().union(
            *(_drawn(own, most, rng) for own in _grouped((s.method, str(s.split)) for s in samples).values())
        )
    if match_sources:
        fakes = Counter((samples[i].dataset, str(samples[i].split)) for i in kept if samples[i].label)
        places = _grouped((s.dataset, str(s.split)) for s in samples)
        for key, own in places.items():
            reals = [i for i in own if i in kept and not samples[i].label]
            kept = kept - set(reals) | _drawn(reals, fakes[key], rng)
    return [samples[i] for i in sorted(kept)]


def counts(samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """Rows for people: method, source, and pictures, videos and identities by split."""
    rows = [("method", "source", *manifest.SPLITS, "videos", "people", "masks", "regions")]
    cells: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        cells[sample.method, sample.dataset].append(sample)
    for (method, source), own in cells.items():
        by_split = Counter(str(s.split) for s in own)
        people = {person for s in own for person in s.identities}
        numbers = [*(by_split[split] for split in manifest.SPLITS), len({s.video for s in own if s.video}), len(people)]
        numbers += [sum(s.mask is not None for s in own), sum(s.region is not None for s in own)]
        rows.append((method, source, *map(str, numbers)))
    return rows


def _grouped(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[int]]:
    """Where each key occurs."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return places


def _drawn(places: Sequence[int], most: int, rng: np.random.Generator) -> set[int]:
    return set(rng.permutation(places)[:most].tolist())
