"""Sections that are pictures: maps over forgeries, curves under degradation."""

from pathlib import Path

import polars as pl

from facewitness.data.terms import credits
from facewitness.evaluation import tables
from facewitness.evaluation.attention import attention_sheet
from facewitness.evaluation.robustness import measure
from facewitness.evaluation.robustness_report import curves
from facewitness.evaluation.robustness_report import section as curves_section
from facewitness.experiments.analyses.context import Context, Rendered
from facewitness.experiments.measure import finished
from facewitness.experiments.sections import DegradationSection, MapsSection
from facewitness.media import image
from facewitness.reporting.report import section as section_text


def render_maps(context: Context, section: MapsSection) -> Rendered:
    """Return forgeries of people who agreed to be shown, with each run's map laid over them."""
    plan = context.plan
    detectors = [(plan.label(name), plan.folder(runs[0])) for name, runs in finished(plan, section.runs).items()]
    if not detectors or context.file is None:
        return Rendered("", [])
    samples = [s for s in plan.samples(Path(plan.settings.manifest)) if s.label and s.split == "test"]
    chosen = [sample for method in section.methods for sample in samples if method in sample.kinds]
    sheet = attention_sheet(chosen, detectors, each=section.each, fakeness=section.fakeness)
    if sheet is None:
        return Rendered("", [])
    file = context.figure(f"-{section.file}.jpg")
    file.write_bytes(image.encode(sheet, "jpeg:88", synthetic="Forgeries and the maps that detectors draw of them"))
    truth = "the gray-scale fakeness" if section.fakeness else "the forged region"
    text = (
        f"![Forgery, {truth}, and the map of each run laid over it]({file.name})\n\n"
        "Held-out fakes of people who consented to be shown in altered form; a run without a map of its own is shown "
        "by its Grad-CAM. Each map is scaled to its maximum, which stands in its corner. "
        f"Runs: {', '.join(name for name, _ in detectors)}. Credits: {credits()}."
    )
    return Rendered(section_text(section.title or "Maps", section.text, text), [])


def render_degradation(context: Context, section: DegradationSection) -> Rendered:
    """Return the curves of a run under degradation."""
    plan = context.plan
    runs = finished(plan, [section.run])
    if not runs or context.file is None:
        return Rendered("", [])
    folder = plan.folder(runs[section.run][0])
    out = plan.out / "degraded" / folder.name
    manifest = plan.judged_on(section.run)
    options = {"methods": section.methods, "limit": section.limit, "progress": context.progress}
    rows = measure(manifest, folder, out, **options)  # type: ignore[arg-type]
    found = curves(pl.read_parquet(rows.read_bytes()), plan.label(section.run))
    title = section.title or f"{plan.label(section.run)}, degraded"
    return Rendered(curves_section(tables.build(found), context.figure("-degraded.png"), title), found)
