"""Forged clips: encoded alike, masks exact, steady along time."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from facewitness.data import manifest
from facewitness.forge.clips import ClipStyle, forge_clips
from facewitness.forge.moving import FollowedVideo, MovingPhotograph, steady
from facewitness.media import faces, video
from facewitness.types import ForgeError, Image, MediaError, Sample, Status
from tests.fakes import astronaut, save
from tests.scanning.films import blank, portrait, write

STYLE = ClipStyle(seed=3, seconds=1.0, rate=10, crf=(23, 35), part=0.5, longest_px=200)


def pictures(path: Path) -> list[Image]:
    of = video.index(path)
    return [frame.image for frame in video.frames(path, range(len(of)), of) if frame.image is not None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(2):
        save(portrait(shift=9 * number), folder / f"{number}.png")
    out = tmp_path_factory.mktemp("clips")
    forge_clips(folder, out, ["selfblend"], style=STYLE, workers=0)
    return out


@pytest.fixture(scope="module")
def samples(made: Path) -> list[Sample]:
    return manifest.read(made / "manifest.parquet")


def test_every_clip_has_its_original_and_its_mask(samples: list[Sample]) -> None:
    fakes = [sample for sample in samples if sample.label]
    assert len(fakes) == 2
    assert len(samples) == 4
    assert {sample.attributes for sample in samples} == {("crf-23",), ("crf-35",)}
    for fake in fakes:
        assert fake.original in {sample.path for sample in samples if not sample.label}
        assert fake.region is not None
        counts = {len(pictures(path)) for path in (fake.path, fake.original, fake.region) if path}
        assert counts == {10}


def test_the_mask_says_where_and_when(samples: list[Sample], made: Path) -> None:
    rows = [json.loads(line) for line in (made / "clips.jsonl").read_text(encoding="utf-8").splitlines()]
    for fake in (sample for sample in samples if sample.label):
        assert fake.region is not None
        assert fake.original is not None
        planes = [plane[..., 0] > 127 for plane in pictures(fake.region)]
        marked = [bool(plane.any()) for plane in planes]
        assert sum(marked) == 5
        row = next(row for row in rows if row["name"] == fake.video)
        start = marked.index(True)
        assert row["forged"][0]["span_s"] == pytest.approx([start / 10, (start + 5) / 10])
        for plane, one, other in zip(planes, pictures(fake.path), pictures(fake.original), strict=True):
            change = np.abs(one.astype(int) - other).mean(-1)
            if plane.any():
                assert change[plane].mean() > 1.5 * change[~plane].mean()


def test_both_are_encoded_alike_and_say_what_they_are(samples: list[Sample]) -> None:
    comments = {}
    for sample in samples:
        with av.open(str(sample.path)) as container:
            comments[sample.label] = container.metadata["comment"]
            stream = container.streams.video[0].codec_context
            assert (stream.name, stream.pix_fmt) == ("h264", "yuv420p")
    assert comments[1].startswith("Synthetic")
    assert "Not forged" in comments[0]


def test_the_same_seed_gives_the_same_clips_and_goes_on(made: Path, tmp_path: Path) -> None:
    folder = Path(json.loads((made / "clips.jsonl").read_text().splitlines()[0])["source"]).parent
    forge_clips(folder, tmp_path, ["selfblend"], style=STYLE, workers=0)
    assert (tmp_path / "clips.jsonl").read_text() == (made / "clips.jsonl").read_text()
    paths = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.mp4")]
    assert len(paths) == 4
    assert all((tmp_path / path).read_bytes() == (made / path).read_bytes() for path in paths)
    times = {path: (tmp_path / path).stat().st_mtime_ns for path in paths}
    forge_clips(folder, tmp_path, ["selfblend"], style=STYLE, workers=0)
    assert times == {path: (tmp_path / path).stat().st_mtime_ns for path in paths}
    with pytest.raises(ForgeError, match="other settings"):
        forge_clips(folder, tmp_path, ["selfblend"], style=ClipStyle(seed=4), workers=0)


def test_a_photograph_in_motion_keeps_its_landmarks() -> None:
    face = faces.find(astronaut(), "mtcnn")[0]
    moving = MovingPhotograph(astronaut(), face.landmarks, np.random.default_rng(1), 6, 256)
    frames = list(moving)
    assert len(frames) == 6
    assert frames[0].shape == (256, 256, 3)
    assert np.abs(moving.landmarks[0] - moving.landmarks[5]).max() > 2
    for number in (0, 5):
        found = faces.find(frames[number], "mtcnn")[0]
        assert np.abs(found.landmarks - moving.landmarks[number]).mean() < 3
    np.testing.assert_array_equal(frames[3], list(moving)[3])


def test_a_face_is_followed_through_a_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [portrait(shift=2 * n) for n in range(12)], rate=10)
    followed = FollowedVideo(path, 1.0, 240)
    assert followed.landmarks.shape == (10, 68, 2)
    moved = np.diff(followed.landmarks[:, :, 0].mean(1))
    assert moved.mean() == pytest.approx(2, abs=0.5)
    with pytest.raises(MediaError) as caught:
        FollowedVideo(write(tmp_path / "b.mp4", blank()), 1.0, 240)
    assert caught.value.status is Status.NO_FACE


def test_gaps_are_filled_and_trembling_is_smoothed() -> None:
    rng = np.random.default_rng(0)
    found = {n: np.full((68, 2), float(n), np.float32) + rng.normal(0, 1, (68, 2)) for n in range(20) if n % 4}
    steadied = steady({n: points.astype(np.float32) for n, points in found.items()}, 20)
    assert steadied.shape == (20, 68, 2)
    assert np.abs(steadied.mean((1, 2)) - np.arange(20))[2:-2].max() < 0.6
    assert steadied[3:-3].std((1, 2)).mean() < 0.75


def test_nothing_to_forge_is_said(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.mp4", blank())
    with pytest.raises(ForgeError, match="no face was found"):
        forge_clips(tmp_path / "in", tmp_path / "out", ["selfblend"], style=STYLE, workers=0)
    with pytest.raises(ForgeError, match="no method"):
        forge_clips(tmp_path / "in", tmp_path / "out", ["nonsense"], style=STYLE, workers=0)
