"""What the default detector makes of videos: real clips, swaps beside their originals, forged clips of ours; time.

Clips of people who did not agree to be shown are judged, never shown. Every scan goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facewitness.compute.pool import cores
from facewitness.detectors import zoo
from facewitness.evaluation import video as judging
from facewitness.forge.clips import ClipStyle, forge_clips
from facewitness.forge.moving import MovingPhotograph
from facewitness.media import faces, video
from facewitness.media.video_writer import VideoWriter
from facewitness.metrics.detection import auc
from facewitness.reporting import report
from facewitness.reporting.markdown import table
from facewitness.scanning import evidence
from facewitness.scanning.files import RESULTS_NAME
from facewitness.scanning.image import run
from facewitness.scanning.pipeline import scan_paths
from facewitness.scanning.video import FRAMES, VideoTask, chunks
from facewitness.types import Report, Sample

RATES = (23, 35, 40)
BAR = 0.8  # of the bound
METRICS = ("video_auc", "frame_auc", "span_iou", "video_recall@threshold", "video_false_positive_rate@threshold")
ABOUT = (
    "How well the default detector tells forged clips from real ones. `video_auc` is over whole clips, `frame_auc` "
    "over single faces in frames; they are not to be compared. Intervals are 95 % bootstraps over people."
)


def main() -> int:
    """Make, scan, judge, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, help="photographs with faces.csv; people of the test split are forged")
    parser.add_argument("wild", type=Path, help="a folder with real/train, real/val and side-by-side")
    parser.add_argument("--out", type=Path, required=True, help="clips and scans")
    parser.add_argument("--report", type=Path, required=True, metavar="MD")
    parser.add_argument("--limit", type=int, default=40, metavar="N", help="photographs that are set in motion")
    options = parser.parse_args()
    ours = {rate: forged(options.faces, options.out, rate, options.limit) for rate in RATES}
    parts = {rate: forged(options.faces, options.out, rate, options.limit, part=0.5) for rate in (23, 40)}
    sections = [
        report.section("Two faces, one of them forged", side_by_side(options.wild, options.out)),
        report.section("Real clips", real_clips(options.wild, options.out)),
        report.section("Forged clips by bit rate", numbers(ours, options.out), FORGED.format(options.limit)),
        report.section("Forged for half of the time", numbers(parts, options.out), PARTLY),
        report.section("By the number of frames", by_frames(ours[23], options.out)),
        report.section("By the size of the face", by_size(ours, options.out)),
        report.section("Beside the score", beside(ours, options.out)),
        report.section("Time", speed(options.out)),
    ]
    limits = zoo.load("default").card.video
    facts = [f"Thresholds: {limits}", f"{options.limit} photographs of the test split of {options.faces.name}"]
    report.write(options.report, "Videos", ABOUT, sections, facts, ["python", *sys.argv])
    print(f"report: {options.report}")
    return 0


FORGED = (
    "{} photographs of people of the test split, set in motion for 3 s (moved, turned, zoomed, with the noise of a "
    "sensor), and the same clips with the face swapped or blended with an altered copy of itself, held steady; all "
    "encoded alike."
)
PARTLY = (
    "The same clips, forged for one stretch of half of their time: the mean of a track then holds as many real frames."
)


def forged(source: Path, out: Path, rate: int, limit: int, part: float = 1.0) -> Path:
    """A set of clips at one CRF."""
    folder = out / f"crf-{rate}-{part:g}"
    style = ClipStyle(seed=11, crf=(rate,), part=part)
    forge_clips(source, folder, style=style, splits=["test"], limit=limit)
    return folder


def judged(paths: Sequence[Path], out: Path, frames: int | None = FRAMES) -> list[Report]:
    """The reports of a scan."""
    scan_paths(paths, out, "default", frames=frames)
    lines = (out / RESULTS_NAME).read_text(encoding="utf-8").splitlines()
    return [Report.from_json(json.loads(line)) for line in lines]


def side_by_side(wild: Path, out: Path) -> str:
    """The left half is untouched, in the right half the face was swapped by DeepFaceLab."""
    rows, higher, called, alarms = [], 0, 0, 0
    for one in judged([wild / "side-by-side"], out / "side-by-side"):
        first = next(frame.image for frame in video.frames(one.source, [0]) if frame.image is not None)
        found = []
        for side in (0, 1):
            tracks = [t for n, t in enumerate(one.tracks) if t.score and (_centre(one, n) > first.shape[1] / 2) == side]
            long = [track for track in tracks if track.frames >= 8] or tracks
            found.append(max(long, key=lambda track: track.score or 0))
        left, right = found
        higher += (right.score or 0) > (left.score or 0)
        called += right.verdict == "fake"
        alarms += left.verdict == "fake"
        rows.append([one.source.stem, *(f"{t.score:.3f}, {t.verdict}" for t in found), str(len(one.tracks))])
    said = (
        f"The swapped face scores above the untouched one in {higher} of {len(rows)} clips; {called} of the swapped "
        f"halves and {alarms} of the untouched ones are called fake."
    )
    return f"{said}\n\n" + table(["clip", "untouched (left)", "swapped (right)", "tracks"], rows)


def _centre(one: Report, track: int) -> float:
    return float(np.mean([(f.box[0] + f.box[2]) / 2 for f in one.findings if f.track == track]))


def real_clips(wild: Path, out: Path) -> str:
    """People talking; those of ``train`` helped to set the thresholds, those of ``val`` did not."""
    rows = []
    for split in ("train", "val"):
        for one in judged([wild / "real" / split], out / f"real-{split}"):
            shown = "-" if one.score is None else f"{one.score:.3f}"
            rows.append([one.source.stem, split, shown, str(one.verdict or one.status), str(len(one.shots))])
    fake = sum(row[1] == "val" and row[3] == "fake" for row in rows)
    said = f"{fake} of the clips that no threshold was learnt on are called fake."
    return f"{said}\n\n" + table(["clip", "split", "score", "verdict", "shots"], rows)


def _table(data: Path, out: Path, frames: int | None = FRAMES) -> dict[tuple[str, str], dict[str, str]]:
    samples = judging.read_clips(data)
    scan = out / "scans" / f"{data.name}-{frames}"
    judged([sample.path for sample in samples], scan, frames)
    path = judging.evaluate_clips(samples, scan / RESULTS_NAME, scan, "default")
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["set"], row["metric"]): row for row in csv.DictReader(file)}


def _cell(row: dict[str, str] | None) -> str:
    if not row or not row["value"]:
        return "-"
    interval = f" ({float(row['low']):.2f}-{float(row['high']):.2f})" if row["low"] else ""
    return f"{float(row['value']):.3f}{interval}"


def numbers(sets: dict[int, Path], out: Path) -> str:
    """A row for each rate and method."""
    rows = []
    for rate, data in sets.items():
        found = _table(data, out)
        for name in ("all", "method faceswap", "method selfblend"):
            row = found[name, "video_auc"]
            counts = [row["n_real"], row["n_fake"]]
            rows.append([str(rate), name, *counts, *(_cell(found.get((name, metric))) for metric in METRICS)])
    return table(["CRF", "set", "real", "forged", *METRICS], rows)


def by_frames(data: Path, out: Path) -> str:
    """The same clips with fewer frames, or all."""
    rows = []
    for frames in (8, 16, FRAMES, None):
        found = _table(data, out, frames)
        cells = [_cell(found.get(("all", metric))) for metric in METRICS]
        rows.append(["all" if frames is None else str(frames), *cells])
    return table(["frames", *METRICS], rows)


def _tracks(sets: dict[int, Path], out: Path) -> Iterator[tuple[Sample, Report, Any]]:
    """Each clip with the track that decides."""
    for data in sets.values():
        scan = out / "scans" / f"{data.name}-{FRAMES}"
        for clip in judging.judge_clips(judging.read_clips(data), scan / RESULTS_NAME):
            tracks = [track for track in clip.report.tracks if track.score is not None and track.frames >= 8]
            if tracks:
                yield clip.sample, clip.report, max(tracks, key=lambda track: track.score or 0)


def by_size(sets: dict[int, Path], out: Path) -> str:
    """Clips by the mean side of their faces."""
    found: dict[str, list[tuple[float, int]]] = {}
    for sample, one, track in _tracks(sets, out):
        sides = [f.box[3] - f.box[1] for f in one.findings if f.score is not None]
        name = next(
            text
            for most, text in ((120, "under 120 px"), (250, "120 to 250 px"), (1e9, "above"))
            if np.mean(sides) < most
        )
        found.setdefault(name, []).append((track.score, sample.label))
    rows = []
    for name, pairs in sorted(found.items()):
        scores, labels = zip(*pairs, strict=True)
        value = f"{auc(scores, labels):.3f}" if len(set(labels)) == 2 else "-"
        rows.append([name, str(labels.count(0)), str(labels.count(1)), value])
    return table(["height of the face's box", "real", "forged", "video_auc"], rows)


def beside(sets: dict[int, Path], out: Path) -> str:
    """How well each signal tells forged tracks, alone and joined to the score by people left out in turn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = list(_tracks(sets, out))
    labels = np.array([sample.label for sample, _, _ in found])
    people = [sample.person for sample, _, _ in found]
    score = np.array([np.log(t.score / (1 - t.score)) for _, _, t in found])
    columns = {name: np.array([t.evidence.get(name, np.nan) for _, _, t in found]) for name in evidence.NAMES}
    rows = [["score", f"{auc(score, labels):.3f}", "-"]]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    every = []
    for name, values in columns.items():
        filled = np.where(np.isnan(values), np.nanmedian(values), values)
        every.append(filled)
        rows.append(
            [
                name,
                f"{auc(filled, labels):.3f}",
                _joined(model, [score, filled], labels, people, cross_val_predict, GroupKFold(5)),
            ]
        )
    rows.append(
        ["all together", "-", _joined(model, [score, *every], labels, people, cross_val_predict, GroupKFold(5))]
    )
    said = "Area under the ROC curve of clips; a value below .5 means that real clips have more of it."
    return f"{said}\n\n" + table(["signal", "alone", "joined to the score"], rows)


def _joined(model: Any, columns: list[Any], labels: Any, people: list[str], predict: Any, folds: Any) -> str:
    given = np.stack(columns, axis=1)
    return f"{auc(predict(model, given, labels, groups=people, cv=folds, method='predict_proba')[:, 1], labels):.3f}"


def speed(out: Path) -> str:
    """A minute of 720p, one face: the scan against what its parts take alone on one core, spread over the cores."""
    path = out / "minute.mp4"
    if not path.exists():
        _minute(path)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    detector = zoo.load("default", threads=1)
    profile = detector.card.crop
    seen = [look.number for chunk in chunks(VideoTask(path), profile, 0) for look in chunk.looks]
    of = video.index(path)
    times = {}
    began = time.perf_counter()
    pictures = [frame.image for frame in video.frames(path, seen, of) if frame.image is not None]
    times["decode"] = time.perf_counter() - began
    began = time.perf_counter()
    found = [(rgb, face) for rgb in pictures for face in faces.find(rgb, profile.finder)]
    times["faces"] = time.perf_counter() - began
    crops = np.stack([faces.crop(rgb, face.landmarks, profile)[0] for rgb, face in found])
    views = [faces.views(rgb, face.landmarks, profile) for rgb, face in found]
    began = time.perf_counter()
    run(detector, crops, views)
    times["inference"] = time.perf_counter() - began
    cv2.setNumThreads(threads)
    bound = sum(times.values()) / cores()
    summary = scan_paths([path], out / f"minute-{time.time_ns()}", "default")
    rows = [[name, f"{value:.2f}"] for name, value in times.items()]
    rows += [[f"bound: their sum over {cores()} cores", f"{bound:.2f}"], ["scan, in all", f"{summary.time_s:.2f}"]]
    reached = f"the scan reaches {bound / summary.time_s:.2f} of the bound (wanted: {BAR})"
    said = f"{len(of)} frames, {len(pictures)} looked at; {reached}."
    return f"{said}\n\n" + table(["what", "seconds"], rows)


def _minute(path: Path) -> None:
    from skimage import data

    portrait = np.asarray(data.astronaut(), np.uint8)
    canvas = np.full((720, 1280, 3), 90, np.uint8)
    canvas[104:616, 384:896] = portrait
    landmarks = faces.find(canvas, "mtcnn")[0].landmarks
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, (720, 1280), 25, crf=23) as writer:
        for frame in MovingPhotograph(canvas, landmarks, np.random.default_rng(0), 1500, 1280):
            writer.add(frame)


if __name__ == "__main__":
    sys.exit(main())
