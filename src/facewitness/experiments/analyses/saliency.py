"""RQ3 of the generalizability study: how similar the saliency maps of detectors of one chain are.

Also reads the neurons of each run (RQ4), and draws the maps of people who may be shown. Every file is named by its
runs' hashes: what is there is not made again.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness import storage
from facewitness.experiments.analyses.study import Study, studies
from facewitness.experiments.measure import CropCache
from facewitness.experiments.plan import Plan, Run
from facewitness.experiments.sections import STUDIED
from facewitness.metrics.intervals import bootstrap_mean
from facewitness.metrics.localization import ssim
from facewitness.types import CardError

MAPS = ("guided", "cam")  # guided Grad-CAM, as the paper says; Grad-CAM alone
PAIRS = {  # what is compared: with a common root, and the two null cases
    "original, transfer": ("original", "transfer"),
    "original, merge": ("original", "merge"),
    "transfer, merge": ("transfer", "merge"),
    "permuted labels": ("original", "permuted"),
    "another seed": ("original", "again"),
}
COMMON = tuple(PAIRS)[:3]
BUCKETS = (0.7, 0.9)  # of SSIM: dissimilar, partly similar, similar
_BATCH = 16
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("detector", "root", "set", "map", "pair"), pl.String),
    **dict.fromkeys(("value", "low", "high", "dissimilar", "partly", "similar"), pl.Float64),
    **{"n": pl.Int64, "flat": pl.Int64},  # maps compared; pairs one of which was empty
}


def chains(plan: Plan) -> list[tuple[Run, ...]]:
    """Return the chains of runs that are analysed together."""
    return [chain for study in studies(plan) for chain in study.chains()]


def steps(plan: Plan, chain: tuple[Run, ...], cropper: CropCache) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the analyses of a chain whose runs are finished, by name."""
    for study in studies(plan):
        if chain in study.chains():
            yield "neurons", lambda study=study: _read_neurons(study, chain, cropper)  # type: ignore[misc]
            yield "saliency", lambda study=study: _compare(study, chain, cropper)  # type: ignore[misc]
            yield "pictures", lambda study=study: _draw(study, chain, cropper)  # type: ignore[misc]


def status(plan: Plan, chain: tuple[Run, ...]) -> dict[Run, str]:
    """Return what was analysed of each run of a chain."""
    (study,) = [one for one in studies(plan) if chain in one.chains()]
    if not all(plan.is_trained(run) for run in chain):
        return {}
    count = {run: sum(study.neurons_file(run, name).exists() for name in study.judged.sets) for run in chain}
    found = {run: f"neurons of {number} sets" for run, number in count.items() if number}
    if study.similarity_file(chain).exists():
        found[chain[0]] = "; ".join(filter(None, (found.get(chain[0]), "saliency maps compared")))
    return found


def _read_neurons(study: Study, chain: tuple[Run, ...], cropper: CropCache) -> str:
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain import neurons

    without = []
    for run in (run for run in chain if study.of(run).type in STUDIED):
        missing = [name for name in study.judged.sets if not study.neurons_file(run, name).exists()]
        detector = load_run(study.plan.folder(run)) if missing else None
        for name in missing:
            assert detector is not None
            places, crops = study.crops(study.draw(name, study.section.neurons), detector, cropper)
            try:
                read = neurons.read(detector.graph, crops)
            except CardError as error:  # no dense layer; the report says what is missing
                without.append(f"{run}: {error}")
                break
            file = study.neurons_file(run, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            with storage.atomic_write(file) as part:
                np.savez(part, features=read.features, weight=read.weight, bias=read.bias, places=places)
    return "; ".join(["read", *without])


def _compare(study: Study, chain: tuple[Run, ...], cropper: CropCache) -> str:
    """Write the SSIM of the runs' maps for every set: a row for each fake, pair and kind of map."""
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain.gradcam import grad_cam, guided_grad_cam

    file = study.similarity_file(chain)
    if file.exists():
        return "compared before"
    detectors = {study.of(run).type: load_run(study.plan.folder(run)) for run in chain}
    rows: list[dict[str, Any]] = []
    for name in [*study.section.unseen, study.of(chain[0]).root]:
        chosen = study.draw(name, study.section.pictures, fakes_only=True)
        places, crops = study.crops(chosen, detectors["original"], cropper)
        batches = [crops[start : start + _BATCH] for start in range(0, len(crops), _BATCH)]
        for kind, explain in zip(MAPS, (guided_grad_cam, grad_cam), strict=True):
            maps = {
                trained: np.concatenate([explain(detector.card, detector.graph, batch) for batch in batches])
                for trained, detector in detectors.items()
            }
            for pair, (first, second) in PAIRS.items():
                if first in maps and second in maps:
                    rows += [
                        {"set": name, "map": kind, "pair": pair, "place": place, "ssim": _similarity(one, other)}
                        for place, one, other in zip(places, maps[first], maps[second], strict=True)
                    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    with storage.atomic_write(file) as part:
        pl.DataFrame(rows).write_parquet(part)
    return "compared"


def _similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float | None:
    """SSIM; None where nothing speaks for a fake in either map, which would make any two similar."""
    return ssim(first, second) if first.any() and second.any() else None


def _draw(study: Study, chain: tuple[Run, ...], cropper: CropCache) -> str:
    """Keep crops that may be shown, and the Grad-CAM of the chain's detectors for them."""
    from facewitness.detectors.torch_backend import load_run
    from facewitness.explain.gradcam import grad_cam

    file, shown = study.pictures_file(chain), study.to_show()
    if file.exists() or not shown:
        return "drawn before" if shown else "none: nobody in these sets agreed to be shown"
    runs = {study.of(run).type: run for run in chain if study.of(run).type in STUDIED}
    detectors = {trained: load_run(study.plan.folder(run)) for trained, run in runs.items()}
    _, crops = study.crops(shown, detectors["original"], cropper)
    maps = {trained: grad_cam(detector.card, detector.graph, crops) for trained, detector in detectors.items()}
    with storage.atomic_write(file) as part:
        np.savez_compressed(part, allow_pickle=False, crops=crops, **maps)
    return "drawn"


def similarity_table(study: Study) -> pl.DataFrame:
    """Return how similar the saliency maps of each chain are, set by set, and those of the null cases (``SCHEMA``)."""
    rows: list[dict[str, Any]] = []
    for chain in study.chains():
        if not all(study.plan.is_trained(run) for run in chain) or not study.similarity_file(chain).exists():
            continue
        table = pl.read_parquet(study.similarity_file(chain).read_bytes())
        common = table.filter(pl.col("pair").is_in(COMMON)).group_by("set", "map", "place", maintain_order=True)
        mean = common.agg(pl.col("ssim").mean(), pl.lit("common root").alias("pair"))  # of those that are not flat
        together = pl.concat([mean, table], how="diagonal_relaxed")
        detector, root, _ = study.of(chain[0])
        for (name, kind, pair), part in together.group_by("set", "map", "pair", maintain_order=True):
            seen = part.filter(pl.col("ssim").is_not_null())
            row = {"detector": detector, "root": root, "set": name, "map": kind, "pair": pair}
            rows.append({**row, **_buckets(study, seen), "n": seen.height, "flat": part.height - seen.height})
    return pl.DataFrame(rows, SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))


def _buckets(study: Study, seen: pl.DataFrame) -> dict[str, Any]:
    if not seen.height:
        return {}
    values = seen["ssim"].to_numpy()
    low, high = BUCKETS
    people = [study.judged.samples[place].person for place in seen["place"]]
    return {
        **bootstrap_mean(values, people)._asdict(),
        "dissimilar": float((values < low).mean()),
        "partly": float(((values >= low) & (values < high)).mean()),
        "similar": float((values >= high).mean()),
    }
