"""The runs of a generalizability study by detector, training set and type, and which photographs it looks at.

Each detector is trained on each root (a training set) three times: the original; transfer, whose last layers alone go
on from there with more methods; and merge, all of whose layers do. A chain is these three, and the null cases, of one
seed.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facewitness.data.terms import may_be_shown
from facewitness.detectors.base import Detector
from facewitness.experiments.measure import CropCache
from facewitness.experiments.plan import Plan, Run, short
from facewitness.experiments.sections import STUDIED, GeneralizationSection
from facewitness.types import FacewitnessError

_SHOWN = 3  # pictures of a figure


class Trained(NamedTuple):
    """One detector of a study: an architecture, the root that it learnt from, and how."""

    detector: str
    root: str
    type: str

    def __str__(self) -> str:
        return " ".join(self)


class Study:
    """A plan seen as a generalizability study."""

    def __init__(self, plan: Plan, section: GeneralizationSection) -> None:
        self.plan, self.section, self.judged = plan, section, plan.judged
        self.names: dict[Trained, str] = {}
        for name, run in plan.sections.items():
            if run.group:
                self.names[self.of(Run(name))] = name
        self.roots = {root.name: root for root in section.roots}

    def detectors(self) -> Iterator[Trained]:
        """Yield every detector that is judged, root by root."""
        architectures = list(dict.fromkeys(one.detector for one in self.names))
        for root in self.roots:
            for detector in architectures:
                yield from (one for kind in STUDIED if (one := Trained(detector, root, kind)) in self.names)

    def runs(self, trained: Trained) -> list[Run]:
        """Return the runs of a detector, by seeds."""
        return self.plan.seeded(self.names[trained])

    def first(self, trained: Trained) -> Run:
        """Return the run of a detector with the first seed."""
        return self.runs(trained)[0]

    def of(self, run: Run) -> Trained:
        """Return the detector that a run trains."""
        group = self.plan.sections[run.name].group
        return Trained(group["detector"], group["root"], group["type"])

    def chains(self) -> list[tuple[Run, ...]]:
        """Return all chains: the runs of a detector and a root with the first seed, the original first."""
        found = dict.fromkeys(one[:2] for one in self.detectors())
        return [tuple(self.first(one) for one in self.names if one[:2] == who) for who in found]

    def similarity_file(self, chain: tuple[Run, ...]) -> Path:
        """Return where the similarity of a chain's saliency maps is kept."""
        others = [self.plan.folder(run).name for run in chain]
        name = f"{others[0]}-{short(*others, self.section.pictures)}.parquet"
        return self.plan.out / "saliency" / name

    def pictures_file(self, chain: tuple[Run, ...]) -> Path:
        """Return where crops of people who may be shown are kept, with a chain's saliency maps."""
        return self.similarity_file(chain).with_suffix(".npz")

    def neurons_file(self, run: Run, name: str) -> Path:
        """Return where what the last layer of a run reads of a set is kept."""
        folder = self.plan.out / "neurons" / self.plan.folder(run).name
        return folder / f"{short(name, self.section.neurons)}.npz"

    def draw(self, name: str, count: int, fakes_only: bool = False) -> list[int]:
        """Return places in ``judged.samples`` of some photographs of a set; as many reals as fakes, if both."""
        places = self.judged.sets[name]
        labels = np.array([self.judged.samples[place].label for place in places])
        found: list[int] = []
        for label in (1,) if fakes_only else (0, 1):
            part = np.flatnonzero(labels == label)
            most = count if fakes_only else count // 2
            found += [places[int(i)] for i in np.random.default_rng((0, label)).permutation(part)[:most]]
        return sorted(found)

    def to_show(self) -> list[int]:
        """Return fakes of people who agreed to be shown, places in ``judged.samples``: each method once, then again."""
        by_method: dict[str, list[int]] = {}
        for place, sample in enumerate(self.judged.samples):
            if sample.label and may_be_shown(sample.dataset):
                by_method.setdefault(sample.method, []).append(place)
        turns = zip_longest(*(places[:: -(-len(places) // _SHOWN)] for places in by_method.values()))
        return [place for turn in turns for place in turn if place is not None][:_SHOWN]

    def crops(
        self, places: list[int], detector: Detector, cropper: CropCache
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the crops (N, S, S, 3) of some photographs, and the places of those in which a face was found.

        Raises:
            FacewitnessError: no face was found in any.
        """
        cropped = cropper([self.judged.samples[place] for place in places], detector.card.crop, 0)
        found = [(place, face.crop) for place, face in zip(places, cropped, strict=True) if face.crop is not None]
        if not found:
            raise FacewitnessError("no face was found in any photograph of a set")
        return np.array([place for place, _ in found], np.int64), np.stack([crop for _, crop in found])


def studies(plan: Plan) -> list[Study]:
    """Return the studies that a plan's report asks for."""
    return [Study(plan, part) for part in plan.settings.section if isinstance(part, GeneralizationSection)]
