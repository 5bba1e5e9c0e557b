"""``facewitness cluster``: telling real from forged without the classifier, by one photograph whose label is known.

FakeLocator, section IV-D: the encoder's features are brought to two dimensions by t-SNE and into two clusters by
k-means, neither of which sees a label; one labelled photograph says which cluster is which.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from facewitness import provenance, storage
from facewitness.data import manifest as manifests
from facewitness.detectors import zoo
from facewitness.detectors.base import Detector, detect
from facewitness.evaluation import tables
from facewitness.evaluation.crops import crop_samples
from facewitness.evaluation.evaluate import limited, selected
from facewitness.reporting import figures
from facewitness.types import FacewitnessError, ManifestError, Sample, Status, Views

FILE, FIGURE, RECORD = "cluster.parquet", "cluster.png", "cluster.json"
_BATCH = 32
_PERPLEXITY = 30.0
_ACCURACIES = ("accuracy", "real_accuracy", "fake_accuracy")


def cluster(
    detector: str | Path | Detector,
    manifest: Path,
    out: Path,
    *,
    anchor: Path | None = None,
    split: str = "test",
    methods: Sequence[str] = (),
    limit: int | None = None,
    draws: int = 10,
    seed: int = 0,
    workers: int | None = None,
    command: Sequence[str] = (),
) -> Path:
    """Cluster the photographs of a manifest ``draws`` times and write table, figure and record; return the record.

    With ``anchor``, a photograph of the manifest, that one names the clusters every time; without it each draw takes
    another, as the paper does. ``limit`` takes at most so many reals and so many fakes of each method.

    Raises:
        ManifestError: the manifest cannot be used, or the anchor is not in it.
        FacewitnessError: too few faces to cluster.
    """
    loaded = zoo.load(detector) if isinstance(detector, str | Path) else detector
    everything = selected(manifest, split, methods or None)
    samples = limited(everything, limit, seed)
    if anchor is not None:
        known = everything[_position(everything, anchor)]
        samples += [known] if known not in samples else []
    kept, features = _features(loaded, samples, workers)
    labels = np.array([sample.label for sample in kept])
    if len(kept) < 8 or labels.min() == labels.max():
        raise FacewitnessError(
            f"{manifest}: {len(kept)} faces, {int(labels.sum())} of them forged: nothing to tell apart"
        )
    rng = np.random.default_rng((seed, 3))
    fixed = None if anchor is None else _position(kept, anchor)
    found: list[dict[str, Any]] = []  # of each draw: the anchor, the seed, how often it is right
    shown = []
    for number in range(draws):
        named_by = int(rng.integers(len(kept))) if fixed is None else fixed
        points = embed(features, seed + number)
        called = named(points, named_by, int(labels[named_by]), seed + number)
        right = dict(zip(_ACCURACIES, accuracies(called, labels), strict=True))
        found.append({"anchor": str(kept[named_by].path), "seed": seed + number, **right})
        shown.append((points, called, named_by))
    out.mkdir(parents=True, exist_ok=True)
    points, called, named_by = shown[0]
    columns = {
        "path": [str(sample.path) for sample in kept],
        "label": labels,
        "method": [sample.method for sample in kept],
        "x": points[:, 0],
        "y": points[:, 1],
        "called": called,
    }
    tables.write(pl.DataFrame(columns), out / FILE)
    _draw(points, labels, called, points[named_by], loaded.card.name, out / FIGURE)
    every = {name: [draw[name] for draw in found] for name in _ACCURACIES}
    averaged = {name: {"mean": float(np.mean(of)), "lowest": min(of), "highest": max(of)} for name, of in every.items()}
    record = {
        **{"detector": loaded.card.name, "weights": loaded.card.weights, "command": list(command)},
        **{"manifest": str(manifest), "sha256": manifests.digest(manifest), "split": split},
        **{"methods": list(methods), "limit": limit},
        **{"real": int((labels == 0).sum()), "fake": int(labels.sum()), "without_face": len(samples) - len(kept)},
        **{"anchored_by": "one photograph" if fixed is not None else "another one each draw"},
        **averaged,
        **{"draws": found, "environment": provenance.environment()},
    }
    storage.write_text(out / RECORD, json.dumps(record, indent=2) + "\n")
    return out / RECORD


def embed(features: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """t-SNE (van der Maaten & Hinton, 2008) of features (N, D) in two dimensions, (N, 2)."""
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="random", random_state=seed).fit_transform(features))


def named(points: NDArray[np.floating], anchor: int, label: int, seed: int) -> NDArray[np.int64]:
    """k-means with two clusters: the anchor's is called ``label``, the other one the other label."""
    from sklearn.cluster import KMeans

    clusters = KMeans(2, n_init=10, random_state=seed).fit_predict(points)
    return np.where(clusters == clusters[anchor], label, 1 - label).astype(np.int64)


def accuracies(called: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[float, float, float]:
    """Shares called what they are: mean of the two classes, reals, fakes."""
    real, fake = (float((called[labels == of] == of).mean()) for of in (0, 1))
    return (real + fake) / 2, real, fake


def _position(samples: Sequence[Sample], anchor: Path) -> int:
    for number, sample in enumerate(samples):
        if sample.path.resolve() == anchor.resolve():
            return number
    raise ManifestError(f"{anchor}: not among the photographs to cluster, or no face was found in it; name one of them")


def _features(
    detector: Detector, samples: Sequence[Sample], workers: int | None
) -> tuple[list[Sample], NDArray[np.float32]]:
    """The samples with a face, and the features (N, D) of their crops."""
    kept, crops, features = [], [], []
    views: list[Views] = []
    for sample, face in zip(samples, crop_samples(samples, detector.card.crop, workers), strict=True):
        if face.status is not Status.OK or face.crop is None:
            continue
        kept.append(sample)
        crops.append(face.crop)
        views += face.views[:1]
        if len(crops) == _BATCH:
            features.append(detect(detector, np.stack(crops), views).features)
            crops, views = [], []
    if crops:
        features.append(detect(detector, np.stack(crops), views).features)
    return kept, np.concatenate(features) if features else np.zeros((0, 1), np.float32)


def _draw(
    points: NDArray[np.float64],
    labels: NDArray[np.int64],
    called: NDArray[np.int64],
    anchor: NDArray[np.float64],
    detector: str,
    file: Path,
) -> None:
    figure, both = figures.pyplot().subplots(1, 2, figsize=(10, 4.6), sharex=True, sharey=True)
    for axes, classes, title in zip(both, (labels, called), ("what they are", "what they are called"), strict=True):
        for of, colour, name in ((0, "#2b6cb0", "real"), (1, "#c05621", "forged")):
            chosen = classes == of
            axes.scatter(*points[chosen].T, s=9, c=colour, label=f"{name} ({int(chosen.sum())})", linewidths=0)
        axes.scatter(*anchor, s=120, facecolors="none", edgecolors="black", label="the one that is known")
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(f"{detector}: features by t-SNE, two clusters by k-means", fontsize=11)
    figures.keep(figure, file)
