"""What the sections of an experiment's report may ask for, as data. Each kind has a renderer in ``analyses``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from facewitness.config import Recipe

if TYPE_CHECKING:
    from facewitness.experiments.plan import Plan

STUDIED = ("original", "transfer", "merge")
"""The types of runs that a generalizability study judges; the others are null cases."""
MAP_METRICS: tuple[str, ...] = (
    *("balanced_accuracy@0.5", "real_accuracy@0.5", "fake_accuracy@0.5", "auc", "eer"),
    *("coss", "psnr", "ssim", "iou_gray@0.1", "dice_gray@0.1", "pbca@0.1", "iinc@0.1", "iou@0.5"),
    *("recall_gray@0.1", "area@0.1", "hull_iou@0.5", "coss_inside", "psnr_inside", "ssim_inside"),
)
"""What a table of ``metrics`` may show."""
SEEN_UNSEEN_METRICS = (
    *("balanced_accuracy@0.5", "auc", "false_positive_rate@0.5"),
    *("iou@0.5", "pixel_auc", "mass_inside", "pointing"),
)
"""What a table of ``seen-unseen`` may show."""


def _known(metrics: list[str], known: Sequence[str]) -> list[str]:
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"no metric {metric!r}; there are {', '.join(known)}")
    return metrics


class BaseSection(Recipe):
    """What every section has."""

    title: str = ""
    text: str = ""  # printed below the title

    def where(self) -> str:
        """Return the section's name for messages."""
        return self.title or str(getattr(self, "kind", "section"))

    def run_names(self) -> Sequence[str]:
        """Return the runs that it names."""
        return [name for field in ("runs", "reported") for name in getattr(self, field, ())]

    def set_names(self) -> Sequence[str]:
        """Return the sets that it names."""
        return ()

    def methods_named(self) -> Sequence[str]:
        """Return the methods whose fakes it judges."""
        return list(getattr(self, "methods", ()))

    def scores_of(self, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the runs whose scores it shows, with the methods that are judged; none: all of them."""
        yield from ()

    def maps_of(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the runs whose maps it judges, with the methods."""
        yield from ()


class ComparisonSection(BaseSection):
    """Detectors trained alike: a ranking on seen and unseen methods, by family and method, beside papers' figures."""

    kind: Literal["comparison"]
    runs: list[str] = Field(default_factory=list)  # all trainings, if empty
    seen: list[str] = Field(min_length=1)  # the methods that they were trained on; the others are unseen
    judged: list[str] = Field(default_factory=list)  # only fakes of these methods; empty: all

    def methods_named(self) -> Sequence[str]:
        """Return the seen and the judged methods."""
        return [*self.seen, *self.judged]

    def scores_of(self, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield all runs on the judged methods."""
        yield from ((name, self.judged) for name in self.runs or plan.trainings())


class SeenUnseenBase(BaseSection):
    """What shows runs on one seen and one unseen method."""

    seen: str
    unseen: str

    def methods_named(self) -> Sequence[str]:
        """Return both methods."""
        return [self.seen, self.unseen]

    def scores_of(self, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield every run on both methods."""
        yield from ((name, self.methods_named()) for name in self.run_names())


class SeenUnseenSection(SeenUnseenBase):
    """Runs down; accuracy, AUC and map metrics on one seen and one unseen method across."""

    kind: Literal["seen-unseen"]
    runs: list[str] = Field(min_length=1)
    metrics: list[str] = Field(default_factory=lambda: ["balanced_accuracy@0.5", "auc"], min_length=1)

    @field_validator("metrics")
    @classmethod
    def _check(cls, metrics: list[str]) -> list[str]:
        return _known(metrics, SEEN_UNSEEN_METRICS)


class MetricsSection(BaseSection):
    """Runs down, each on groups of methods; metrics of verdicts and of gray-scale maps across."""

    kind: Literal["metrics"]
    runs: list[str] = Field(min_length=1)
    judged: dict[str, list[str]] = Field(min_length=1)  # name of a group -> its methods
    metrics: list[str] = Field(default_factory=lambda: ["balanced_accuracy@0.5", "auc"], min_length=1)
    small: float | None = Field(None, gt=0, le=1)  # only fakes whose forged area is below this share of the crop
    mean_map: bool = False  # also the mean fakeness of each group's training fakes, as a map to beat
    clustered: bool = False  # also the accuracy by clusters of features and one known photograph, ten draws

    @field_validator("metrics")
    @classmethod
    def _check(cls, metrics: list[str]) -> list[str]:
        return _known(metrics, MAP_METRICS)

    def methods_named(self) -> Sequence[str]:
        """Return the methods of all groups."""
        return [method for group in self.judged.values() for method in group]

    def maps_of(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield every run on the methods of all groups."""
        yield from ((name, self.methods_named()) for name in self.runs)


class RealsSection(BaseSection):
    """Runs whose maps are judged, on real photographs by source."""

    kind: Literal["reals"]
    runs: list[str] = Field(min_length=1)


class MethodsSection(BaseSection):
    """Runs and finished detectors down, every judged method across, and what became of methods that a run left out."""

    kind: Literal["methods"]
    runs: list[str] = Field(default_factory=list)  # all trainings, if empty
    detectors: dict[str, str] = Field(default_factory=dict)  # further rows: their names -> a detector's name or folder
    left_out: dict[str, list[str]] = Field(
        default_factory=dict
    )  # run -> judged methods of the family that it never saw

    def run_names(self) -> Sequence[str]:
        """Return the runs that it names."""
        return [*self.runs, *self.left_out]

    def methods_named(self) -> Sequence[str]:
        """Return the methods that were left out."""
        return [method for methods in self.left_out.values() for method in methods]

    def scores_of(self, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield all runs on all methods."""
        yield from ((name, ()) for name in self.runs or plan.trainings())


class RunsSection(BaseSection):
    """What was trained: recipe, changes, methods, seeds, parameters."""

    kind: Literal["runs"]
    runs: list[str] = Field(default_factory=list)  # all but searches, if empty


class CellsSection(BaseSection):
    """The cells that searches found, and how their weights moved (ADD, figure 8)."""

    kind: Literal["cells"]


class DegradationSection(BaseSection):
    """Curves of a run under JPEG, blur, noise and the like."""

    kind: Literal["degradation"]
    run: str
    methods: list[str] = Field(min_length=1)
    limit: int | None = Field(None, ge=1)  # at most so many reals, and so many fakes of each method

    def run_names(self) -> Sequence[str]:
        """Return the one run."""
        return [self.run]


class MapsSection(BaseSection):
    """Forgeries of people who agreed to be shown, under the map or the Grad-CAM of some runs."""

    kind: Literal["maps"]
    runs: list[str] = Field(min_length=1)
    methods: list[str] = Field(min_length=1)
    each: int = Field(2, ge=1)  # pictures of each method
    fakeness: bool = True  # show the gray-scale fakeness as truth, not the region
    file: str = "maps"  # end of the figure's name


class MaskGainSection(BaseSection):
    """Whether runs whose attention moved into the region gained accuracy on the unseen method (LAE)."""

    kind: Literal["mask-gain"]
    tasks: list[MaskTask] = Field(min_length=1)

    def run_names(self) -> Sequence[str]:
        """Return the finetuned runs of all tasks."""
        return [name for task in self.tasks for name in task.runs]

    def methods_named(self) -> Sequence[str]:
        """Return the unseen method of every task."""
        return [task.unseen for task in self.tasks]

    def scores_of(self, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield the finetuned runs, and those that initialize them, on the unseen method of their task."""
        for task in self.tasks:
            origins = [plan.sections[name].begins_from for name in task.runs]
            yield from ((name, [task.unseen]) for name in (*task.runs, *origins))


class MaskTask(Recipe):
    """The finetuned runs of one task."""

    name: str
    unseen: str
    runs: list[str] = Field(min_length=1)


class MaskCurveSection(SeenUnseenBase):
    """Accuracy on the unseen method by the number of masks, chosen actively and at random (LAE, figure 5)."""

    kind: Literal["mask-curve"]
    task: str
    none: str  # the run without masks
    active: list[str] = Field(min_length=1)
    random: list[str] = Field(min_length=1)

    def run_names(self) -> Sequence[str]:
        """Return the runs of both curves."""
        return [self.none, *self.active, *self.random]


class Root(Recipe):
    """A training set of the generalizability study; its unseen people are the set that degradation is measured from."""

    name: str
    methods: list[str] = Field(min_length=1)
    sources: list[str] = Field(default_factory=list)
    same_method: list[str] = Field(default_factory=list)  # RQ2: sets of the same method from another source
    same_people: list[str] = Field(default_factory=list)  # RQ2: sets of the same people by another method


class GeneralizationSection(BaseSection):
    """The four research questions of the generalizability study.

    Its runs carry ``group`` with detector, root and type (original, transfer, merge, permuted, again).
    """

    kind: Literal["generalization"]
    roots: list[Root] = Field(min_length=1)
    unseen: list[str] = Field(min_length=1)  # sets: RQ1 measures the degradation to their mean
    pictures: int = Field(100, ge=1)  # fakes of each set whose saliency maps are compared
    neurons: int = Field(400, ge=2)  # photographs of each set whose neurons are read
    shares: list[float] = Field(default_factory=lambda: [1 / 16, 1 / 8, 1 / 4, 1 / 2], min_length=1)  # of the neurons
    values: int = Field(4, ge=2)  # that a neuron is held at
    degraded: float = 30.0  # points of degradation over which a detector is one that RQ2 asks about

    def set_names(self) -> Sequence[str]:
        """Return the unseen sets and those of RQ2."""
        return [*self.unseen, *(name for root in self.roots for name in (*root.same_method, *root.same_people))]

    def scores_of(self, plan: Plan) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield every run that is not a null case."""
        yield from ((name, ()) for name, run in plan.sections.items() if run.group.get("type") in STUDIED)


MaskGainSection.model_rebuild()
Section = (
    ComparisonSection
    | SeenUnseenSection
    | MetricsSection
    | RealsSection
    | MethodsSection
    | RunsSection
    | CellsSection
    | DegradationSection
    | MapsSection
    | MaskGainSection
    | MaskCurveSection
    | GeneralizationSection
)
