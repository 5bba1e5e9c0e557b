"""The report on a forged set, in Markdown, with a contact sheet of people who consented to be shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facewitness.data import manifest
from facewitness.data.terms import credits, may_be_shown
from facewitness.forge import generators, pairing
from facewitness.forge.methods import METHODS
from facewitness.media import image, visualize
from facewitness.reporting.markdown import provenance_section
from facewitness.reporting.templates import render
from facewitness.storage import write_text
from facewitness.types import REAL_METHOD, Sample

if TYPE_CHECKING:
    from facewitness.forge.render import Style

_SHOWN = 3  # forgeries of each method on the sheet
_STRETCH = 3.0  # maps are shown this much brighter


def write(file: Path, folder: Path, *, name: str, style: Style, command: Sequence[str] = ()) -> None:
    """Write ``file``, the report on the finished set in ``folder``, and its contact sheet, a JPEG, beside it."""
    samples = manifest.read(folder / "manifest.parquet")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = file.with_suffix(".jpg")
    shown = contact_sheet(samples, style.seed)
    if shown is not None:
        told = f"Contact sheet of forgeries, benchmark set {name}"
        picture.write_bytes(image.encode(shown, "jpeg:88", synthetic=told))
    fakes, square = sum(sample.label for sample in samples), style.square
    sources = sorted({sample.dataset for sample in samples})
    facts = [f"Manifest: SHA-256 `{manifest.digest(folder / 'manifest.parquet')}`"]
    text = render(
        "facewitness.forge",
        "report.md.jinja",
        title=name,
        today=datetime.now(UTC).date(),
        fakes=fakes,
        methods=len({s.method for s in samples if s.label}),
        reals=len(samples) - fakes,
        people=len({sample.identities[0] for sample in samples if sample.identities}),
        form=f"head squares of {square.size_px} px (margin {square.margin})" if square else "whole photographs",
        style=style,
        splits=list(manifest.SPLITS),
        sources=sources,
        counts=list(_counts(samples, sources)),
        passed=summary["passed_over"] | summary["failed"],
        picture=picture.name if shown is not None else None,
        stretch=_STRETCH,
        credits=credits(),
        generators=list(_generators(samples)),
        speed=summary["speed"],
        times=[(name, str(value)) for name, value in summary["speed"].get("ms_per_forgery", {}).items()],
        provenance=provenance_section(command, facts),
    )
    write_text(file, text)


def contact_sheet(samples: Sequence[Sample], seed: int) -> Any:
    """Original, forged and map of some people who may be shown, for each method; None if there are none."""
    rows = []
    for method in METHODS:
        made = [s for s in samples if s.method == method and s.original and may_be_shown(s.dataset)]
        luck = pairing.generator(seed, method, "sheet").random(len(made))
        chosen = [sample for _, sample in sorted(zip(luck, made, strict=True), key=lambda pair: pair[0])][:_SHOWN]
        tiles = []
        for sample in chosen:
            assert sample.original is not None
            mask = None if sample.mask is None else image.read_plane(sample.mask) * _STRETCH
            tiles += [image.read(sample.original), image.read(sample.path), mask]
        if tiles:
            rows.append((method, tiles))
    return visualize.tile_sheet(rows, ("original", "forged", "map")) if rows else None


def _counts(samples: Sequence[Sample], sources: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of what is in the set."""
    by_split = Counter((s.method, str(s.split)) for s in samples)
    by_source = Counter((s.method, s.dataset) for s in samples)
    for name in (REAL_METHOD, *METHODS):
        own = [s for s in samples if s.method == name]
        if own:
            numbers = [by_split[name, split] for split in manifest.SPLITS] + [by_source[name, s] for s in sources]
            family, share = (METHODS[name].family, _share(own)) if name in METHODS else ("", "")
            yield name, family, *map(str, numbers), share


def _share(samples: Sequence[Sample]) -> str:
    """Mean share of the picture inside the region, of up to 50 forgeries evenly picked."""
    chosen = samples[:: max(1, len(samples) // 50)]
    shares = [float((image.read(s.region)[..., 0] > 127).mean()) for s in chosen if s.region is not None]
    return f"{sum(shares) / len(shares):.3f}" if shares else ""


def _generators(samples: Sequence[Sample]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of generators."""
    for name in sorted({s.method for s in samples if s.label and METHODS[s.method].generator}):
        if generators.ready(name):
            card = generators.card(name)
            optim, trained = card["recipe"]["optim"], card["trained_on"]
            steps = f"{optim['epochs'] * optim['steps']} x {optim['batch']}"
            on = ", ".join(f"{source} {count}" for source, count in trained.items())
            yield name, f"{card['size_px']} px", steps, on, f"`{card['weights'][:12]}`"
