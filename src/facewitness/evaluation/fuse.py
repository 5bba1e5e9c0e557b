"""``facewitness fuse``: detectors become members of one, joined and calibrated on photographs they have not seen."""

import shutil
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness import storage
from facewitness.compute.progress import Progress, track
from facewitness.detectors import cards
from facewitness.detectors.base import ONNX_FILE
from facewitness.detectors.fused import crop_of, fused_scores, member_margins, weights_of
from facewitness.detectors.onnx_backend import OnnxDetector
from facewitness.evaluation.crops import crop_samples
from facewitness.evaluation.evaluate import selected
from facewitness.metrics.calibration import promised_threshold
from facewitness.metrics.detection import upper_bound
from facewitness.types import Calibration, Card, CardError, FacewitnessError

SCORES = "validation_scores.npz"
FAKE_RATE, REAL_RATE = 0.01, 0.05
_BATCH = 16


def fuse(
    members: Mapping[str, Path],
    manifest: Path,
    out: Path,
    *,
    name: str,
    split: str = "val",
    workers: int | None = None,
    progress: Progress = None,
) -> Path:
    """Join detectors and return the folder, which scans, and which holds each member as an exported folder.

    The score is a logistic function of the members' logits with weights of at least 0, fitted to reals and fakes of
    equal weight together, and to every method alike. A threshold keeps its rate of false alarms, by its upper bound of
    95 %, on all reals together and on each source that has enough of them; the worst decides.

    Args:
        members: by name, exported folders. The first gives crop, map and features.
        manifest: reals and fakes that no member was trained on.
        out: made if absent.
        name: of the fused detector.
        split: of the manifest.
        workers: processes that read photographs; None takes one per core.
        progress: receives events.

    Raises:
        CardError: a member cannot be used.
        FacewitnessError: the photographs cannot tell reals from fakes, or are too few for a threshold.
    """
    for folder in members.values():
        if not (folder / ONNX_FILE).is_file():
            raise CardError(f"{folder}: no exported detector: facewitness export RUN {folder}")
    joined = [OnnxDetector(folder) for folder in members.values()]
    profile = crop_of([member.card for member in joined])
    samples = selected(manifest, split, None)
    margins, known = [], []
    crops = track(crop_samples(samples, profile, workers), "judging", progress, len(samples))
    pairs = ((sample, face) for sample, face in zip(samples, crops, strict=True) if face.crop is not None)
    while held := list(islice(pairs, _BATCH)):
        shown = np.stack([face.crop for _, face in held if face.crop is not None])
        margins.append(member_margins(joined, shown, [one for _, face in held for one in face.views[:1]])[0])
        known += [(sample.label, sample.method, sample.dataset) for sample, _ in held]
    if not known:
        raise FacewitnessError(f"{manifest}: no face was found in any photograph of the split {split!r}")
    found = np.concatenate(margins)
    y, method, source = (np.array(column) for column in zip(*known, strict=True))
    fusion = tuple(round(float(value), 5) for value in fit(found, y, method))  # as the card has them
    scores = fused_scores(found, fusion)
    first = joined[0].card
    card = Card(
        name=name,
        build="",
        crop=profile,
        has_map=first.has_map,
        calibration=calibrated(scores, y, source, first.map_scale),
        weights=weights_of([member.card for member in joined]),
        licence=first.licence,
        trained_on=first.trained_on,
        about=f"Judges a face by its members together: {', '.join(members)}. Each has a card of its own.",
        parameters=sum(one.card.parameters or 0 for one in joined),
        members=tuple(members),
        fusion=fusion,
    )
    for member, folder in members.items():  # last: what lay in ``out`` scans until then
        (out / member).mkdir(parents=True, exist_ok=True)
        for part in (ONNX_FILE, cards.FILE):
            shutil.copyfile(folder / part, out / member / part)
    cards.write(card, out)
    with storage.atomic_write(out / SCORES) as written, written.open("wb") as file:
        np.savez_compressed(file, margin=found, label=y, source=source, score=scores)
    return out


def fit(margins: NDArray[np.float64], labels: NDArray[np.int64], methods: NDArray[np.str_]) -> NDArray[np.float64]:
    """A bias and a weight of at least 0 for each member (1 + M,): logistic regression.

    Reals together weigh as much as fakes together, and each method of the fakes as much as any other.

    Raises:
        FacewitnessError: one of the two classes is absent.
    """
    from scipy.optimize import minimize

    if labels.min() == labels.max():
        raise FacewitnessError("members are joined by reals and fakes, and one of the two is absent: add some")
    sign = np.where(labels == 1, 1.0, -1.0)
    _, kind, count = np.unique(np.where(labels == 1, methods, ""), return_inverse=True, return_counts=True)
    share = np.where(labels == 1, 0.5 / (len(count) - 1), 0.5) / count[kind]

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (x[0] + margins @ x[1:])
        pull = -share * sign / (1 + np.exp(margin))
        return float((share * np.logaddexp(0, -margin)).sum()), np.r_[pull.sum(), margins.T @ pull]

    members = margins.shape[1]
    begin = np.r_[0.0, np.full(members, 1 / members)]
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(None, None), *[(0.0, None)] * members])
    return np.asarray(found.x, np.float64)


def calibrated(
    scores: NDArray[np.float32], labels: NDArray[np.int64], sources: NDArray[np.str_], map_scale: float
) -> Calibration:
    """Thresholds of fused scores (N,), and what they promise for each source of reals.

    Raises:
        FacewitnessError: there are fewer reals than a threshold can be promised for.
    """
    real = labels == 0
    groups = {str(name): scores[real & (sources == name)] for name in np.unique(sources[real])}
    thresholds = []
    for rate in (FAKE_RATE, REAL_RATE):
        threshold = promised_threshold(groups, rate)
        if threshold is None:
            raise FacewitnessError(
                f"{int(real.sum())} real photographs are too few to promise {rate:.0%}: 299 are needed"
            )
        thresholds.append(threshold)
    bounds = {name: upper_bound(int((group >= thresholds[0]).sum()), len(group)) for name, group in groups.items()}
    counts = {name: len(group) for name, group in groups.items()}
    promised = {name: round(bound, 4) for name, bound in bounds.items()}
    return Calibration(1.0, thresholds[0], thresholds[1], counts, map_scale, promised)
