"""From what a study has kept to its tables and its page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facewitness.evaluation.table import write_table
from facewitness.experiments.generalizability import answers, page
from facewitness.experiments.generalizability.work import Study
from facewitness.types import FacewitnessError


def report(study: Study, page_file: Path | None = None, command: Sequence[str] = ()) -> Path:
    """Write the tables as Parquet and CSV into the study's folder, and the page; returns the HTML file.

    Raises:
        FacewitnessError: not one detector is judged.
    """
    study.prepare()
    found = page.Answers(answers.worth(study), answers.looks(study), *answers.contributions(study))
    if not found.worth.height:
        raise FacewitnessError(f"{study.out}: not one detector is trained and judged; type facewitness study run first")
    for name, table in found._asdict().items():
        write_table(table, study.out / f"{name}.parquet")
    return page.write(page_file or study.out / "study.md", study, found, command)
