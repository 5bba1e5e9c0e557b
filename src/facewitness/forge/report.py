"""The page about a forged set, in Markdown, with a contact sheet of people who consented to be shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facewitness.data import manifest
from facewitness.data.terms import credits, may_be_shown
from facewitness.forge import generators, pairing
from facewitness.forge.methods import METHODS
from facewitness.media import image, visualize
from facewitness.reporting.markdown import provenance_section, table
from facewitness.storage import write_text
from facewitness.types import REAL_METHOD, Sample

if TYPE_CHECKING:
    from facewitness.forge.render import Style

_SHOWN = 3  # forgeries of each method on the sheet
_STRETCH = 3.0  # maps are shown this much brighter


def write(page: Path, folder: Path, *, name: str, style: Style, command: Sequence[str] = ()) -> None:
    """Write ``page`` about the finished set in ``folder``, and its contact sheet, a JPEG, beside it."""
    samples = manifest.read(folder / "manifest.parquet")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    page.parent.mkdir(parents=True, exist_ok=True)
    picture = page.with_suffix(".jpg")
    shown = contact_sheet(samples, style.seed)
    parts = [_head(name, samples, style), _counts(samples, summary)]
    if shown is not None:
        picture.write_bytes(
            image.encode(shown, "jpeg:88", synthetic=f"Contact sheet of forgeries, benchmark set {name}")
        )
        parts.append(_sheet(picture))
    facts = [f"Manifest: SHA-256 `{manifest.digest(folder / 'manifest.parquet')}`"]
    parts += [_networks(samples), _speed(summary), provenance_section(command, facts)]
    write_text(page, "\n\n".join(part for part in parts if part) + "\n")


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


def _head(name: str, samples: Sequence[Sample], style: Style) -> str:
    fakes = sum(sample.label for sample in samples)
    people = {sample.identities[0] for sample in samples if sample.identities}
    square = style.square
    form = f"head squares of {square.size_px} px (margin {square.margin})" if square else "whole photographs"
    return (
        f"# The forge: {name}\n\n"
        f"Written by `facewitness forge build` on {datetime.now(UTC).date()}; not by hand. {fakes} forgeries by "
        f"{len({s.method for s in samples if s.label})} methods and {len(samples) - fakes} real photographs of "
        f"{len(people)} people: {form}, all of them encoded as {style.encoding}, seed {style.seed}. Every forgery has "
        "its exact map and region, and equals its original outside the region before encoding."
    )


def _counts(samples: Sequence[Sample], summary: Mapping[str, Any]) -> str:
    sources = sorted({sample.dataset for sample in samples})
    by_split = Counter((s.method, str(s.split)) for s in samples)
    by_source = Counter((s.method, s.dataset) for s in samples)
    head = ("method", "family", *manifest.SPLITS, *sources, "region, mean share")
    rows = []
    for name in (REAL_METHOD, *METHODS):
        own = [s for s in samples if s.method == name]
        if own:
            numbers = [by_split[name, split] for split in manifest.SPLITS] + [by_source[name, s] for s in sources]
            family = METHODS[name].family if name in METHODS else ""
            rows.append((name, family, *map(str, numbers), _share(own) if name in METHODS else ""))
    notes = [f"- {reason}: {count}" for reason, count in (summary["passed_over"] | summary["failed"]).items()]
    passed = "\n\nPassed over:\n\n" + "\n".join(notes) if notes else ""
    return f"## What is in it\n\n{table(head, rows)}{passed}"


def _share(samples: Sequence[Sample]) -> str:
    """Mean share of the picture inside the region, of up to 50 forgeries evenly picked."""
    chosen = samples[:: max(1, len(samples) // 50)]
    shares = [float((image.read(s.region)[..., 0] > 127).mean()) for s in chosen if s.region is not None]
    return f"{sum(shares) / len(shares):.3f}" if shares else ""


def _sheet(picture: Path) -> str:
    return (
        f"## Contact sheet\n\n![Original, forged and map, three times for each method]({picture.name})\n\n"
        f"Three people for each method, drawn by the seed: original, forged, map (Gray(|X - X'|), shown {_STRETCH:g} "
        f"times as bright). Only adults who consented to be shown in altered form: {credits()}."
    )


def _networks(samples: Sequence[Sample]) -> str:
    rows = []
    for name in sorted({s.method for s in samples if s.label and METHODS[s.method].network}):
        if not generators.ready(name):
            continue
        card = generators.card(name)
        optim, trained = card["recipe"]["optim"], card["trained_on"]
        steps = optim["epochs"] * optim["steps"]
        on = ", ".join(f"{source} {count}" for source, count in trained.items())
        rows.append((name, f"{card['size_px']} px", f"{steps} x {optim['batch']}", on, f"`{card['weights'][:12]}`"))
    if not rows:
        return ""
    head = ("method", "size", "steps x batch", "trained on (train split)", "weights, SHA-256")
    return f"## Generators\n\n{table(head, rows)}\n\nTrained by `facewitness forge train-generator METHOD`."


def _speed(summary: Mapping[str, Any]) -> str:
    last = summary["speed"]
    if not last["forgeries"]:
        return ""
    rows = [(name, str(value)) for name, value in last["ms_per_forgery"].items()]
    found = (
        f"{last['finding_s']:.0f} s before to find the faces" if last["finding_s"] > 1 else "the faces known already"
    )
    return (
        f"## Speed\n\n{last['forgeries']} forgeries in {last['forging_s']:.0f} s, reading and writing included: "
        f"{last['forgeries_per_s']} forged faces/s with {last['workers']} workers ({found}). In one worker, without "
        f"reading and writing:\n\n"
        f"{table(('method', 'ms a forgery'), rows)}"
    )
