"""What the HTML report shows of a video: coordinates of its timelines, texts, links to moments. It judges nothing."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

SHOWN = 20
"""Tracks of a video in the report, the most suspicious ones."""

WIDTH, HEIGHT = 1000.0, 100.0  # of a timeline, in units that the page stretches
_WHOLE_S = 90.0  # up to this length a track's timeline shows the whole video
_LANES = 12  # rows of bars in the overview, which tracks take in turn


def view(entry: Mapping[str, Any], pictures: Mapping[str, Any]) -> dict[str, Any]:
    """What a video's entry of ``results.jsonl`` and the names of its pictures come to on the page."""
    tracks, duration = entry["tracks"], max(entry["duration_s"], 1e-3)
    scores: dict[int, list[tuple[float, float]]] = {}
    for face in entry["faces"]:
        if face["track"] is not None and face["score"] is not None:
            scores.setdefault(face["track"], []).append((face["time_s"], face["score"]))
    scored = [number for number, track in enumerate(tracks) if track["score"] is not None]
    ranked = sorted(scored, key=lambda n: (-_rank(tracks[n]), -tracks[n]["score"]))[:SHOWN]
    cuts = [shot["start_s"] for shot in entry["shots"][1:]]
    link = _link(entry["path"])
    shown = [
        _track(n, tracks[n], scores.get(n, []), cuts, duration, link, pictures["tracks"][n]) for n in sorted(ranked)
    ]
    bars = [_bar(n, tracks[n], duration) for n in scored]
    overview = {"cuts": [round(t / duration * WIDTH, 2) for t in cuts], "bars": bars, "to": clock(duration)}
    return {"tracks": shown, "overview": overview, "total": len(scored), "shots": len(entry["shots"])}


def clock(time_s: float) -> str:
    """A time as people read it: 0:07.3, 1:02:07.3."""
    tenths = round(time_s * 10)
    minutes, seconds = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{seconds / 10:04.1f}"
    return f"{hours}:{minutes:02}:{text}" if hours else f"{minutes}:{text}"


def _rank(track: Mapping[str, Any]) -> int:
    return {"fake": 3, "inconclusive": 2, "real": 1}.get(track["verdict"], 0) if not track["reason"] else 1


def _link(path: str) -> str:
    """Where a browser finds the video."""
    pure = PureWindowsPath(path) if path[1:3] == ":\\" else PurePosixPath(path)
    return pure.as_uri() if pure.is_absolute() else path


def _track(
    number: int,
    track: Mapping[str, Any],
    scores: Sequence[tuple[float, float]],
    cuts: Sequence[float],
    duration: float,
    link: str,
    pictures: Mapping[str, Any],
) -> dict[str, Any]:
    start, end = (0.0, duration) if duration <= _WHOLE_S else (track["start_s"], track["end_s"])
    length = max(end - start, 1e-3)

    def x(time_s: float) -> float:
        return round(min(max((time_s - start) / length, 0.0), 1.0) * WIDTH, 2)

    def moment(time_s: float) -> dict[str, str]:
        return {"text": clock(time_s), "href": f"{link}#t={time_s:.1f}"}

    halves = [(a + b) / 2 for (a, _), (b, _) in pairwise(scores)]
    lefts, rights = [track["start_s"], *halves], [*halves, track["end_s"]]
    hovers = [
        {"x": x(a), "width": max(1.0, round(x(b) - x(a), 2)), "score": f"{score:.3f}", **moment(t)}
        for (t, score), a, b in zip(scores, lefts, rights, strict=True)
    ]
    return {
        "number": number + 1,
        "track": track,
        "kind": track["verdict"] or "unjudged",
        "line": " ".join(f"{x(t)},{(1 - score) * HEIGHT:.1f}" for t, score in scores),
        "hovers": hovers,
        "spans": [
            {"x": x(s["start_s"]), "width": max(2.0, x(s["end_s"]) - x(s["start_s"])), **s} for s in track["spans"]
        ],
        "forged": [(moment(s["start_s"]), moment(s["end_s"])) for s in track["spans"]],
        "cuts": [x(t) for t in cuts if start < t < end],
        "from": clock(start),
        "to": clock(end),
        "first": moment(track["start_s"]),
        "last": moment(track["end_s"]),
        "strip": [(name, moment(time_s)) for name, time_s in pictures["strip"]],
        "key": None if pictures["key"] is None else (pictures["key"][0], moment(pictures["key"][1])),
    }


def _bar(number: int, track: Mapping[str, Any], duration: float) -> dict[str, Any]:
    def x(time_s: float) -> float:
        return round(time_s / duration * WIDTH, 2)

    lane = HEIGHT / _LANES
    place = {"x": x(track["start_s"]), "y": round(number % _LANES * lane + 1, 2), "height": round(lane - 2, 2)}
    width = max(1.5, round(x(track["end_s"]) - x(track["start_s"]), 2))
    spans = [(x(s["start_s"]), max(1.5, round(x(s["end_s"]) - x(s["start_s"]), 2))) for s in track["spans"]]
    title = f"person {number + 1}: {clock(track['start_s'])} to {clock(track['end_s'])}, score {track['score']:.3f}"
    return {**place, "width": width, "kind": track["verdict"] or "unjudged", "spans": spans, "title": title}
