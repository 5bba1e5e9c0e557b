"""Finished toy experiments, each made once: what is tested is what they left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from facewitness.experiments.plan import Plan
from facewitness.experiments.report import write_report
from facewitness.experiments.runner import Outcome, run_experiment


@dataclass
class Finished:
    """An experiment that was run and reported."""

    recipe: Path
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.recipe.parent / "out"

    @property
    def page(self) -> Path:
        return self.recipe.parent / "docs" / "toy.md"

    def plan(self, trust_record: bool = False) -> Plan:
        return Plan(self.recipe, self.out, trust_record=trust_record)

    def run(self, **options: object) -> list[str]:
        """Run it, and return the outcomes as text."""
        self.outcomes = []
        run_experiment(self.plan(), progress=None, report=self.outcomes.append, **options)
        return [f"{outcome.step}: {outcome.text}" for outcome in self.outcomes]

    def report(self) -> str:
        """Write the report and return its text."""
        write_report(self.plan(trust_record=True), self.page, command=["facewitness", "experiment", "report"])
        return self.page.read_text()


Make = Callable[[Callable[[Path], Path]], Finished]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Write a toy experiment into a folder of its own, with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:

        def write(toy: Callable[[Path], Path]) -> Finished:
            folder = tmp_path_factory.mktemp("experiment")
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            finished = Finished(toy(folder))
            finished.page.parent.mkdir()
            finished.page.with_name("toy.discussion.md").write_text("It is a toy.\n")
            return finished

        yield write
