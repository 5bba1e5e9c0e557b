"""A video in a worker: segments, which frames are looked at, and files of every odd kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest

from facewitness.media import video as media
from facewitness.scanning.image import Prepared
from facewitness.scanning.video import SEGMENT_S, Schedule, VideoChunk, VideoTask, segments
from facewitness.scanning.worker import chunks
from facewitness.types import Status
from tests.fakes import FAKE_CARD
from tests.scanning.films import blank, film, portrait, write

PROFILE = FAKE_CARD.crop


def index(times: list[float], keys: list[int], seekable: bool = True) -> media.Index:
    return media.Index(np.array([round(t * 1000) for t in times]), np.array(keys), 1e-3, seekable)


def seen(task: VideoTask | Path, preview_px: int = 0) -> list[VideoChunk]:
    found = list(chunks(VideoTask(task, 4) if isinstance(task, Path) else task, PROFILE, preview_px))
    assert all(isinstance(chunk, VideoChunk) for chunk in found), found
    return [chunk for chunk in found if isinstance(chunk, VideoChunk)]


def test_segments_begin_at_key_frames_and_are_not_short() -> None:
    times = [n / 10 for n in range(600)]
    found = segments(index(times, list(range(0, 600, 40))))  # a key frame each 4 s
    assert [first for first, _ in found] == [0, 200, 400]
    assert found[-1][1] == 600
    assert all(times[stop - 1] - times[first] >= SEGMENT_S - 0.2 for first, stop in found)


@pytest.mark.parametrize(
    ("times", "count"),
    [
        ([n / 10 for n in range(2000)], 4),  # one key frame in 200 s: cut each minute
        ([0.0, 1e9], 1),  # a frame that lies at the end of the world
        ([60.0 * n for n in range(1000)], 32),  # a frame a minute
        ([n * 1e-5 for n in range(5000)], 1),  # 100,000 frames a second
    ],
)
def test_segments_are_bounded_whatever_the_times(times: list[float], count: int) -> None:
    of = media.Index(np.array([round(t * 1e6) for t in times]), np.array([0]), 1e-6, True)
    found = segments(of)
    assert len(found) == count
    assert [found[0][0], found[-1][1]] == [0, len(times)]
    assert all(a[1] == b[0] for a, b in pairwise(found))


def test_a_file_that_cannot_be_searched_is_one_segment() -> None:
    assert segments(index([n / 25 for n in range(5000)], [0], seekable=False)) == [(0, 5000)]


def due(schedule: Schedule, until_s: float, rate: float = 25) -> list[float]:
    schedule.begin_shot(0.0)
    found, time_s = [0.0], 0.0
    while (time_s := time_s + 1 / rate) < until_s:
        if time_s >= schedule.due_s - 1e-6:
            schedule.take(time_s)
            found.append(time_s)
    return found


def test_a_shot_is_looked_at_evenly_and_the_more_sparsely_the_older_it_is() -> None:
    found = np.array(due(Schedule(32, 3600), 3600))
    gaps = np.diff(found)
    assert gaps[:20].mean() == pytest.approx(0.25, abs=0.02)
    assert gaps[-1] == pytest.approx(3600 / 32, rel=0.1)
    assert len(found) < 32 * (1 + np.log(3600 / 8)) * 1.1


def test_a_short_clip_gives_as_many_frames_as_are_wanted() -> None:
    assert len(due(Schedule(32, 5), 5)) == 32
    assert len(due(Schedule(None, 5), 5)) == 125


def test_every_segment_is_seen_once_by_however_many_workers(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    whole = seen(path)
    looks = [look.number for chunk in whole for look in chunk.looks]
    assert whole[0].info.segments == 2
    assert looks == sorted(set(looks))
    assert 12 <= len(looks) <= 40
    shares = [chunk for part in range(2) for chunk in seen(VideoTask(path, 4, part, 2))]
    assert sorted(look.number for chunk in shares for look in chunk.looks) == looks
    rest = seen(VideoTask(path, 4, done=frozenset({0})))
    assert {chunk.segment for chunk in rest} == {-1, 1}
    assert sum(chunk.last for chunk in whole) == 1
    assert [chunk.segment for chunk in whole if chunk.end is not None] == [0, 1]


def test_faces_come_with_crops_and_places(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [portrait(shift=n) for n in range(10)])
    found = seen(path, preview_px=100)
    faces = [face for chunk in found for look in chunk.looks for face in look.faces]
    crops = [chunk.crops for chunk in found if chunk.crops is not None]
    assert len(faces) == sum(map(len, crops)) >= 4
    for face in faces:
        assert face.status is Status.OK
        assert face.appearance is not None
        assert face.landmarks is not None
    assert all(look.preview is not None and max(look.preview.shape) == 100 for c in found for look in c.looks)


def test_the_sharpest_frame_of_an_interval_is_taken(tmp_path: Path) -> None:
    sharp = portrait()
    dull = np.asarray(PIL.Image.fromarray(sharp).resize((40, 40)).resize((240, 240)))
    frames = [sharp if n % 5 == 3 else dull for n in range(40)]
    task = VideoTask(write(tmp_path / "a.mp4", frames, rate=20, options={"g": "50", "crf": "4"}), 8)
    numbers = [look.number for chunk in seen(task) for look in chunk.looks]
    assert len(numbers) == 8
    assert sum(number % 5 == 3 for number in numbers) >= 6


KINDS: dict[str, Callable[[Path], Path]] = {
    "ten bits": lambda at: write(at / "a.mp4", blank(), pixels="yuv420p10le"),
    "odd sides": lambda at: write(at / "a.mkv", blank(12, 47, 63), "ffv1", pixels="yuv444p", options={}),
    "a variable rate": lambda at: write(at / "a.mkv", blank(), stamps=[40 * n + 300 * (n > 6) for n in range(12)]),
    "no times": lambda at: write(at / "a.mp4", blank()).rename(at / "b.mp4"),
    "VP9": lambda at: write(at / "a.webm", blank(), "libvpx-vp9", options={}),
    "AV1": lambda at: write(at / "a.mkv", blank(12, 64, 64), "libsvtav1", options={"preset": "12"}),
    "H.265": lambda at: write(at / "a.mp4", blank(), "libx265", options={"x265-params": "log-level=none"}),
    "ProRes": lambda at: write(at / "a.mov", blank(), "prores_ks", pixels="yuv422p10le", options={}),
    "AVI": lambda at: write(at / "a.avi", blank(), "mpeg4", options={}),
    "one pixel": lambda at: write(at / "a.mkv", blank(3, 1, 1), "ffv1", pixels="yuv444p", options={}),
    "100,000 frames a second": lambda at: write(at / "a.mkv", blank(), stamps=[0, *range(1, 12)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_videos_of_many_kinds_are_looked_at(kind: str, tmp_path: Path) -> None:
    found = seen(KINDS[kind](tmp_path))
    looks = [look for chunk in found for look in chunk.looks]
    assert found[-1].last
    assert looks
    assert found[0].info.notes[0].endswith(("p", "le", "p10le")) or kind
    assert sum(chunk.end.damaged for chunk in found if chunk.end) == 0


def test_a_video_without_times_or_container_is_read_from_its_start(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h264", blank(30)).rename(tmp_path / "a.mp4")  # a bare stream
    found = seen(path)
    assert found[0].info.frames == 30
    assert any("no usable times" in note for note in found[0].info.notes)
    assert [look for chunk in found for look in chunk.looks]


def test_a_video_on_its_side_is_set_upright(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [np.rot90(portrait()) for _ in range(6)])
    upright = tmp_path / "b.mp4"
    with av.open(str(path)) as source, av.open(str(upright), "w") as target:
        stream: Any = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    content = upright.read_bytes()
    head = content.index(b"tkhd") + 4 + 4 + 36  # the matrix of the track header: a quarter clockwise
    one = (0x10000).to_bytes(4, "big")
    minus, nothing = (0xFFFF0000).to_bytes(4, "big"), bytes(4)
    matrix = b"".join([nothing, one, nothing, minus, nothing, nothing])
    upright.write_bytes(content[:head] + matrix + content[head + len(matrix) :])
    faces = [face for chunk in seen(upright) for look in chunk.looks for face in look.faces]
    assert faces
    assert all(face.status is Status.OK for face in faces)
    assert not [
        face for chunk in seen(path) for look in chunk.looks for face in look.faces
    ]  # the HOG finder turns nothing


def test_an_interlaced_video_says_so(tmp_path: Path) -> None:
    options = {"g": "50", "crf": "10", "flags": "+ildct+ilme", "x264-params": "interlaced=1"}
    path = write(tmp_path / "a.mp4", blank(12, 64, 64), options=options)
    assert any("interlaced" in note for note in seen(path)[0].info.notes)


@pytest.mark.parametrize(
    ("content", "status"), [(b"", Status.UNREADABLE), (b"\x00\x00\x00\x18ftypmp42" + bytes(99), Status.UNREADABLE)]
)
def test_what_is_no_video_is_a_status(content: bytes, status: Status, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    (only,) = chunks(VideoTask(path), PROFILE, 0)
    assert isinstance(only, Prepared)
    assert only.status is status
    assert str(path) not in only.notes[0]


def test_a_broken_tail_costs_only_the_tail(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mkv", blank(120, 64, 64), rate=10, options={"g": "10", "crf": "20"})
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    found = seen(whole)
    last = max(look.time_s for chunk in found for look in chunk.looks)
    assert 5 < last < 10


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_long_animation_is_a_video_and_a_short_one_a_photograph(suffix: str, tmp_path: Path) -> None:
    pictures = [PIL.Image.fromarray(frame) for frame in blank(40)]
    for count, kind in ((40, VideoChunk), (4, Prepared)):
        path = tmp_path / f"{count}{suffix}"
        pictures[0].save(path, save_all=True, append_images=pictures[1:count], duration=50, lossless=True)
        found = list(chunks(VideoTask(path, 8), PROFILE, 0))
        assert all(isinstance(chunk, kind) for chunk in found)
        if kind is VideoChunk:
            assert found[0].info.frames == 40
            assert found[0].info.duration_s == pytest.approx(2.0, abs=0.1)


def test_a_task_can_be_asked_for_again(tmp_path: Path) -> None:
    task = VideoTask(film(tmp_path / "a.mp4", seconds=4), 4)
    one, other = (replace(task), task)
    boxes = [[face.box for c in seen(t) for look in c.looks for face in look.faces] for t in (one, other)]
    assert boxes[0] == boxes[1] != []
