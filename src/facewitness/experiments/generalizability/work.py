"""The work of a study: trainings, scores, likeness of heat maps and neurons, each done once and kept in its folder.

A chain is what one detector learns from one root with one seed: the original, and what goes on from it. Chains know
nothing of each other, so they run one after the other here, in processes of their own, or on a cluster with Ray, and
leave the same files. Every file is named by the run's hash: what is there is not made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness import config, storage
from facewitness.compute.pool import map_unordered
from facewitness.data import manifest as manifests
from facewitness.data.terms import may_be_shown
from facewitness.detectors import cards
from facewitness.evaluation import scores as scoring
from facewitness.evaluation.evaluate import score
from facewitness.experiments import runs as kept
from facewitness.experiments.generalizability import plan
from facewitness.experiments.generalizability.plan import Run, StudyRecipe
from facewitness.metrics.localization import ssim
from facewitness.provenance import install_command
from facewitness.training.recipe import TrainRecipe
from facewitness.types import CardError, FacewitnessError, MissingExtraError

MAPS = ("guided", "cam")  # guided Grad-CAM, as the paper says; Grad-CAM alone
PAIRS = {  # what is compared in RQ3: with a common root, and the two null cases
    "original, transfer": ("original", "transfer"),
    "original, merge": ("original", "merge"),
    "transfer, merge": ("transfer", "merge"),
    "permuted labels": ("original", "permuted"),
    "another seed": ("original", "again"),
}
COMMON = tuple(PAIRS)[:3]
_OTHER_SEED = 1000  # added for "again"
_BATCH = 16
_SHOWN = 3  # pictures of a figure


class Chain(NamedTuple):
    """One detector, one root, one seed: all that a process has to know."""

    recipe: Path
    overrides: tuple[str, ...]
    out: Path
    subject: str
    root: str
    seed: int


class Done(NamedTuple):
    """What became of a step."""

    run: str
    what: str
    failed: bool = False


class Study:
    """A study on disk.

    ``by_record`` takes the photographs trained on for what they were when they were last looked at, so that nothing but
    tables is read; otherwise they are looked at again, and other photographs mean other trainings.
    """

    def __init__(
        self, recipe: Path, out: Path | None = None, overrides: Sequence[str] = (), *, by_record: bool = False
    ) -> None:
        self.by_record = by_record
        self.recipe, self.overrides = recipe, tuple(overrides)
        self.settings: StudyRecipe = plan.load(recipe, overrides)
        self.out = out or Path("out") / self.settings.name
        self.samples = plan.read(self.settings)
        self.judged = plan.judged(self.settings, self.samples)
        self._folders: dict[Run, Path] = {}
        self._digests: dict[str, str] = {}

    @property
    def manifest(self) -> Path:
        """All photographs that are judged, as a manifest."""
        return self.out / "manifests" / "judged.parquet"

    def chains(self, only: Sequence[str] = ()) -> list[Chain]:
        """All chains, or those of some subjects."""
        known = [subject.name for subject in self.settings.subject]
        for name in only:
            if name not in known:
                raise FacewitnessError(f"{self.recipe}: no subject {name!r}; there are {', '.join(known)}")
        asked = {
            (run.subject, run.root, run.seed): None
            for run in plan.runs(self.settings)
            if not only or run.subject in only
        }
        return [Chain(self.recipe, self.overrides, self.out, *what) for what in asked]

    def prepare(self) -> None:
        """Write the manifests that the trainings and the judgement read; the same samples make the same file."""
        wanted = {self.manifest: self.judged.samples}
        kinds: tuple[plan.Kind, ...] = ("original", "merge", "permuted")
        for root in self.settings.root:
            for kind in kinds:
                wanted[self._training(root.name, kind)] = plan.training(self.settings, root, kind, self.samples)
        for file, samples in wanted.items():
            manifests.write(samples, file)

    def overrides_of(self, run: Run) -> tuple[str, ...]:
        """All that is laid over the recipe of a run."""
        subject = self._subject(run)
        seed = run.seed + (_OTHER_SEED if run.kind == "again" else 0)
        given = [
            f"data.path={json.dumps(str(self._training(run.root, run.kind)))}",
            f"data.methods={json.dumps(self._learnt(run))}",
            f"name={json.dumps(str(run))}",
            f"seed={seed}",
        ]
        if run.kind == "permuted":
            given.append("data.paired=0")  # by lot, no fake has an original
        if plan.is_augmented(run.kind):
            given = [*self.settings.augmented, *given]
            given.append(f"net.init={json.dumps(str(self.folder(run._replace(kind='original'))))}")
        if run.kind == "transfer":
            given.append(f"optim.learn={json.dumps(subject.last)}")
        return (*self.settings.common, *subject.set, *given)

    def folder(self, run: Run) -> Path:
        """The folder of a run; its name holds the hash of all that decides it."""
        if run not in self._folders:
            given = self.overrides_of(run)
            if plan.is_augmented(run.kind):  # it begins from a folder whose name is enough, wherever the study lies
                given += (f"net.init={json.dumps(self.folder(run._replace(kind='original')).name)}",)
            settings = config.load(self._recipe(run), TrainRecipe, given)
            digest = self._digest(self._training(run.root, run.kind), self._learnt(run))
            self._folders[run] = self.out / "runs" / f"{run}-{kept.key(settings, digest)[:12]}"
        return self._folders[run]

    def _digest(self, file: Path, learnt: Sequence[str]) -> str:
        """Of the photographs of a training manifest, hashed once by each process."""
        key = f"{manifests.digest(file)} {' '.join(learnt)}"
        if key not in self._digests:
            record = self.out / "manifests" / f"{kept.short(key)}.sha256"
            if self.by_record and record.exists():
                self._digests[key] = record.read_text(encoding="utf-8")
            else:
                self._digests[key] = kept.data_digest(file, learnt)
                storage.write_text(record, self._digests[key])
        return self._digests[key]

    def is_trained(self, run: Run) -> bool:
        """Whether a run is finished."""
        return (self.folder(run) / cards.FILE).exists()

    def train(self, run: Run, progress: bool) -> str:
        """See that a run is finished; what had to be done."""
        from facewitness.training.train import train

        def anew(resume: bool) -> None:
            train(self._recipe(run), self.folder(run), self.overrides_of(run), resume=resume, progress=progress)

        return kept.trained(self.folder(run), anew)

    def scores(self, run: Run) -> pl.DataFrame | None:
        """The scores of all judged photographs, in their order; None if they were not made, or of other photographs."""
        file = self._file("scores", run) / scoring.FILE
        if not file.exists():
            return None
        table = pl.read_parquet(file.read_bytes())
        return table if table["path"].to_list() == [str(s.path) for s in self.judged.samples] else None

    def judge(self, run: Run, cutter: kept.CropCache, progress: bool) -> None:
        """Score all judged photographs."""
        score(self.manifest, self.folder(run), self._file("scores", run), progress=progress, cutter=cutter, workers=0)

    def likeness(self, run: Run) -> Path:
        """Where the likeness of the heat maps of a chain is kept; ``run`` is its original."""
        others = [self.folder(other).name for other in self.chain(run.subject, run.root, run.seed)]
        return self.out / "heat" / f"{self.folder(run).name}-{kept.short(*others, self.settings.pictures)}.parquet"

    def drawings(self, run: Run) -> Path:
        """Where crops of people who may be shown are kept, with their heat maps; ``run`` is its chain's original."""
        return self.likeness(run).with_suffix(".npz")

    def neurons(self, run: Run, name: str) -> Path:
        """Where what the last layer reads of a set is kept."""
        return self._file("neurons", run) / f"{kept.short(name, self.settings.neurons)}.npz"

    def chain(self, subject: str, root: str, seed: int) -> list[Run]:
        """The runs of a chain, its original first."""
        return [run for run in plan.runs(self.settings) if (run.subject, run.root, run.seed) == (subject, root, seed)]

    def drawn(self, name: str, count: int, fakes_only: bool = False) -> list[int]:
        """At most so many photographs of a set, places in ``judged.samples``; as many reals as fakes, if both."""
        own = self.judged.sets[name]
        labels = np.array([self.judged.samples[place].label for place in own])
        found: list[int] = []
        for label in (1,) if fakes_only else (0, 1):
            part = np.flatnonzero(labels == label)
            most = count if fakes_only else count // 2
            found += [own[int(i)] for i in np.random.default_rng((0, label)).permutation(part)[:most]]
        return sorted(found)

    def to_show(self) -> list[int]:
        """Fakes of people who agreed to be shown, places in ``judged.samples``: every method once, then again."""
        by_method: dict[str, list[int]] = {}
        for place, sample in enumerate(self.judged.samples):
            if sample.label and may_be_shown(sample.dataset):
                by_method.setdefault(sample.method, []).append(place)
        turns = zip_longest(*(own[:: -(-len(own) // _SHOWN)] for own in by_method.values()))  # spread over the people
        return [place for turn in turns for place in turn if place is not None][:_SHOWN]

    def _recipe(self, run: Run) -> Path:
        return self.recipe.parent / self._subject(run).recipe

    def _subject(self, run: Run) -> plan.Subject:
        return next(one for one in self.settings.subject if one.name == run.subject)

    def _learnt(self, run: Run) -> list[str]:
        root = next(one for one in self.settings.root if one.name == run.root)
        return plan.methods(self.settings, root, run.kind)

    def _training(self, root: str, kind: plan.Kind) -> Path:
        which = "permuted" if kind == "permuted" else "augmented" if plan.is_augmented(kind) else "original"
        return self.out / "manifests" / f"{root}-{which}.parquet"

    def _file(self, what: str, run: Run) -> Path:
        return self.out / what / self.folder(run).name


def work(
    study: Study,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    ray: str = "",
    progress: bool = True,
    say: Callable[[Done], None],
) -> list[Done]:
    """Do what is not done; returns what failed. A chain that fails does not stop the others.

    ``jobs`` processes at once, or as many as a Ray cluster has room for: ``ray`` is its address, or "local".
    """
    study.prepare()
    chains = study.chains(only)
    for chain in chains:  # the photographs are looked at here, not by every process
        for run in study.chain(chain.subject, chain.root, chain.seed):
            study.folder(run)
    if ray:
        made = _on_ray(chains, ray)
    elif jobs > 1:
        made = (done for chain in map_unordered(_alone, chains, jobs) for done in chain)
    else:
        made = (done for chain in chains for done in follow(study, chain, progress))
    failed = []
    for done in made:
        say(done)
        failed += [done] if done.failed else []
    return failed


def follow(study: Study, chain: Chain, progress: bool) -> Iterator[Done]:
    """All that one chain asks for, in order."""
    runs = study.chain(chain.subject, chain.root, chain.seed)
    cutter = kept.CropCache()
    for run in runs:
        if plan.is_augmented(run.kind) and not study.is_trained(run._replace(kind="original")):
            yield Done(str(run), "not begun: its original was not finished", failed=True)
            continue
        yield _tried(str(run), lambda run=run: _train_and_judge(study, run, cutter, progress))  # type: ignore[misc]
    if chain.seed == study.settings.seeds[0] and all(study.is_trained(run) for run in runs):
        yield _tried(f"{runs[0]}, heat maps", lambda: _compare_heat(study, runs, cutter))
        yield _tried(f"{runs[0]}, pictures", lambda: _draw_heat(study, runs, cutter))


def _train_and_judge(study: Study, run: Run, cutter: kept.CropCache, progress: bool) -> str:
    what = study.train(run, progress)
    if run.kind in plan.KINDS:
        if study.scores(run) is None:
            study.judge(run, cutter, progress)
        what += _read_neurons(study, run, cutter)
    return what


def _tried(name: str, step: Callable[[], str]) -> Done:
    try:
        return Done(name, step())
    except kept.FAILURES as error:
        return Done(name, kept.why(error), failed=True)


def _read_neurons(study: Study, run: Run, cutter: kept.CropCache) -> str:
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain import neurons

    missing = [name for name in study.judged.sets if not study.neurons(run, name).exists()]
    if not missing:
        return ""
    detector = load_run(study.folder(run))
    for name in missing:
        places, crops = _crops(study, study.drawn(name, study.settings.neurons), detector, cutter)
        try:
            read = neurons.read(detector.graph, crops)
        except CardError as error:
            return f"; {error}"  # no dense layer; the page says what is missing
        file = study.neurons(run, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with storage.atomic_write(file) as part:
            np.savez(part, features=read.features, weight=read.weight, bias=read.bias, places=places)
    return ""


def _compare_heat(study: Study, runs: Sequence[Run], cutter: kept.CropCache) -> str:
    """The structural similarity of the runs' heat maps, for every set: a row for each fake, pair and kind of map."""
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain.gradcam import grad_cam, guided_grad_cam

    file = study.likeness(runs[0])
    if file.exists():
        return "compared before"
    detectors = {run.kind: load_run(study.folder(run)) for run in runs}
    first = detectors["original"]
    rows: list[dict[str, Any]] = []
    for name in [*study.settings.unseen, runs[0].root]:
        places, crops = _crops(study, study.drawn(name, study.settings.pictures, fakes_only=True), first, cutter)
        for kind, look in zip(MAPS, (guided_grad_cam, grad_cam), strict=True):
            planes: dict[str, NDArray[np.float32]] = {}
            for own, detector in detectors.items():
                parts = [
                    look(detector.card, detector.graph, crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)
                ]
                planes[own] = np.concatenate(parts)
            for pair, (a, b) in PAIRS.items():
                if a in planes and b in planes:
                    rows += [
                        {"set": name, "map": kind, "pair": pair, "place": place, "ssim": _alike(one, other)}
                        for place, one, other in zip(places, planes[a], planes[b], strict=True)
                    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    with storage.atomic_write(file) as part:
        pl.DataFrame(rows).write_parquet(part)
    return "heat maps compared"


def _draw_heat(study: Study, runs: Sequence[Run], cutter: kept.CropCache) -> str:
    """Crops that may be shown, and the Grad-CAM of the chain's detectors for them."""
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain.gradcam import grad_cam

    file, shown = study.drawings(runs[0]), study.to_show()
    if file.exists() or not shown:
        return "drawn before" if shown else "no pictures: nobody in these sets agreed to be shown"
    detectors = {str(run.kind): load_run(study.folder(run)) for run in runs if run.kind in plan.KINDS}
    _, crops = _crops(study, shown, detectors["original"], cutter)
    planes = {kind: grad_cam(detector.card, detector.graph, crops) for kind, detector in detectors.items()}
    with storage.atomic_write(file) as part:
        np.savez_compressed(part, allow_pickle=False, crops=crops, **planes)
    return "pictures drawn"


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """SSIM; None where nothing speaks for a fake in either map, which would make any two alike."""
    return ssim(one, other) if one.any() and other.any() else None


def _crops(
    study: Study, places: Sequence[int], detector: Any, cutter: kept.CropCache
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The crops of some photographs, and the places of those in which a face was found."""
    given = cutter([study.judged.samples[place] for place in places], detector.card.crop, 0)
    found = [(place, cut.crop) for place, cut in zip(places, given, strict=True) if cut.crop is not None]
    if not found:
        raise FacewitnessError("no face was found in any photograph of a set")
    return np.array([place for place, _ in found], np.int64), np.stack([crop for _, crop in found])


def _alone(chain: Chain, threads: int) -> list[Done]:
    """A chain in a process of its own; the photographs were looked at before."""
    import torch

    torch.set_num_threads(threads)
    try:
        return list(follow(Study(chain.recipe, chain.out, chain.overrides, by_record=True), chain, progress=False))
    except kept.FAILURES as error:
        return [Done(f"{chain.subject}-{chain.root}-{chain.seed}", kept.why(error), failed=True)]


def _on_ray(chains: Sequence[Chain], address: str) -> Iterator[Done]:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"to spread a study over machines: {install_command('cluster')}") from error
    ray.init(address=None if address == "local" else address, ignore_reinit_error=True, log_to_driver=False)
    remote = ray.remote(_alone)
    waiting = [
        remote.remote(chain._replace(recipe=chain.recipe.absolute(), out=chain.out.absolute()), 1) for chain in chains
    ]
    while waiting:
        ready, waiting = ray.wait(waiting)
        yield from ray.get(ready[0])


def status(study: Study) -> list[dict[str, str]]:
    """What is there of every run."""
    study.prepare()
    found = []
    for run in plan.runs(study.settings):
        trained = study.is_trained(run)
        begun = study.folder(run).exists()
        judged = run.kind in plan.KINDS and study.scores(run) is not None
        found.append(
            {
                "run": str(run),
                "training": "finished" if trained else "begun" if begun else "-",
                "scores": "made" if judged else "-",
                "neurons": str(sum(study.neurons(run, name).exists() for name in study.judged.sets) or "-"),
            }
        )
    return found
