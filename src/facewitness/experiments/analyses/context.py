"""What a renderer of a section gets and gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from facewitness.compute.progress import Progress
from facewitness.experiments.measure import Needs
from facewitness.experiments.plan import Plan


@dataclass(frozen=True)
class Context:
    """An experiment whose report is written; ``file`` None means that the table alone is wanted."""

    plan: Plan
    needs: dict[str, Needs]
    file: Path | None
    progress: Progress = None

    def figure(self, ending: str) -> Path:
        """Return the path of a figure beside the report, such as ``NAME-maps.jpg``; there has to be a report."""
        assert self.file is not None
        return self.file.with_name(f"{self.file.stem}{ending}")


class Rendered(NamedTuple):
    """A section of a report, and its rows of the tidy table."""

    text: str
    rows: list[dict[str, Any]]


Renderer = Callable[[Context, Any], Rendered]
