"""Frames by number: the same pictures as decoding through, and a status for every kind of broken file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from facewitness.media import video
from facewitness.types import MediaError, Status
from tests.data.trees import clip
from tests.fakes import save, texture

COUNT = 40


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames with a key frame each twelve; frame k is of brightness 5 k. Has B-frames, as libx264 makes them."""
    frames = [np.full((48, 64, 3), 5 * k, np.uint8) for k in range(COUNT)]
    return clip(tmp_path_factory.mktemp("movie") / "a.mp4", frames, crf=1)


def _brightness(frame: video.Frame) -> float:
    assert frame.image is not None
    return float(frame.image.mean())


def test_the_index_knows_every_frame_without_decoding(movie: Path) -> None:
    found = video.index(movie)
    assert len(found) == COUNT
    assert len(found.keys) >= 3
    assert found.time_s(25) == pytest.approx(1.0)


@pytest.mark.parametrize("wanted", [list(range(COUNT)), [0], [39], [3, 17, 18, 38], [11, 12, 13, 36]])
def test_a_frame_is_the_one_that_was_asked_for(movie: Path, wanted: list[int]) -> None:
    frames = list(video.frames(movie, wanted))
    assert [frame.number for frame in frames] == wanted
    assert [frame.time_s for frame in frames] == pytest.approx([k / 25 for k in wanted])
    for frame in frames:
        assert _brightness(frame) == pytest.approx(5 * frame.number, abs=2)


def test_a_seek_gives_the_same_pixels_as_decoding_through(movie: Path) -> None:
    through = {frame.number: frame.image for frame in video.frames(movie, range(COUNT))}
    for frame in video.frames(movie, [30, 37]):
        np.testing.assert_array_equal(frame.image, through[frame.number])


def test_evenly_spread() -> None:
    assert video.evenly(3, 11) == [0, 5, 10]
    assert video.evenly(20, 4) == [0, 1, 2, 3]
    assert video.evenly(1, 9) == [4]


def test_one_frame_each_so_many_seconds(movie: Path) -> None:
    assert video.every(0.5, video.index(movie)) == [0, 13, 25, 38]
    assert video.every(0.001, video.index(movie)) == list(range(COUNT))


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    """As a stopped download leaves it: a transport stream has no table at its end that could be missing."""
    whole = tmp_path / "whole.mkv"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(texture(48, 64, number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = video.index(cut)
    assert 5 < len(found) < 30
    frames = list(video.frames(cut, range(len(found))))
    assert len(frames) == len(found)
    assert sum(frame.image is not None for frame in frames) >= len(found) - 2


@pytest.mark.parametrize(
    ("content", "suffix", "status"),
    [
        (b"", ".mp4", Status.UNREADABLE),
        (b"no video at all" * 50, ".mp4", Status.UNREADABLE),
        (bytes(range(256)) * 9, ".bin", Status.UNSUPPORTED),
        (None, ".mp4", Status.UNREADABLE),
    ],
)
def test_what_is_no_video_has_a_status(content: bytes | None, suffix: str, status: Status, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        video.index(path)
    assert caught.value.status is status
    assert str(path) in str(caught.value)


def test_an_mp4_cut_short_loses_its_table_and_says_so(movie: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(movie.read_bytes()[:900])
    with pytest.raises(MediaError, match="corrupt, cut short"):
        video.index(cut)


def test_sound_alone_is_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(MediaError) as caught:
        video.index(path)
    assert caught.value.status is Status.UNSUPPORTED


def test_damage_in_the_middle_costs_only_what_is_damaged(movie: Path, tmp_path: Path) -> None:
    content = bytearray(movie.read_bytes())
    start = content.find(b"mdat") + 4
    middle = start + (content.find(b"moov") - start) // 2
    content[middle : middle + 60] = bytes(60)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    frames = list(video.frames(path, range(COUNT)))
    assert [frame.number for frame in frames] == list(range(COUNT))
    right = [f.image is not None and abs(f.image.mean() - 5 * f.number) < 3 for f in frames]
    assert sum(right) >= COUNT // 2
    assert right[0]


def test_a_picture_is_not_taken_for_a_video(tmp_path: Path) -> None:
    assert save(texture(), tmp_path / "a.png").suffix not in video.SUFFIXES
