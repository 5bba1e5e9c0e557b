"""Searches and trains what a recipe of experiments names, each once, in a folder that is named by what decides it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facewitness import config
from facewitness.detectors import cards, zoo
from facewitness.experiments import runs
from facewitness.experiments.trials.recipe import Search, Trial, TrialsRecipe, manifest_of
from facewitness.training.recipe import TrainRecipe


def seeds_of(trial: Trial) -> Sequence[int | None]:
    """A trial's seeds; None is its recipe's own."""
    return trial.seeds or [None]


def named(trial: Trial, seed: int | None) -> str:
    """What a trial with a seed is called."""
    return trial.name if seed is None else f"{trial.name}, seed {seed}"


class Lab:
    """Searches and trains, each once; ``folders`` are the finished runs of each trial, by seeds."""

    def __init__(self, settings: TrialsRecipe, recipe: Path, out: Path, progress: bool) -> None:
        self.settings, self.recipe, self.out, self.progress = settings, recipe, out, progress
        self.folders: dict[str, list[Path]] = {}
        self.digest = functools.cache(lambda manifest, *methods: runs.data_digest(manifest, methods))

    def search(self, one: Search) -> str:
        """See that cells are searched."""
        from facewitness.training.search.run import search

        path, overrides, cells = self.recipe.parent / one.recipe, self._overrides(one), self.cells(one.name)
        return runs.trained(
            cells.parent,
            lambda resume: search(path, cells.parent, overrides, resume=resume, progress=self.progress),
            cells.name,
        )

    def cells(self, name: str) -> Path:
        """What a search leaves, in a folder that is named by what decides it."""
        from facewitness.training.search.recipe import SearchRecipe
        from facewitness.training.search.run import FILE

        one = next(one for one in self.settings.search if one.name == name)
        settings = config.load(self.recipe.parent / one.recipe, SearchRecipe, self._overrides(one))
        return self.out / "searches" / runs.slug(f"{name}-{self._key(settings, one)}") / FILE

    def train(self, trial: Trial, seed: int | None) -> str:
        """See that a trial is trained."""
        from facewitness.training.train import train

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

    def knows(self, trials: Mapping[str, Trial], name: str) -> bool:
        """Look for the finished runs of a trial, and before it for those of all that it goes back to."""
        trial = trials[name]
        if trial.after and not self.knows(trials, trial.after):
            return False
        found = [self._planned(trial, seed)[0] for seed in seeds_of(trial) if self.is_trained(trial, seed)]
        self.folders[name] = found
        return bool(found)

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
        own = trial.name if seed is None else f"{trial.name}-{seed}"
        return self.out / "runs" / runs.slug(f"{own}-{self._key(settings, trial)}"), overrides

    def _overrides(self, one: Search) -> list[str]:
        manifest = manifest_of(self.settings, one)
        given = [f"data.path={json.dumps(str(manifest))}", f"data.methods={json.dumps(one.methods)}"]
        return [*one.set, *given]

    def _key(self, settings: TrainRecipe, one: Search) -> str:
        return runs.key(settings, self.digest(manifest_of(self.settings, one), *one.methods))[:12]


def channels_of(args: Mapping[str, Any], parameters: int) -> int:
    """The most channels with which ADD's net of some arguments has at most so many parameters.

    Raises:
        RecipeError: the budget cannot be met.
    """
    from facewitness.detectors.nets.add import channels_for

    chosen = {name: args[name] for name in ("normal", "region", "input") if name in args}
    return channels_for(str(args.get("genotype", "gdas-v1")), parameters, **chosen)


def parameters_of(folder: Path) -> int:
    """Of the net in a run folder."""
    from facewitness.detectors.torch_backend import load_weights

    net = load_weights(cards.read(folder), folder / zoo.WEIGHTS_FILE).net
    return sum(parameter.numel() for parameter in net.parameters())
