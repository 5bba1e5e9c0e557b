"""``facewitness data audit``: what a detector could learn from a data set instead of forgeries.

People or near-duplicates in two splits; and the AUC that each shortcut feature of the files reaches by itself at
telling fakes from reals: over everything, within each source, and for each method within the sources it was made from.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facewitness.compute.pool import map_ordered
from facewitness.compute.progress import Progress, track
from facewitness.curation import duplicates
from facewitness.curation.file_stats import CATEGORIES, NUMBERS, FileStatistics, file_statistics
from facewitness.data import manifest as manifests
from facewitness.data import sources as readers
from facewitness.metrics.detection import auc
from facewitness.reporting.markdown import provenance_section
from facewitness.reporting.templates import render
from facewitness.types import ManifestError, Sample, Status

LIMIT = 0.6
"""A feature that reaches a higher AUC is warned of."""

LEAST = 20
"""Pictures of either label below which no AUC is stated."""

_SHOWN = 10  # examples of people or pairs
_REMEDY = {
    "source": "take as many reals as fakes of each source: facewitness data sample --match-sources",
    "width": "crop all to one size: facewitness data prepare, or facewitness forge build with head squares",
    "jpeg_quality": "send reals and fakes through one encoder, as facewitness forge does (--encoding)",
    "bytes": "send reals and fakes through one encoder; what is left is detail that forging removed or added",
    "metadata_bytes": "strip the metadata of all, or write as much into all: facewitness data prepare writes none",
}
_LIKE = {
    **dict.fromkeys(("height", "size"), "width"),
    **dict.fromkeys(("format", "suffix", "mode", "jpeg_table", "subsampling"), "jpeg_quality"),
    **{"bytes_per_pixel": "bytes", "has_metadata": "metadata_bytes", "has_profile": "metadata_bytes"},
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well one feature shortcuts fakes from reals. ``where`` is "all", "source NAME" or "method NAME"."""

    where: str
    feature: str
    auc: float  # at least 0.5: which way it points does not matter
    low: float  # 95 % interval (Hanley and McNeil, 1982)
    high: float
    reals: int
    fakes: int

    @property
    def is_warned_of(self) -> bool:
        """Whether to warn of it."""
        return self.auc > LIMIT and self.low > 0.5


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. ``warnings`` is empty for a clean set."""

    counts: Mapping[str, Mapping[str, int]]  # method -> split -> pictures
    sources: Mapping[str, Mapping[str, int]]  # source -> "real" and "fake" -> pictures
    unreadable: Mapping[str, str]  # path -> status
    people: Sequence[str]  # who is in two splits
    near: Sequence[tuple[str, str]]  # near-duplicates in two splits
    shortcuts: Sequence[Shortcut]  # the highest AUC first
    warnings: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def audit(data: Path, *, workers: int | None = None, progress: Progress = None) -> Audit:
    """Look into the files of a manifest.

    Raises:
        ManifestError: the manifest cannot be read or is empty.
    """
    samples = readers.read(data)
    if not samples:
        raise ManifestError(f"{data}: no sample in it")
    results = map_ordered(file_statistics, [sample.path for sample in samples], workers, chunk=32)
    found = list(track(results, "audit", progress, len(samples)))
    readable = [(s, t) for s, t in zip(samples, found, strict=True) if t.status is Status.OK]
    unreadable = {str(s.path): str(t.status) for s, t in zip(samples, found, strict=True) if t.status is not Status.OK}
    people = _people(samples)
    near = _near(readable)
    shortcuts = sorted(_shortcuts(readable), key=lambda shortcut: -shortcut.auc)
    return Audit(
        counts=_table((s.method, s.split) for s in samples),
        sources=_table((s.dataset or "unnamed", "fake" if s.label else "real") for s in samples),
        unreadable=unreadable,
        people=people,
        near=near,
        shortcuts=shortcuts,
        warnings=list(_warnings(people, near, unreadable, shortcuts)),
    )


def markdown(found: Audit, title: str, manifest: Path | None = None, command: Sequence[str] = ()) -> str:
    """The audit as a report, which names the manifest and the command it came from."""
    facts = [f"Manifest: SHA-256 `{manifests.digest(manifest)}`"] if manifest and manifest.is_file() else []
    facts.append("Intervals: 95 %, Hanley and McNeil (1982); categories judged on halves of the people, seed 0")
    return render(
        "facewitness.curation",
        "audit.md.jinja",
        title=title,
        found=found,
        splits=list(manifests.SPLITS),
        counts=[(name, *(str(by.get(split, 0)) for split in manifests.SPLITS)) for name, by in found.counts.items()],
        sources=[(name, str(by.get("real", 0)), str(by.get("fake", 0))) for name, by in found.sources.items()],
        distance=duplicates.DISTANCE,
        limit=LIMIT,
        shortcuts=[
            (t.where, t.feature, f"{t.auc:.3f} ({t.low:.3f}-{t.high:.3f})", f"{t.reals} / {t.fakes}")
            for t in found.shortcuts[:25]
        ],
        provenance=provenance_section(command, facts),
    )


def _people(samples: Sequence[Sample]) -> list[str]:
    splits: dict[str, set[str]] = {}
    for sample in samples:
        for person in sample.identities:
            splits.setdefault(person, set()).add(sample.split)
    return sorted(person for person, own in splits.items() if len(own) > 1)


def _near(readable: Sequence[tuple[Sample, FileStatistics]]) -> list[tuple[str, str]]:
    """Pairs in two splits. Pairs within one are no harm: a fake is nearly its original."""
    found = duplicates.pairs([t.hash for _, t in readable])
    return [
        (str(readable[i][0].path), str(readable[j][0].path))
        for i, j in found
        if readable[i][0].split != readable[j][0].split
    ]


def _shortcuts(readable: Sequence[tuple[Sample, FileStatistics]]) -> Iterator[Shortcut]:
    yield from _of("all", readable, ("source",))
    yield from _of("all", readable, (*NUMBERS, *CATEGORIES))
    for source in sorted({s.dataset for s, _ in readable}):
        own = [pair for pair in readable if pair[0].dataset == source]
        yield from _of(f"source {source or 'unnamed'}", own, (*NUMBERS, *CATEGORIES))
    for method in sorted({s.method for s, _ in readable if s.label}):
        sources = {s.dataset for s, _ in readable if s.method == method}
        own = [(s, t) for s, t in readable if s.method == method or (not s.label and s.dataset in sources)]
        yield from _of(f"method {method}", own, (*NUMBERS, *CATEGORIES))


def _of(where: str, pairs: Sequence[tuple[Sample, FileStatistics]], names: Iterable[str]) -> Iterator[Shortcut]:
    labels = np.array([s.label for s, _ in pairs])
    fakes, reals = int(labels.sum()), int((1 - labels).sum())
    if min(fakes, reals) < LEAST:
        return
    for name in names:
        values = [s.dataset if name == "source" else getattr(t, name) for s, t in pairs]
        if len(set(map(str, values))) < 2:
            continue
        if name in NUMBERS:
            numbers = np.nan_to_num(np.array(values, float), nan=-1.0)
            area = auc(numbers, labels)
            area = max(area, 1 - area)
        else:
            area = category_auc(values, labels, [s.identities or (str(s.path),) for s, _ in pairs])
        spread = 1.96 * _standard_error(area, fakes, reals)
        yield Shortcut(where, name, area, max(0.0, area - spread), min(1.0, area + spread), reals, fakes)


def category_auc(values: Sequence[Any], labels: NDArray[np.int64], groups: Sequence[Any]) -> float:
    """AUC of the share of fakes that a category has in the other half of the groups.

    Learnt on one half and judged on the other, many rare categories do not look telling when they are not.
    """
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    half = np.random.default_rng(0).permutation(len(number))[[number[group] for group in groups]] % 2
    names = {value: place for place, value in enumerate(dict.fromkeys(values))}
    codes = np.array([names[value] for value in values])
    areas = []
    for side in (0, 1):
        learnt, judged = half != side, half == side
        if not learnt.any() or not 0 < labels[judged].sum() < judged.sum():
            continue
        fakes = np.bincount(codes[learnt], labels[learnt], len(names))
        seen = np.bincount(codes[learnt], minlength=len(names))
        shares = np.where(seen > 0, fakes / np.maximum(seen, 1), labels[learnt].mean())
        areas.append(auc(shares[codes[judged]], labels[judged]))
    return float(np.mean(areas)) if areas else 0.5


def _standard_error(area: float, fakes: int, reals: int) -> float:
    """Of an AUC, after Hanley and McNeil (1982)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (fakes - 1) * (q1 - area**2) + (reals - 1) * (q2 - area**2)
    return float(np.sqrt(max(variance, 0.0) / (fakes * reals)))


def _warnings(
    people: Sequence[str], near: Sequence[tuple[str, str]], unreadable: Mapping[str, str], shortcuts: Sequence[Shortcut]
) -> Iterator[str]:
    if people:
        shown = ", ".join(people[:_SHOWN])
        yield f"{len(people)} people are in two splits ({shown}): split anew by identity: facewitness data split"
    if near:
        shown = "; ".join(" and ".join(pair) for pair in near[:3])
        yield f"{len(near)} pairs of near-duplicates lie in two splits ({shown}): look: a copy needs the same identity"
    if unreadable:
        first = next(iter(unreadable))
        yield f"{len(unreadable)} files cannot be read (first: {first}): fetch them again or remove them"
    for shortcut in shortcuts:
        if shortcut.is_warned_of:
            remedy = _REMEDY[_LIKE.get(shortcut.feature, shortcut.feature)]
            area = f"AUC {shortcut.auc:.3f} ({shortcut.low:.3f}-{shortcut.high:.3f})"
            yield f"{shortcut.where}: {shortcut.feature} alone reaches {area}: {remedy}"


def _table(cells: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row, column in cells:
        counts.setdefault(row, Counter())[column] += 1
    return {row: dict(own) for row, own in counts.items()}
