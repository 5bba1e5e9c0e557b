"""Writes an experiment's table and report from what its runs have left; what is missing is left out or named."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from facewitness import storage
from facewitness.compute.progress import Progress
from facewitness.data import manifest as manifests
from facewitness.evaluation import tables
from facewitness.experiments import measure
from facewitness.experiments.analyses import comparison, figures, masks, methods, metrics, questions, runs
from facewitness.experiments.analyses.context import Context, Renderer
from facewitness.experiments.plan import Plan, read_failures
from facewitness.metrics.intervals import DRAWS
from facewitness.reporting import markdown
from facewitness.reporting import report as reports
from facewitness.types import FacewitnessError

TABLE = "table.parquet"
RENDERERS: Mapping[str, Renderer] = MappingProxyType(
    {
        "comparison": comparison.render,
        "seen-unseen": masks.render,
        "metrics": metrics.render,
        "reals": metrics.render_reals,
        "methods": methods.render,
        "runs": runs.render,
        "cells": runs.render_cells,
        "degradation": figures.render_degradation,
        "maps": figures.render_maps,
        "mask-gain": masks.render_gain,
        "mask-curve": masks.render_curve,
        "generalization": questions.render,
    }
)


def write_report(
    plan: Plan, file: Path | None = None, *, command: Sequence[str] = (), progress: Progress = None
) -> Path:
    """Write ``OUT/table.parquet`` and ``table.csv``, and, if a file is named, the report; return the path of the CSV.

    Args:
        plan: the experiment.
        file: the Markdown file; its figures and one HTML file that holds all stand beside it.
        command: the command line, kept in the report.
        progress: receives events where something is measured for the report alone, such as degradation.

    Raises:
        FacewitnessError: nothing was measured yet.
    """
    context = Context(plan, measure.needs(plan), file, progress)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    sections, rows = [], []
    for section in plan.settings.section:
        rendered = RENDERERS[section.kind](context, section)
        sections.append(rendered.text)
        rows += [{**row, "table": section.title or section.kind} for row in rendered.rows]
    if not rows:
        raise FacewitnessError(f"{plan.out}: nothing is measured yet: facewitness experiment run {plan.recipe}")
    table = tables.write(tables.build(rows), plan.out / TABLE)
    if file is not None:
        manifest = Path(plan.settings.manifest)
        facts = [
            f"Manifest: `{manifest}`, SHA-256 `{manifests.digest(manifest)}`",
            f"Seeds: {', '.join(map(str, plan.settings.seeds))}, unless a run says otherwise",
            f"Intervals: percentile bootstrap, {DRAWS} draws of people, the same for every seed of a run; 95 %",
        ]
        if plan.settings.limit:
            facts.append(f"Judged maps: at most {plan.settings.limit} reals, and as many fakes of each method")
        introduction = (
            "Written by `facewitness experiment report`. In parentheses: 95 % intervals over people; between square "
            "brackets: the lowest and the highest of the seeds. A run with several seeds is shown by its mean over "
            "them. What the metrics are called is said in the glossary."
        )
        text = reports.write(file, plan.settings.title, introduction, [*sections, _gaps(plan)], facts, command)
        storage.write_text(file.with_suffix(".html"), reports.as_html(text, file.parent, plan.settings.title))
    return table


def _gaps(plan: Plan) -> str:
    """The steps that are not finished, and why."""
    failures = read_failures(plan)
    gaps = {str(run): "not trained yet" for run in plan.runs() if not plan.is_trained(run)} | failures
    return reports.section("Gaps", markdown.table(("step", "reason"), gaps.items())) if gaps else ""
