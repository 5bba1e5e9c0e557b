"""The runs of an experiment, what each is made from, and its folder, named by a hash of all that decides it.

A finished run is therefore never trained twice, and a change costs only the runs that it changes.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from facewitness import config, storage
from facewitness.data import manifest as manifests
from facewitness.data.sources import as_manifest
from facewitness.detectors import cards
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.experiments import samples as sets
from facewitness.experiments.recipe import ExperimentRecipe, RunSection, load
from facewitness.training.recipe import VERSION, TrainRecipe
from facewitness.types import RecipeError, Sample

GENOTYPE = "genotype.json"  # what a search leaves
FAILED = "failed.json"  # why steps failed


class NotReadyError(RecipeError):
    """A run's folder has no name yet: the cells that it takes are not searched."""


class Run(NamedTuple):
    """One training of a recipe's run; ``seed`` None is that of its training recipe."""

    name: str
    seed: int | None = None

    def __str__(self) -> str:
        return self.name if self.seed is None else f"{self.name}, seed {self.seed}"


class Plan:
    """An experiment on disk: its runs, folders and manifests.

    ``trust_record`` takes the training photographs for what they were when they were last hashed, so that reports and
    worker processes need not read them again.
    """

    def __init__(
        self, recipe: Path, out: Path | None = None, overrides: Sequence[str] = (), *, trust_record: bool = False
    ) -> None:
        self.recipe, self.overrides, self.trust_record = recipe, tuple(overrides), trust_record
        settings = load(recipe, overrides)
        self.out = out or Path("out") / settings.name
        self.settings: ExperimentRecipe = _with_manifests(settings, self.out)
        self.sections: Mapping[str, RunSection] = {run.name: run for run in self.settings.run}
        self.samples: Callable[[Path], list[Sample]] = functools.cache(
            lambda file: sets.by_video(manifests.read(file), self.settings.by_video)
        )
        self.folder = functools.cache(self._folder)
        self._digests: dict[str, str] = {}
        sets.check(self)

    def runs(self, only: Sequence[str] = ()) -> list[Run]:
        """Return all runs, those that others depend on first; or those that ``only`` names, and what they depend on.

        A name is a run's, its label, or a value of its group.

        Raises:
            RecipeError: there is no such run.
        """
        names = {name: {name, section.label, *section.group.values()} for name, section in self.sections.items()}
        for name in only:
            if not any(name in known for known in names.values()):
                raise RecipeError(f"{self.recipe}: no run {name!r}; there are {', '.join(names)}")
        wanted = [name for name, known in names.items() if not only or known & set(only)]
        found: dict[Run, None] = {}

        def add(run: Run) -> None:
            for other in self.dependencies(run):
                add(other)
            found[run] = None

        for name in wanted:
            for run in self.seeded(name):
                add(run)
        return list(found)

    def trainings(self) -> list[str]:
        """Return the names of all runs that train a detector from a recipe."""
        return [name for name, run in self.sections.items() if run.kind == "train"]

    def seeded(self, name: str) -> list[Run]:
        """Return the runs of a name, one for each seed."""
        section = self.sections[name]
        if section.kind == "search":
            return [Run(name)]
        seeds = self.settings.seeds if section.seeds is None else section.seeds
        return [Run(name, seed) for seed in seeds] or [Run(name)]

    def dependencies(self, run: Run) -> list[Run]:
        """Return the runs that must be finished before this one: whose weights or cells it takes."""
        section = self.sections[run.name]
        found = [Run(section.cells)] if section.cells else []
        if section.begins_from:
            found.append(self.origin(run))
        return found

    def origin(self, run: Run) -> Run:
        """Return the run that initializes a run: of the same seed, or, if there is none, of the first."""
        others = self.seeded(self.sections[run.name].begins_from)
        same = [other for other in others if other.seed == run.seed]
        return (same or others)[0]

    def waves(self, runs: Sequence[Run]) -> list[list[Run]]:
        """Return runs, in the order of ``runs``, in groups; those of one depend only on those of earlier ones."""
        depth: dict[Run, int] = {}
        for run in runs:
            depth[run] = max((1 + depth[other] for other in self.dependencies(run)), default=0)
        return [[run for run in runs if depth[run] == level] for level in sorted(set(depth.values()))]

    def label(self, name: str) -> str:
        """Return what a run is called in tables."""
        return self.sections[name].label or name

    def training_recipe(self, run: Run) -> Path:
        """Return the training recipe of a run."""
        section = self.sections[run.name]
        if section.kind == "finetune":
            section = self.sections[section.begins_from]
        return self.recipe.parent / section.recipe

    def manifest_of(self, name: str) -> Path:
        """Return the manifest that the photographs of a run come from."""
        return Path(self.sections[name].manifest or self.settings.manifest)

    def judged_on(self, name: str) -> Path:
        """Return the manifest that a run is judged on where the recipe has no sets."""
        return Path(self.settings.judged) if self.settings.judged else self.manifest_of(name)

    def training_manifest(self, run: Run) -> Path:
        """Return the manifest that a run is trained on: its own, or one derived from it by ``prepare``."""
        section = self.sections[run.name]
        derived = section.sources or section.labels != "true" or self.settings.by_video
        return self._derived(section) if derived else self.manifest_of(run.name)

    def _derived(self, section: RunSection) -> Path:
        key = short(section.manifest, sorted(section.sources), section.labels, section.methods)
        return self.out / "manifests" / f"{key}.parquet"

    def overrides_of(self, run: Run) -> tuple[str, ...]:
        """Return all that is laid over the training recipe of a run.

        Raises:
            NotReadyError: the cells that it takes are not searched yet.
        """
        section = self.sections[run.name]
        common = self.settings.common.get(section.kind, [])
        if section.kind == "finetune":
            return (*common, *section.set)
        methods = [sets.PERMUTED] if section.labels == "permuted" else section.methods
        found = [*common, f"data.path={json.dumps(str(self.training_manifest(run)))}"]
        found.append(f"data.methods={json.dumps(methods)}")
        if run.seed is not None:
            found.append(f"seed={run.seed}")
        found += [change.replace("{seed}", str(run.seed)) for change in section.set]
        if section.begins_from:
            found.append(f"net.init={json.dumps(str(self.folder(self.origin(run))))}")
        if section.cells:
            genotype = self.folder(Run(section.cells)) / GENOTYPE
            if not genotype.exists():
                raise NotReadyError(f"{run}: the search {section.cells!r} is not finished")
            found.append(f"net.args.genotype={json.dumps(str(genotype))}")
        if section.parameters is not None:
            settings = config.load(self.training_recipe(run), TrainRecipe, found)
            found.append(f"net.args.channels={channels_of(settings.net.args, section.parameters)}")
        return tuple(found)

    def _folder(self, run: Run) -> Path:
        """Return the folder of a run; its name holds the hash of all that decides it.

        Raises:
            NotReadyError: the cells that it takes are not searched yet.
        """
        section, changes = self.sections[run.name], self.overrides_of(run)
        if section.kind == "finetune":
            origin = self.folder(self.origin(run))
            return origin.parent / f"{origin.name}-{section.choice}-{section.masks}-{short(*sorted(changes))[:8]}"
        if section.begins_from and not self.settings.named_by_path:  # wherever the experiment lies
            changes += (f"net.init={json.dumps(self.folder(self.origin(run)).name)}",)
        settings = config.load(self.training_recipe(run), recipe_model(section.kind), changes)
        key = run_key(settings, self._digest(run))[:12]
        if section.folder:
            return self.out / "runs" / f"{section.folder.replace('{seed}', str(run.seed))}-{key}"
        name = run.name if run.seed is None else f"{run.name}-{run.seed}"
        return self.out / ("searches" if section.kind == "search" else "runs") / slug(f"{name}-{key}")

    def is_trained(self, run: Run) -> bool:
        """Return whether a run is finished."""
        try:
            return (self.folder(run) / last_file(self.sections[run.name].kind)).exists()
        except NotReadyError:
            return False

    def trained(self, name: str) -> list[Path]:
        """Return the folders of the finished runs of a name, by seeds."""
        return [self.folder(run) for run in self.seeded(name) if self.is_trained(run)]

    def prepare(self) -> None:
        """Write the manifests that are derived from others; the same samples make the same file."""
        for name, section in self.sections.items():
            file = self.training_manifest(Run(name))
            if section.kind != "finetune" and file != self.manifest_of(name) and not self.trust_record:
                manifests.write(sets.training(section, self.samples(self.manifest_of(name))), file)
        if not self.trust_record and self.judged_manifest != Path(self.settings.manifest):
            manifests.write(self.judged.samples, self.judged_manifest)

    @functools.cached_property
    def judged(self) -> sets.Judged:
        """All photographs that the sets of the recipe are made of."""
        return sets.judged(self.settings, self.samples(Path(self.settings.manifest)))

    @property
    def judged_manifest(self) -> Path:
        """The manifest that runs are judged on: of the sets, if the recipe has any, or the experiment's own."""
        return self.out / "manifests" / "judged.parquet" if self.settings.set else Path(self.settings.manifest)

    def _digest(self, run: Run) -> str:
        """Return the digest of what a run is trained on, computed once by each process."""
        section = self.sections[run.name]
        file, methods = self.training_manifest(run), list(section.methods)
        if section.labels == "permuted":
            methods = [sets.PERMUTED]
        if not file.exists():
            self.prepare()
        key = f"{storage.sha256(file)} {' '.join(methods)}"
        if key not in self._digests:
            record = self.out / "manifests" / f"{short(key)}.sha256"
            if self.trust_record and record.exists():
                self._digests[key] = record.read_text(encoding="utf-8")
            else:
                self._digests[key] = data_digest(file, methods)
                record.parent.mkdir(parents=True, exist_ok=True)
                storage.write_text(record, self._digests[key])
        return self._digests[key]


def _with_manifests(settings: ExperimentRecipe, out: Path) -> ExperimentRecipe:
    """The recipe with a manifest in place of a folder of the user's own; its people are dealt into splits."""
    if not Path(settings.manifest).is_dir():
        return settings
    file = as_manifest(Path(settings.manifest), out / "data", divide=True, seed=settings.seeds[0])
    return settings.model_copy(update={"manifest": str(file)})


def run_key(training: TrainRecipe, data: str) -> str:
    """Return what decides a run as a hash: its recipe, ``data`` (the digest of its photographs), its architecture.

    What stands for the architecture is kept in ``revisions.json``: whoever changes what a net computes changes its
    entry there, and its runs are trained anew.

    Raises:
        RecipeError: the recipe names no architecture.
    """
    recipe = training.model_dump(mode="json", exclude_defaults=True)  # a new key with a default changes nothing
    recipe["trainer"] = {"precision": training.trainer.precision}
    for left_out in ("path", "workers"):
        recipe["data"].pop(left_out, None)
    if training.net.entry not in ARCHITECTURES:
        raise RecipeError(f"{training.name}: net.entry: no architecture {training.net.entry!r}")
    frozen = revisions()
    recipe = _former(recipe, frozen["values"])
    decides = {"recipe": recipe, "data": data, "version": VERSION, **frozen["architectures"][training.net.entry]}
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


def _former(value: Any, former: Mapping[str, str]) -> Any:
    """A recipe's values, with those that were renamed since under their former names."""
    if isinstance(value, dict):
        return {key: _former(part, former) for key, part in value.items()}
    return former.get(value, value) if isinstance(value, str) else value


@functools.cache
def revisions() -> dict[str, Any]:
    """Return what stands for each architecture in the hash of its runs, and the former names of renamed values."""
    text = files("facewitness.experiments").joinpath("revisions.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def data_digest(manifest: Path, methods: Sequence[str]) -> str:
    """Return the SHA-256 of all that is trained on: reals and the fakes of some methods, their files and labels."""
    digest = hashlib.sha256()
    for sample in manifests.of_methods(manifests.read(manifest), methods):
        if sample.split != "test":
            paths = (sample.path, sample.region, sample.mask)
            contents = [storage.sha256(path) if path is not None and path.is_file() else "-" for path in paths]
            points = "-" if sample.landmarks is None else sample.landmarks.tolist()
            known = (sample.label, sample.method, sample.dataset, sample.identities, sample.split, points)
            digest.update(f"{known} {contents}\n".encode())
    return digest.hexdigest()


def recipe_model(kind: str) -> type[TrainRecipe]:
    """Return the model of the training recipe of a kind of run."""
    if kind == "search":
        from facewitness.training.search.recipe import SearchRecipe

        return SearchRecipe
    if kind == "lae":
        from facewitness.training.lae.recipe import LaeRecipe

        return LaeRecipe
    return TrainRecipe


def last_file(kind: str) -> str:
    """Return the file that a run of a kind writes last, by which it is known to be finished."""
    return GENOTYPE if kind == "search" else cards.FILE


def channels_of(args: Mapping[str, Any], parameters: int) -> int:
    """Return the most channels with which ADD's net of some arguments has at most so many parameters.

    Raises:
        RecipeError: the budget cannot be met.
    """
    from facewitness.detectors.nets.add import channels_for

    chosen = {name: args[name] for name in ("normal", "region", "input") if name in args}
    return channels_for(str(args.get("genotype", "gdas-v1")), parameters, **chosen)


def read_failures(plan: Plan) -> dict[str, str]:
    """Return why steps failed, by step."""
    file = plan.out / FAILED
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def slug(name: str) -> str:
    """Return a name as that of a file or a folder."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def short(*parts: object) -> str:
    """Return twelve digits of a hash of some values."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]
