"""``forgesight experiments``: trainings and the tables that they answer, all of one paper, from one recipe.

A trial is a training recipe with changes, on some methods of a manifest, with one seed or several; a table judges some
trials on groups of methods, seen or not. Cells that a trial is made of may be searched first. Each trial is trained
once, each is judged once on every photograph any table asks for, and every number has its interval over people.
FakeLocator's tables IV to X are such a recipe, and ADD's.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from forgesight import config
from forgesight.config import Recipe
from forgesight.data import manifest as manifests
from forgesight.data import splits
from forgesight.detectors import cards, zoo
from forgesight.evaluation.robustness import MAPS, measure
from forgesight.evaluation.table import write_table
from forgesight.metrics.intervals import Interval, bootstrap_mean
from forgesight.processes import spread
from forgesight.study import meanmap, runs, standings
from forgesight.study.attention import attention_sheet
from forgesight.study.cluster import FIGURE, RECORD, cluster
from forgesight.study.robustness import curves, numbers
from forgesight.training.recipe import TrainRecipe
from forgesight.types import ForgesightError, Image, RecipeError

TABLE = "experiments.parquet"
METRICS = (
    *("accuracy", "real_accuracy", "fake_accuracy", "auc", "eer"),
    *("coss", "psnr", "ssim", "iou", "dice", "pbca", "iinc", "recall", "area", "hull_iou"),
    *("coss_inside", "psnr_inside", "ssim_inside"),
)
REALS = "Real photographs, by source"
REAL_METRICS = ("real_accuracy", "area", "area_median", "spotted")
SPOTTED = 0.01  # a real photograph is, if more than this share of its map is at or above 0.1


class Search(Recipe):
    """One search of cells."""

    name: str
    recipe: str  # relative to the experiments' own file
    methods: list[str] = Field(min_length=1)
    set: list[str] = Field(default_factory=list)
    manifest: str = ""  # trained and judged on; the experiments' own, if empty


class Trial(Search):
    """One training, or one for each seed."""

    after: str = ""  # an earlier trial, whose weights this one begins from: those of its first seed
    cells: str = ""  # a search, whose cells are the net's
    parameters: int | None = Field(None, ge=1)  # the net gets the most channels with which it has no more than these
    seeds: list[int] = Field(default_factory=list)  # the recipe's own, if empty


class Sheet(Recipe):
    """One table: trials down, and for each of them the groups of methods that it is judged on."""

    title: str
    text: str = ""
    trials: list[str] = Field(min_length=1)
    judged: dict[str, list[str]] = Field(min_length=1)  # what a group is called -> its methods
    metrics: list[str] = Field(default_factory=lambda: ["accuracy", "auc"], min_length=1)
    small: float | None = Field(None, gt=0, le=1)  # only fakes whose forged area is below this share of the crop
    mean_map: bool = False  # also the mean fakeness of each group's own training fakes, as a map to beat
    clustered: bool = False  # also the accuracy by clusters of features and one known photograph, ten draws


class TrialsRecipe(Recipe):
    """All trials and tables of a page."""

    name: str
    manifest: str
    search: list[Search] = Field(default_factory=list)
    trial: list[Trial] = Field(min_length=1)
    table: list[Sheet] = Field(min_length=1)
    common: list[str] = Field(default_factory=list)  # of all trials
    limit: int | None = Field(None, ge=1)  # judged: at most so many reals, and so many fakes of each method
    degraded_limit: int | None = Field(None, ge=1)  # the same of what is measured under degradation
    shown: list[str] = Field(default_factory=list)  # trials whose maps are drawn, of people who may be shown
    shown_methods: list[str] = Field(default_factory=list)
    degraded: str = ""  # the trial that is also measured under degradation
    degraded_methods: list[str] = Field(default_factory=list)
    title: str = "Experiments"
    discussion: str = ""  # printed on the page as it stands, and marked as written by hand


class Job(NamedTuple):
    """What one process does: a search, or a trial with a seed, trained and judged."""

    recipe: Path
    overrides: tuple[str, ...]
    out: Path
    name: str
    seed: int | None = None
    searched: bool = False


class Found(NamedTuple):
    """All that a page shows."""

    table: pl.DataFrame  # a row for each number
    curves: pl.DataFrame | None
    maps: Image | None
    clusters: dict[str, Path]  # title of a table -> the figure of its first clustering
    cells: dict[str, Path]  # name of a search -> its folder
    sizes: dict[str, int]  # name of a trial -> the parameters of its net


def experiments(
    recipe: Path,
    out: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    jobs: int = 1,
    page_file: Path | None = None,
    progress: bool = True,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Train and judge what was not yet, ``jobs`` at once, write ``out/experiments.csv`` (and Parquet) and the page.

    A stopped run goes on. ``only`` names trials; the others are not trained now, and tables leave out what was never
    trained.

    Raises:
        RecipeError: a recipe does not fit, or a table names what is not there.
    """
    settings = config.load(recipe, TrialsRecipe, overrides)
    out = out or Path("out") / settings.name
    _check(settings, recipe, only)
    lab = Lab(settings, recipe, out, progress)
    wanted = [trial for trial in settings.trial if not only or trial.name in only]
    needed = [one for one in settings.search if one.name in {trial.cells for trial in wanted}]
    if jobs > 1:
        plain = Job(recipe, tuple(overrides), out, "")
        waves = (
            [plain._replace(name=one.name, searched=True) for one in needed],
            [plain._replace(name=one.name, seed=seed) for one in wanted if not one.after for seed in _seeds(one)],
        )
        for line in (line for wave in waves for line in spread(_alone, wave, jobs)):
            say(line)
    for one in needed:
        say(f"{one.name}: {lab.search(one)}")
    for trial in settings.trial:
        if trial.after and trial.after not in lab.folders:
            continue  # nothing to begin from yet
        if trial.cells and not lab.cells(trial.cells).exists():
            continue
        for seed in _seeds(trial):
            if trial in wanted or lab.is_trained(trial, seed):
                say(f"{_named(trial, seed)}: {lab.train(trial, seed)}")
    folders = lab.folders
    trials = {trial.name: trial for trial in settings.trial}
    judged = {
        name: [_judged(settings, trials[name], folder, out, progress) for folder in of] for name, of in folders.items()
    }
    rows: list[dict[str, Any]] = []
    figures: dict[str, Path] = {}
    for sheet in settings.table:
        for name in (name for name in sheet.trials if name in folders):
            for group, methods in sheet.judged.items():
                parts = [_part(one, methods, sheet.small) for one in judged[name]]
                if not parts[0].filter(label=1).height:
                    continue  # no fake so small, or none with a face
                named = {"table": sheet.title, "trial": name, "judged": group, "seeds": len(parts)}
                counts = {"n_real": parts[0].filter(label=0).height, "n_fake": parts[0].filter(label=1).height}
                for metric, interval in numbers(*parts).items():
                    rows.append({**named, "metric": metric, **interval._asdict(), **counts})
                if sheet.clustered:
                    first = folders[name][0]
                    folder = out / "clusters" / runs.slug(f"{first.name}-{'-'.join(methods)}")
                    manifest = _manifest(settings, trials[name])
                    rows.append({**named, **_clustered(settings, manifest, first, folder, methods), **counts})
                    figures.setdefault(sheet.title, folder / FIGURE)
        like = next((folders[name][0] for name in sheet.trials if name in folders), None)
        if sheet.mean_map and like is not None:
            for group, methods in sheet.judged.items():
                named = {"table": sheet.title, "trial": meanmap.NAME, "judged": group, "seeds": 1}
                rows += [{**named, **row} for row in _by_mean_map(settings, methods, like, out, sheet.small)]
    mapped = dict.fromkeys(name for sheet in settings.table if "area" in sheet.metrics for name in sheet.trials)
    for name in (name for name in mapped if name in judged):
        rows += [{"table": REALS, "trial": name, **row} for row in _on_reals(judged[name])]
    if not rows:
        raise ForgesightError(f"{out}: no trial of a table is trained, or no fake of one could be judged")
    table = pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))
    out.mkdir(parents=True, exist_ok=True)
    write_table(table, out / TABLE)
    if page_file is not None:
        from forgesight.study import trials_page

        first_of = {name: of[0] for name, of in folders.items()}
        degraded = _degraded(settings, first_of, out, progress)
        cells = {one.name: lab.cells(one.name).parent for one in needed}
        sizes = {name: _parameters(folder) for name, folder in first_of.items()}
        found = Found(table, degraded, _maps(settings, first_of), figures, cells, sizes)
        trials_page.write(page_file, settings, found, tuple(command))
    return (out / TABLE).with_suffix(".csv")


def _seeds(trial: Trial) -> Sequence[int | None]:
    return trial.seeds or [None]


def _named(trial: Trial, seed: int | None) -> str:
    return trial.name if seed is None else f"{trial.name}, seed {seed}"


class Lab:
    """Searches and trains, each once; ``folders`` are the finished runs of each trial, by seeds."""

    def __init__(self, settings: TrialsRecipe, recipe: Path, out: Path, progress: bool) -> None:
        self.settings, self.recipe, self.out, self.progress = settings, recipe, out, progress
        self.folders: dict[str, list[Path]] = {}
        self.digest = functools.cache(lambda manifest, *methods: runs.data_digest(manifest, methods))

    def search(self, one: Search) -> str:
        """See that cells are searched."""
        from forgesight.training.search.run import search

        path, overrides, cells = self.recipe.parent / one.recipe, self._overrides(one), self.cells(one.name)
        return runs.trained(
            cells.parent,
            lambda resume: search(path, cells.parent, overrides, resume=resume, progress=self.progress),
            cells.name,
        )

    def cells(self, name: str) -> Path:
        """What a search leaves, in a folder that is named by what decides it."""
        from forgesight.training.search.recipe import SearchRecipe
        from forgesight.training.search.run import FILE

        one = next(one for one in self.settings.search if one.name == name)
        settings = config.load(self.recipe.parent / one.recipe, SearchRecipe, self._overrides(one))
        return self.out / "searches" / runs.slug(f"{name}-{self._key(settings, one)}") / FILE

    def train(self, trial: Trial, seed: int | None) -> str:
        """See that a trial is trained."""
        from forgesight.training.run import train

        folder, overrides = self._planned(trial, seed)
        path = self.recipe.parent / trial.recipe
        done = runs.trained(
            folder, lambda resume: train(path, folder, overrides, resume=resume, progress=self.progress)
        )
        self.folders.setdefault(trial.name, []).append(folder)
        return done

    def is_trained(self, trial: Trial, seed: int | None) -> bool:
        """Whether a trial was trained before."""
        return (self._planned(trial, seed)[0] / cards.FILE).exists()

    def _planned(self, trial: Trial, seed: int | None) -> tuple[Path, list[str]]:
        """The folder of a trial's run, named by what decides it, and its recipe's overrides."""
        overrides = [*self.settings.common, *self._overrides(trial)]
        if seed is not None:
            overrides.append(f"seed={seed}")
        if trial.after:  # the name of that folder holds the hash of what made it
            overrides.append(f"net.init={json.dumps(str(self.folders[trial.after][0]))}")
        if trial.cells:
            overrides.append(f"net.args.genotype={json.dumps(str(self.cells(trial.cells)))}")
        path = self.recipe.parent / trial.recipe
        settings = config.load(path, TrainRecipe, overrides)
        if trial.parameters is not None:
            overrides.append(f"net.args.channels={channels_of(settings.net.args, trial.parameters)}")
            settings = config.load(path, TrainRecipe, overrides)
        named = trial.name if seed is None else f"{trial.name}-{seed}"
        return self.out / "runs" / runs.slug(f"{named}-{self._key(settings, trial)}"), overrides

    def _overrides(self, one: Search) -> list[str]:
        manifest = _manifest(self.settings, one)
        given = [f"data.path={json.dumps(str(manifest))}", f"data.methods={json.dumps(one.methods)}"]
        return [*one.set, *given]

    def _key(self, settings: TrainRecipe, one: Search) -> str:
        return runs.key(settings, self.digest(_manifest(self.settings, one), *one.methods))[:12]


def channels_of(args: Mapping[str, Any], parameters: int) -> int:
    """The most channels with which ADD's net of some arguments has at most so many parameters.

    Raises:
        RecipeError: the budget cannot be met.
    """
    from forgesight.detectors.nets.add import channels_for

    chosen = {name: args[name] for name in ("normal", "region", "input") if name in args}
    return channels_for(str(args.get("genotype", "gdas-v1")), parameters, **chosen)


def _parameters(folder: Path) -> int:
    from forgesight.detectors.torch_backend import load_weights

    net = load_weights(cards.read(folder), folder / zoo.WEIGHTS_FILE).net
    return sum(parameter.numel() for parameter in net.parameters())


def _alone(job: Job, threads: int) -> str:
    """A job in a process of its own; what fails is tried again for the tables."""
    import torch

    torch.set_num_threads(threads)
    settings = config.load(job.recipe, TrialsRecipe, job.overrides)
    for one in (*settings.search, *settings.trial):
        one.set.append(f"trainer.threads={threads}")
    lab = Lab(settings, job.recipe, job.out, progress=False)
    try:
        if job.searched:
            return f"{job.name}: {lab.search(next(one for one in settings.search if one.name == job.name))}"
        trial = next(one for one in settings.trial if one.name == job.name)
        said = f"{_named(trial, job.seed)}: {lab.train(trial, job.seed)}"
        _judged(settings, trial, lab.folders[trial.name][-1], job.out, progress=False, workers=0)
    except runs.FAILURES as error:
        return f"{job.name}: {runs.why(error)}"
    return said


def _judged(
    settings: TrialsRecipe, trial: Trial, folder: Path, out: Path, progress: bool, workers: int | None = None
) -> pl.DataFrame:
    """The undamaged rows of a trial on every method that a table judges it on."""
    sheets = [sheet for sheet in settings.table if trial.name in sheet.trials]
    asked = {method for sheet in sheets for group in sheet.judged.values() for method in group}
    if not asked:
        return pl.DataFrame()
    options: dict[str, Any] = {"operators": (), "disorganised": False, "limit": settings.limit}
    options |= {"progress": progress, "workers": workers}
    file = measure(_manifest(settings, trial), folder, out / "judged" / folder.name, methods=sorted(asked), **options)
    return pl.read_parquet(file.read_bytes())


def _part(rows: pl.DataFrame, methods: Sequence[str], small: float | None) -> pl.DataFrame:
    """The fakes of some methods, and the reals of the sources that these were applied to."""
    good = rows.filter(pl.col("status") == "ok")
    if small is not None:
        good = good.filter((pl.col("label") == 0) | ((pl.col("forged_area") > 0) & (pl.col("forged_area") < small)))
    return good.filter(standings.against(good, methods))


def _by_mean_map(
    settings: TrialsRecipe, methods: Sequence[str], folder: Path, out: Path, small: float | None
) -> list[dict[str, Any]]:
    """How well the mean fakeness does as everybody's map, in crops like those of a run."""
    manifest = Path(settings.manifest)
    detector = meanmap.mean_map(manifest, methods, cards.read(folder).crop)
    place = out / "judged" / runs.slug(f"{meanmap.NAME}-{'-'.join(methods)}-{detector.card.weights}"[:150])
    options: dict[str, Any] = {"operators": (), "disorganised": False, "limit": settings.limit, "progress": False}
    part = _part(pl.read_parquet(measure(manifest, detector, place, methods=methods, **options)), methods, small)
    counts = {"n_real": part.filter(label=0).height, "n_fake": part.filter(label=1).height}
    found = {metric: interval for metric, interval in numbers(part).items() if metric in MAPS}
    return [{"metric": metric, **interval._asdict(), **counts} for metric, interval in found.items()]


def _on_reals(parts: Sequence[pl.DataFrame]) -> list[dict[str, Any]]:
    """What the trials of some seeds call forged of each source's real photographs; the median has no interval."""
    rows = []
    for source in parts[0].filter((pl.col("label") == 0) & (pl.col("status") == "ok"))["dataset"].unique().sort():
        own = [part.filter(dataset=source, label=0, status="ok") for part in parts]
        found = numbers(*own)
        areas = pl.concat(part["area"].drop_nulls() for part in own)
        if not len(areas):
            continue
        people = [person for part in own for person in part.filter(pl.col("area").is_not_null())["person"]]
        found["area_median"] = Interval(float(np.median(areas)), math.nan, math.nan)
        found["spotted"] = bootstrap_mean(areas.to_numpy() > SPOTTED, people)
        counts = {"n_real": own[0].height, "n_fake": 0}
        asked = {name: found[name] for name in REAL_METRICS}
        rows += [
            {"judged": source, "seeds": len(own), "metric": metric, **interval._asdict(), **counts}
            for metric, interval in asked.items()
        ]
    return rows


def _clustered(
    settings: TrialsRecipe, manifest: Path, folder: Path, out: Path, methods: Sequence[str]
) -> dict[str, Any]:
    asked = {"sha256": manifests.digest(manifest), "methods": list(methods), "limit": settings.limit}
    known = json.loads((out / RECORD).read_text(encoding="utf-8")) if (out / RECORD).exists() else {}
    if {name: known.get(name) for name in asked} != asked:
        file = cluster(folder, manifest, out, methods=methods, limit=settings.limit)
        known = json.loads(file.read_text(encoding="utf-8"))
    found = known["accuracy"]
    return {"metric": "clustered", "value": found["mean"], "low": found["lowest"], "high": found["highest"]}


def _degraded(settings: TrialsRecipe, folders: dict[str, Path], out: Path, progress: bool) -> pl.DataFrame | None:
    if settings.degraded not in folders:
        return None
    folder = folders[settings.degraded]
    options: dict[str, Any] = {
        "methods": settings.degraded_methods,
        "limit": settings.degraded_limit,
        "progress": progress,
    }
    file = measure(Path(settings.manifest), folder, out / "degraded" / folder.name, **options)
    return curves(pl.read_parquet(file.read_bytes()))


def _maps(settings: TrialsRecipe, folders: dict[str, Path]) -> Image | None:
    detectors = [(name, folders[name]) for name in settings.shown if name in folders]
    if not detectors:
        return None
    samples = [s for s in manifests.read(Path(settings.manifest)) if s.label and s.split == "test"]
    chosen = [s for m in settings.shown_methods for s in samples if m in s.kinds]
    return attention_sheet(chosen, detectors, each=2, fakeness=True)


def _check(settings: TrialsRecipe, recipe: Path, only: Sequence[str]) -> None:
    trials = {trial.name: trial for trial in settings.trial}
    if len(trials) < len(settings.trial):
        raise RecipeError(f"{recipe}: two trials have one name")
    before: set[str] = set()
    for trial in settings.trial:
        if trial.after and trial.after not in before:
            raise RecipeError(f"{recipe}: {trial.name}: no trial {trial.after!r} before it to begin from")
        if trial.cells and trial.cells not in [one.name for one in settings.search]:
            raise RecipeError(f"{recipe}: {trial.name}: no search {trial.cells!r} whose cells it could take")
        before.add(trial.name)
    named = [(sheet.title, name) for sheet in settings.table for name in sheet.trials]
    named += [("shown", name) for name in settings.shown]
    named += [("degraded", settings.degraded)] if settings.degraded else []
    for where, name in [*named, *(("only", name) for name in only)]:
        if name not in trials:
            raise RecipeError(f"{recipe}: {where}: no trial {name!r}; there are {', '.join(trials)}")
    for sheet in settings.table:
        for metric in sheet.metrics:
            if metric not in METRICS:
                raise RecipeError(f"{recipe}: {sheet.title}: no metric {metric!r}; there are {', '.join(METRICS)}")
    whole = Search(name="", recipe="", methods=[""])  # stands for the experiments' own manifest
    asked = [(one, one.name, method) for one in (*settings.search, *settings.trial) for method in one.methods]
    for sheet in settings.table:
        methods = [method for group in sheet.judged.values() for method in group]
        asked += [(trials[name], sheet.title, method) for name in sheet.trials for method in methods]
    asked += [(whole, "shown_methods", method) for method in settings.shown_methods]
    asked += [(whole, "degraded_methods", method) for method in settings.degraded_methods]
    kinds = {manifest: _kinds(manifest) for manifest in {_manifest(settings, one) for one, _, _ in asked}}
    for one, where, method in asked:
        manifest = _manifest(settings, one)
        if method not in kinds[manifest]:
            raise RecipeError(f"{recipe}: {where}: {manifest} has no fake of the method {method!r}")


def _manifest(settings: TrialsRecipe, one: Search) -> Path:
    return Path(one.manifest or settings.manifest)


def _kinds(manifest: Path) -> set[str]:
    samples = manifests.read(manifest)
    splits.verify(samples)
    return manifests.kinds(samples)
