"""``facewitness compare``: detectors trained on the same photographs, with seeds, and judged by the same code.

A run is known by a hash of its recipe, the photographs it is trained on, the card, the net's code and the version of
the training: what is finished is never trained again, what was stopped goes on, and adding a detector, or a method to
be judged on, costs its own share only. OUT holds ``runs/`` and ``scores/`` (a folder for each run, named by detector,
seed and hash) and the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from facewitness import config
from facewitness.config import Recipe
from facewitness.data import manifest as manifests
from facewitness.data import splits
from facewitness.detectors import cards
from facewitness.evaluation.evaluate import RECORD, score
from facewitness.experiments import model_cards, page, runs, standings
from facewitness.training.recipe import TrainRecipe
from facewitness.types import FacewitnessError, RecipeError


class Contestant(Recipe):
    """One detector of a comparison."""

    recipe: str  # a training recipe, relative to the comparison's own file
    set: list[str] = Field(default_factory=list)  # "a.b=c", laid over the common ones
    seeds: list[int] | None = None  # the comparison's, if left out
    reported: str = ""  # the papers' own figures, for the page


class CompareRecipe(Recipe):
    """A comparison. ``seen`` are the methods that are trained on; all others of the manifest are unseen."""

    name: str
    manifest: str
    seen: list[str] = Field(min_length=1)
    seeds: list[int] = Field(default_factory=lambda: [1], min_length=1)
    split: str = "test"
    judged: list[str] = Field(default_factory=list)  # only fakes of these methods are judged; empty: all
    common: list[str] = Field(default_factory=list)  # "a.b=c", laid over every detector's recipe
    title: str = "Detectors compared"
    discussion: str = ""  # printed on the page as it stands, and marked as written by hand
    detector: list[Contestant] = Field(min_length=1)


class Run(NamedTuple):
    """One training and its judgement."""

    detector: str
    seed: int
    recipe: Path
    overrides: tuple[str, ...]
    folder: Path
    scores: Path


def compare(
    recipe: Path,
    out: Path | None = None,
    *,
    settings: CompareRecipe | None = None,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    page_file: Path | None = None,
    cards_folder: Path | None = None,
    progress: bool = True,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Train what is not trained, judge what is not judged, and write ``out/standings.csv`` (and Parquet) and the page.

    A detector that fails is named in the table's page and does not stop the others; it is tried again the next time.

    Args:
        recipe: a TOML file; see ``CompareRecipe``.
        out: ``out/NAME`` of the recipe if left out.
        settings: taken for what the file says; ``recipe`` then only tells whose neighbours the detectors' recipes are.
        overrides: values of the comparison's recipe to change.
        only: names of detectors; the others are not trained now, and are left out of the table if they never were.
        page_file: also write the page of Markdown there, and its figure beside it.
        cards_folder: also write a model card for every entry of the zoo there, from ``../zoo`` beside the recipe.
        progress: show bars.
        command: the command line, kept on the page.
        say: told of every run.

    Raises:
        RecipeError: a recipe does not fit.
        ManifestError: the manifest cannot be used.
        FacewitnessError: not one run could be finished.
    """
    settings = settings or config.load(recipe, CompareRecipe, overrides)
    out = out or Path("out") / settings.name
    _check(settings)
    planned = plan(settings, recipe, out)
    unknown = sorted(set(only) - {run.detector for run in planned})
    if unknown:
        known = ", ".join(dict.fromkeys(run.detector for run in planned))
        raise RecipeError(f"{recipe}: no detector {unknown[0]!r}; it has {known}")
    kept = runs.CropCache()
    failures = {}
    for number, run in enumerate(planned, 1):
        if only and run.detector not in only:
            continue
        try:
            what = _trained(run, progress=progress)
            score(
                Path(settings.manifest),
                run.folder,
                run.scores,
                split=settings.split,
                progress=progress,
                methods=settings.judged or None,
                cutter=kept,
            )
        except runs.FAILURES as error:
            failures[f"{run.detector}, seed {run.seed}"] = runs.why(error)
            what = f"failed: {runs.why(error)}"
        say(f"[{number}/{len(planned)}] {run.detector}, seed {run.seed}: {what}")
    digest = manifests.digest(Path(settings.manifest))
    finished = [run for run in planned if _is_judged(run, digest)]
    if not finished:
        why = next(iter(failures.values()), "none was asked for")
        raise FacewitnessError(f"{out}: not one run could be finished: {why}")
    table = standings.write(out, [(run.detector, run.seed, run.scores) for run in finished], settings.seen)
    if page_file is not None:
        folders = {(run.detector, run.seed): run.folder for run in finished}
        reported = {_name(recipe, one): one.reported for one in settings.detector}
        text = page.Text(settings.title, settings.discussion, reported, failures, tuple(command))
        page.write(page_file, table, folders, settings.seen, text, Path(settings.manifest))
    if cards_folder is not None:
        model_cards.write(cards_folder, recipe.parent.parent / "zoo", table, page_file)
    return (out / standings.TABLE).with_suffix(".csv")


def plan(settings: CompareRecipe, recipe: Path, out: Path) -> list[Run]:
    """All runs of a comparison, each with the folder that its hash names.

    Raises:
        RecipeError: a detector's recipe does not fit.
        ManifestError: the manifest cannot be read.
    """
    digest = runs.data_digest(Path(settings.manifest), settings.seen)
    planned = []
    for contestant in settings.detector:
        path = recipe.parent / contestant.recipe
        for seed in contestant.seeds or settings.seeds:
            given = [f"data.path={json.dumps(settings.manifest)}", f"data.methods={json.dumps(settings.seen)}"]
            overrides = (*settings.common, *contestant.set, *given, f"seed={seed}")
            training = config.load(path, TrainRecipe, overrides)
            key = runs.key(training, digest)
            name = f"{training.name}-{seed}-{key[:12]}"
            planned.append(Run(training.name, seed, path, overrides, out / "runs" / name, out / "scores" / name))
    twice = [run for run in planned if sum(run.folder == other.folder for other in planned) > 1]
    if twice:
        raise RecipeError(f"{recipe}: {twice[0].detector}, seed {twice[0].seed} stands in it twice")
    return planned


def _check(settings: CompareRecipe) -> None:
    """See that the manifest can be used and has the methods that are to be seen."""
    path = Path(settings.manifest)
    samples = manifests.read(path)
    splits.verify(samples)
    methods = {sample.method for sample in samples if sample.label}
    for method in settings.seen:
        if method not in methods:
            raise RecipeError(f"seen: {path} has no fake of the method {method!r}; it has {', '.join(sorted(methods))}")


def _trained(run: Run, *, progress: bool) -> str:
    """Bring a run to its end, and say what had to be done."""
    from facewitness.training.train import train

    return runs.trained(
        run.folder, lambda resume: train(run.recipe, run.folder, run.overrides, resume=resume, progress=progress)
    )


def _is_judged(run: Run, manifest_digest: str) -> bool:
    """Whether a run was trained and has scores of this very manifest."""
    try:
        record = json.loads((run.scores / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(record["manifest"]["sha256"] == manifest_digest) and (run.folder / cards.FILE).exists()


def _name(recipe: Path, contestant: Contestant) -> str:
    return config.load(recipe.parent / contestant.recipe, TrainRecipe, contestant.set).name
