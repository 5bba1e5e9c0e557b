"""Who is forged how, and with whom: settled before any worker starts, so that their number changes nothing.

``each`` takes every photograph through every method, ``drawn`` so many photographs for each method. A donor belongs to
the target's source and split, and identity swaps are kept to people whose source allows them.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facewitness.data.terms import swap_allowed
from facewitness.forge.forgery import Method
from facewitness.forge.methods import METHODS
from facewitness.types import Points, Sample

NEUTRAL, SMILING = "neutral", "smiling"
"""Attributes of the two photographs of one person that a donor of an expression needs."""

_DONORS = 16  # drawn for each swap; the one whose face is nearest in shape gives its face


@dataclass(frozen=True, slots=True)
class Donor:
    """Who lends a face, or an expression: then with the landmarks of the same person's neutral photograph."""

    sample: Sample
    neutral: Points | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One photograph and everything that is made of it. ``sample`` has landmarks."""

    name: str
    sample: Sample
    donors: Mapping[str, Donor | None]  # by method, in the order in which they are made
    real: bool = True  # whether the photograph itself goes into the set


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks, and what was passed over: ``method: reason`` and how often."""

    tasks: list[Task]
    passed_over: Mapping[str, int] = field(default_factory=dict)


class People:
    """The photographs there are and who may lend what to whom."""

    def __init__(self, samples: Sequence[Sample], seed: int, *, squares: bool) -> None:
        self.samples, self.seed, self.squares = samples, seed, squares
        self.names = _names(samples)
        self.shapes = [_shape(s.landmarks) for s in samples if s.landmarks is not None]
        self.faces: dict[tuple[str, str], list[int]] = defaultdict(list)
        for number, sample in enumerate(samples):
            if may_swap(sample):
                self.faces[sample.dataset, sample.split].append(number)
        self.expressions = self._expressions()

    def obstacle(self, number: int, method: Method) -> str | None:
        """Why a photograph is not forged by a method, apart from want of a donor."""
        if not method.keeps_identity and not may_swap(self.samples[number]):
            return "the source allows no swaps"
        if method.whole and not self.squares:
            return "makes whole pictures: only for head squares"
        return None

    def donor(self, number: int, method: Method) -> Donor | None:
        """A donor for a photograph, or None where there is nobody."""
        sample = self.samples[number]
        if method.donor == "expression":
            pairs = [pair for pair in self.expressions[sample.split] if not _same(self.samples[pair[0]], sample)]
            if not pairs:
                return None
            smiling, neutral = pairs[self.generator(number, method.name, "donor").integers(len(pairs))]
            return Donor(self.samples[smiling], self.samples[neutral].landmarks)
        others = [i for i in self.faces[sample.dataset, sample.split] if not _same(self.samples[i], sample)]
        if not others:
            return None
        rng = self.generator(number, method.name, "donor")
        drawn = rng.choice(others, min(_DONORS, len(others)), replace=False).tolist()
        nearest = min(drawn, key=lambda i: float(np.abs(self.shapes[i] - self.shapes[number]).sum()))
        return Donor(self.samples[nearest])

    def generator(self, number: int, *names: str) -> np.random.Generator:
        """All chance about one photograph and method: a matter of the seed and of their names."""
        return generator(self.seed, self.names[number], *names)

    def _expressions(self) -> dict[str, list[tuple[int, int]]]:
        """By split, the smiling and the neutral photograph of each person who has both."""
        found: dict[tuple[str, tuple[str, ...]], dict[str, int]] = defaultdict(dict)
        for number, sample in enumerate(self.samples):
            for attribute in (NEUTRAL, SMILING):
                if attribute in sample.attributes:
                    found[sample.split, sample.identities].setdefault(attribute, number)
        pairs = defaultdict(list)
        for (split, _), both in found.items():
            if len(both) == 2:
                pairs[split].append((both[SMILING], both[NEUTRAL]))
        return pairs


def each(people: People, methods: Sequence[str]) -> Plan:
    """Every photograph by every method that may be applied to it."""
    passed: Counter[str] = Counter()
    tasks = []
    for number, sample in enumerate(people.samples):
        donors: dict[str, Donor | None] = {}
        for name in methods:
            reason = people.obstacle(number, METHODS[name])
            if reason is None and METHODS[name].needs_donor:
                donor = people.donor(number, METHODS[name])
                reason = None if donor else f"no donor of {_lent(METHODS[name])} in the same split"
            else:
                donor = None
            if reason:
                passed[f"{name}: {reason}"] += 1
            else:
                donors[name] = donor
        tasks.append(Task(people.names[number], sample, donors))
    return Plan(tasks, passed)


def drawn(people: People, methods: Sequence[str], counts: Mapping[str, int]) -> Plan:
    """``counts[split]`` photographs for each method, and as many real ones from each source as were forged of it.

    A method draws from each source in proportion to its size, and always the photographs forged least so far; never
    one twice. Methods that few photographs may undergo draw first.
    """
    chosen: dict[int, dict[str, Donor | None]] = defaultdict(dict)
    passed: Counter[str] = Counter()
    reals: set[int] = set()
    for split, count in counts.items():
        pools = {name: _pool(people, METHODS[name], split) for name in methods}
        for name in sorted(methods, key=lambda n: (sum(map(len, pools[n].values())), n)):
            taken = 0
            for number in _drawn(people, name, pools[name], count, chosen):
                donor = people.donor(number, METHODS[name]) if METHODS[name].needs_donor else None
                if METHODS[name].needs_donor and donor is None:
                    continue
                chosen[number][name] = donor
                taken += 1
            if taken < count:
                passed[f"{name}: fewer photographs in split {split} than asked for"] += count - taken
        reals |= _matched(people, split, chosen, passed)
    numbers = sorted(set(chosen) | reals)
    order = {name: place for place, name in enumerate(methods)}
    return Plan(
        [
            Task(
                people.names[number],
                people.samples[number],
                dict(sorted(chosen.get(number, {}).items(), key=lambda item: order[item[0]])),
                number in reals,
            )
            for number in numbers
        ],
        passed,
    )


def may_swap(sample: Sample) -> bool:
    """Whether the terms of the source allow an identity swap; a source without a rule is the user's own."""
    return swap_allowed(sample.dataset)


def generator(seed: int, *names: str) -> np.random.Generator:
    """The generator of a seed and some names."""
    return np.random.default_rng(list(hashlib.sha256("/".join([str(seed), *names]).encode()).digest()))


def _pool(people: People, method: Method, split: str) -> dict[str, list[int]]:
    """By source, who may be forged by a method."""
    pool: dict[str, list[int]] = defaultdict(list)
    for number, sample in enumerate(people.samples):
        if sample.split == split and people.obstacle(number, method) is None:
            pool[sample.dataset].append(number)
    return pool


def _drawn(
    people: People, name: str, pool: Mapping[str, list[int]], count: int, chosen: Mapping[int, Mapping[str, object]]
) -> list[int]:
    total = sum(map(len, pool.values()))
    numbers: list[int] = []
    for source in sorted(pool, key=lambda s: (len(pool[s]), s)):
        share = round((count - len(numbers)) * len(pool[source]) / max(1, total))
        total -= len(pool[source])
        luck = generator(people.seed, name, source).random(len(pool[source]))
        ranked = sorted(zip(pool[source], luck, strict=True), key=lambda one: (len(chosen.get(one[0], ())), one[1]))
        numbers += [number for number, _ in ranked[:share]]
    return numbers


def _matched(people: People, split: str, chosen: Mapping[int, Mapping[str, object]], passed: Counter[str]) -> set[int]:
    """As many photographs of each source as there are forgeries of it, those that were forged themselves first."""
    forged: Counter[str] = Counter()
    there: dict[str, list[int]] = defaultdict(list)
    for number, sample in enumerate(people.samples):
        if sample.split == split:
            forged[sample.dataset] += len(chosen.get(number, ()))
            there[sample.dataset].append(number)
    reals: set[int] = set()
    for source, numbers in there.items():
        luck = generator(people.seed, "real", source).random(len(numbers))
        ranked = sorted(zip(numbers, luck, strict=True), key=lambda one: (not chosen.get(one[0]), one[1]))
        reals |= {number for number, _ in ranked[: forged[source]]}
        if forged[source] > len(numbers):
            passed[f"real: fewer photographs of {source} in split {split} than forgeries"] += forged[source] - len(
                numbers
            )
    return reals


def _same(one: Sample, other: Sample) -> bool:
    return one.path == other.path or bool(set(one.identities) & set(other.identities))


def _lent(method: Method) -> str:
    return "an expression" if method.donor == "expression" else "a face"


def _names(samples: Sequence[Sample]) -> list[str]:
    width = max(4, len(str(len(samples))))
    return [f"{number:0{width}d}-{sample.path.stem}" for number, sample in enumerate(samples)]


def _shape(landmarks: Points) -> Points:
    centred = landmarks - landmarks.mean(0)
    return np.asarray(centred / np.ptp(landmarks, axis=0).max(), np.float32)
