"""Judge a scan of labelled videos: ``facewitness evaluate video``.

Frames and videos are never mixed: ``frame_auc`` is over faces of single frames, ``video_auc`` over whole videos. The
scan is done by ``scanning``; here its ``results.jsonl`` is held against the manifest and the mask videos.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.data import sources
from facewitness.evaluation import tables
from facewitness.media import video
from facewitness.metrics.detection import auc_weighted, called_weighted
from facewitness.metrics.intervals import Interval, bootstrap, bootstrap_mean
from facewitness.types import Box, ManifestError, Report, Sample, Verdict

TABLE = "table.parquet"
_FORGED_SHARE = 0.05  # of a face's box that the mask covers where the face is forged


@dataclass(frozen=True, slots=True)
class JudgedClip:
    """A video of the manifest and what a scan said of it."""

    sample: Sample
    report: Report
    frames: tuple[tuple[float, int], ...] = ()  # score and label of each face of each frame
    span_iou: float | None = None  # None of a real video, and where no mask tells what is forged

    @property
    def groups(self) -> Iterator[str]:
        """The sets that the video is in; a real one is in those of all methods."""
        yield "all"
        yield from self.sample.attributes


@dataclass(slots=True)
class _Truth:
    """What a mask video tells: which of the frames are forged, and where."""

    forged: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    spans: list[tuple[float, float]] = field(default_factory=list)


def read_clips(data: Path) -> list[Sample]:
    """The videos of a manifest, or of a folder of real ones.

    Raises:
        ManifestError: there are none.
    """
    if data.is_dir() and not any((data / name).is_file() for name in sources.MANIFESTS):
        paths = sorted(path for path in data.rglob("*") if path.suffix.lower() in video.SUFFIXES)
        samples = [Sample(path, 0, video=path.stem, dataset=data.name) for path in paths]
    else:
        samples = [s for s in sources.read(data) if s.path.suffix.lower() in video.SUFFIXES]
    if not samples:
        raise ManifestError(f"{data}: no video there; make some with facewitness forge video")
    return samples


def evaluate_clips(samples: Sequence[Sample], results: Path, out: Path, detector: str, *, seed: int = 0) -> Path:
    """Write the tidy table of a scan of labelled videos and return the path of its CSV.

    Args:
        samples: the videos, with labels and, of forged ones, mask videos in ``region``.
        results: ``results.jsonl`` of a scan of them.
        out: folder of the table; made if absent.
        detector: its name, for the table.
        seed: of the bootstrap.

    Raises:
        ManifestError: the scan has none of the videos.
    """
    judged = judge_clips(samples, results)
    names = dict.fromkeys(name for clip in judged for name in clip.groups)
    methods = dict.fromkeys(clip.sample.method for clip in judged if clip.sample.label)
    rows = []
    for name in names:
        members = [clip for clip in judged if name in clip.groups]
        rows += list(_rows(members, name, detector, seed))
        for method in methods if len(methods) > 1 else ():
            of = [clip for clip in members if not clip.sample.label or clip.sample.method == method]
            label = tables.set_name(method, None) if name == "all" else f"{tables.set_name(method, None)}, {name}"
            rows += list(_rows(of, label, detector, seed))
    return tables.write(tables.build(rows), out / TABLE)


def judge_clips(samples: Sequence[Sample], results: Path) -> list[JudgedClip]:
    """Each video of the manifest with its report, the labels of its frames, and how well spans were found.

    Raises:
        ManifestError: the scan has none of the videos.
    """
    reports = {}
    with results.open(encoding="utf-8") as lines:
        for line in lines:
            report = Report.from_json(json.loads(line))
            reports[report.source.resolve()] = report
    found = [(sample, reports[sample.path.resolve()]) for sample in samples if sample.path.resolve() in reports]
    if not found:
        raise ManifestError(f"{results}: a scan of other files than the {len(samples)} videos of the manifest")
    return [_judged(sample, report) for sample, report in found]


def _judged(sample: Sample, report: Report) -> JudgedClip:
    scored = [face for face in report.findings if face.score is not None]
    if not sample.label:
        return JudgedClip(sample, report, tuple((face.score or 0.0, 0) for face in scored))
    if sample.region is None:
        return JudgedClip(sample, report)
    truth = _truth(sample.region, {face.frame for face in scored})
    frames = tuple((face.score or 0.0, int(_forged(truth, face.frame, face.box))) for face in scored)
    spans = sorted((span.start_s, span.end_s) for track in report.tracks for span in track.spans)
    return JudgedClip(sample, report, frames, span_iou(truth.spans, spans))


def _truth(mask: Path, wanted: set[int]) -> _Truth:
    """Read a mask video: the frames that are forged, as stretches of time, and the planes of those that are wanted."""
    of, truth = video.index(mask), _Truth()
    marked = []
    for frame in video.frames(mask, range(len(of)), of):
        if frame.image is None:
            continue
        plane = frame.image[..., 0] > 127
        if frame.number in wanted:
            truth.forged[frame.number] = plane
        marked.append((frame.number, bool(plane.any())))
    for forged, run in groupby(marked, key=lambda one: one[1]):
        numbers = [number for number, _ in run]
        if forged:
            after = numbers[-1] + 1
            end = of.time_s(after) if after < len(of) else of.duration_s
            truth.spans.append((of.time_s(numbers[0]), end))
    return truth


def _forged(truth: _Truth, frame: int, box: Box) -> bool:
    plane = truth.forged.get(frame)
    if plane is None:
        return False
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    part = plane[top:bottom, left:right]
    return bool(part.size) and float(part.mean()) >= _FORGED_SHARE


def span_iou(true: Sequence[tuple[float, float]], found: Sequence[tuple[float, float]]) -> float:
    """Intersection over union along time of two sets of stretches; those of one set may overlap each other."""
    edges = np.unique(np.array([edge for span in (*true, *found) for edge in span], float))
    if len(edges) < 2:
        return 0.0
    middle, length = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    inside = [
        np.any([(a <= middle) & (middle < b) for a, b in spans], axis=0) if spans else middle < edges[0]
        for spans in (true, found)
    ]
    union = float(length[inside[0] | inside[1]].sum())
    return float(length[inside[0] & inside[1]].sum()) / union if union else 0.0


def _rows(clips: Sequence[JudgedClip], name: str, detector: str, seed: int) -> Iterator[dict[str, Any]]:
    """The numbers of one set of videos."""
    scored = [clip for clip in clips if clip.report.score is not None]
    counts = {
        "n_real": sum(clip.sample.label == 0 for clip in scored),
        "n_fake": sum(clip.sample.label for clip in scored),
        "n_unscored": len(clips) - len(scored),
    }
    numbers: dict[str, Interval] = {}
    if scored:
        numbers = _video_numbers(scored, seed)
    faces = [(score, label, clip.sample.person) for clip in clips for score, label in clip.frames]
    if len({label for _, label, _ in faces}) == 2:
        columns: tuple[Any, Any, Any] = tuple(zip(*faces, strict=True))  # type: ignore[assignment]
        numbers["frame_auc"] = bootstrap({"auc": auc_weighted}, *columns, seed=seed, draws=200)["auc"]
    found = [(clip.span_iou, clip.sample.person) for clip in clips if clip.span_iou is not None]
    if found:
        numbers["span_iou"] = bootstrap_mean([value for value, _ in found], [one for _, one in found], seed=seed)
    for metric, value in numbers.items():
        cells = {"table": "videos", "detector": detector, "n_seeds": 1, "set": name, "metric": metric}
        yield {**cells, **value._asdict(), **counts}


def _video_numbers(clips: Sequence[JudgedClip], seed: int) -> dict[str, Interval]:
    labels = np.array([clip.sample.label for clip in clips])
    people = [clip.sample.person for clip in clips]
    numbers = {}
    if labels.min() != labels.max():
        scores = [clip.report.score or 0.0 for clip in clips]
        numbers["video_auc"] = bootstrap({"auc": auc_weighted}, scores, labels, people, seed=seed)["auc"]
    if all(clip.report.verdict is None for clip in clips):
        return numbers
    fake = np.array([clip.report.verdict is Verdict.FAKE for clip in clips], float)
    open_ = np.array([clip.report.verdict is Verdict.INCONCLUSIVE for clip in clips], float)
    wanted = {"video_recall@threshold": (1, fake), "video_false_positive_rate@threshold": (0, fake)}
    for metric, (label, hits) in {**wanted, "video_inconclusive_real": (0, open_)}.items():
        if (labels == label).any():
            share = {"share": called_weighted(label, 0.5)}
            numbers[metric] = bootstrap(share, hits, labels, people, seed=seed)["share"]
    return numbers
