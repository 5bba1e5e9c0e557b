"""What was trained, and the cells that were searched."""

from pathlib import Path

from facewitness import storage
from facewitness.detectors import cards
from facewitness.detectors.base import WEIGHTS_FILE
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.measure import finished
from facewitness.experiments.plan import Run, slug
from facewitness.experiments.sections import CellsSection, RunsSection
from facewitness.reporting import markdown
from facewitness.reporting.report import section as section_text


def render(context: Context, section: RunsSection) -> Rendered:
    """Return a table of the runs: recipe, changes, methods, seeds, parameters."""
    if context.file is None:
        return Rendered("", [])
    plan = context.plan
    names = section.runs or [name for name, run in plan.sections.items() if run.kind != "search"]
    trained = finished(plan, names)
    rows = []
    for name in names:
        run = plan.sections[name]
        parameters = parameters_of(plan.folder(trained[name][0])) if name in trained else None
        rows.append(
            (
                *(name, f"`{Path(run.recipe).name}`" if run.recipe else run.kind, run.begins_from or "-"),
                *(", ".join(run.methods), ", ".join(run.set) or "-", run.cells or "-", str(len(plan.seeded(name)))),
                markdown.human_count(parameters),
            )
        )
    head = ("run", "recipe", "initialized from", "trained on", "changed", "cells", "seeds", "parameters")
    common = [f"Of all of the kind {kind}: `{'`, `'.join(changes)}`." for kind, changes in plan.settings.common.items()]
    return Rendered(section_text(section.title or "Runs", section.text, markdown.table(head, rows), *common), [])


def render_cells(context: Context, section: CellsSection) -> Rendered:
    """Return the cells of each search, and how alpha moved (ADD, figure 8)."""
    from facewitness.training.search.run import ALPHAS, CELLS, LOG

    parts = []
    plan = context.plan
    for name in (name for name, run in plan.sections.items() if run.kind == "search"):
        if context.file is None or not plan.is_trained(Run(name)):
            continue
        folder, shown = plan.folder(Run(name)), []
        for kind in (CELLS, ALPHAS):
            file = context.figure(f"-{slug(name)}-{kind}")
            file.write_bytes((folder / kind).read_bytes())
            shown.append(f"![{name}]({file.name})")
        last = [*storage.read_log(folder / LOG).values()][-1]
        parts.append(f"**{name}**: {last['skips']:.0%} of its pairs are skips.\n\n" + "\n\n".join(shown))
    return Rendered(section_text(section.title or "Searched cells", section.text, *parts) if parts else "", [])


def parameters_of(folder: Path) -> int:
    """Return the number of parameters of the net in a run folder."""
    from facewitness.detectors.torch_backend import load_weights

    net = load_weights(cards.read(folder), folder / WEIGHTS_FILE).net
    return sum(parameter.numel() for parameter in net.parameters())
