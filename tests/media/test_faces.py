"""Finding, cropping and pasting: each against something worked out another way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from facewitness.media import faces
from facewitness.media.finders import hog
from facewitness.media.finders.face import TEMPLATE, similarity
from facewitness.types import CardError, CropProfile
from tests.fakes import astronaut, crowd, texture

PROFILE = CropProfile(size_px=128, margin=0.3)


def test_the_astronaut_is_found() -> None:
    found = faces.find(astronaut())
    assert len(found) == 1
    left, top, right, bottom = found[0].box
    assert left < 223 < right
    assert top < 125 < bottom
    assert 80 < found[0].side_px < 110
    assert found[0].landmarks.shape == (68, 2)
    eyes = faces.five_points(found[0].landmarks)[:2]
    np.testing.assert_allclose(eyes, [(203, 103), (246, 104)], atol=5)


def test_several_faces_are_found_largest_first() -> None:
    sides = [face.side_px for face in faces.find(crowd())]
    assert len(sides) == 2
    assert sides == sorted(sides, reverse=True)
    four = np.tile(astronaut()[:300, 80:380], (2, 2, 1))
    assert len(faces.find(four)) == 4


def test_a_badge_beside_a_sure_face_is_no_face() -> None:
    # at this size HOG at its usual threshold also takes the badge on the suit for a face, larger than the true one
    rgb = np.asarray(cv2.resize(astronaut(), None, fx=1.01, fy=1.01), np.uint8)
    assert len(hog.find_at(rgb, 1.0)) == 2
    found = faces.find(rgb)
    assert len(found) == 1
    assert found[0].box[1] < 130 < found[0].box[3]


def test_a_face_in_a_small_photograph_is_found_enlarged() -> None:
    small = np.asarray(cv2.resize(astronaut(), (230, 230), interpolation=cv2.INTER_AREA), np.uint8)
    found = faces.find(small)
    assert len(found) == 1
    np.testing.assert_allclose(
        found[0].landmarks.mean(0), faces.find(astronaut())[0].landmarks.mean(0) * 230 / 512, atol=3
    )


def test_a_thorough_search_adds_the_people_behind() -> None:
    canvas = np.full((1500, 2400, 3), 127, np.uint8)
    canvas[:1400, :1400] = cv2.resize(astronaut(), (1400, 1400))
    canvas[100:740, 1700:2340] = cv2.resize(astronaut(), (640, 640))
    assert len(faces.find(canvas)) == 1
    found = faces.find(canvas, thorough=True)
    assert len(found) == 2
    assert found[0].side_px > 1.8 * found[1].side_px
    assert found[1].box[0] > 1700


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 2), (17, 9)])
def test_a_tiny_photograph_has_no_face(shape: tuple[int, int]) -> None:
    assert faces.find(np.full((*shape, 3), 90, np.uint8), thorough=True) == []


def test_a_photograph_of_nothing_has_no_face() -> None:
    assert faces.find(texture(300, 300)) == []


def test_similarity_is_that_of_scikit_image() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        source, target = rng.normal(size=(2, 5, 2)).astype(np.float32) * 40
        ours = similarity(source, target)
        oracle = SimilarityTransform.from_estimate(source, target)
        if np.linalg.det(oracle.params[:2, :2]) > 0:  # scikit-image too gives no reflection
            np.testing.assert_allclose(ours, oracle.params[:2], rtol=1e-5, atol=1e-4)


def test_similarity_finds_the_one_that_was_applied() -> None:
    source = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32) * 30
    angle, scale, shift = 0.4, 1.7, np.array([11.0, -5.0])
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity(source, (source @ rotation.T + shift).astype(np.float32))
    np.testing.assert_allclose(found, np.hstack([rotation, shift[:, None]]), atol=1e-4)


def test_a_crop_stands_the_face_upright_wherever_it_lay() -> None:
    rgb = astronaut()
    turn = cv2.getRotationMatrix2D((223, 125), 15, 1.3)
    turned = np.asarray(cv2.warpAffine(rgb, turn, (512, 512)), np.uint8)
    landmarks = faces.find(rgb)[0].landmarks
    moved = (landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    one, _ = faces.crop(rgb, landmarks, PROFILE)
    two, _ = faces.crop(turned, moved, PROFILE)
    assert one.shape == two.shape == (128, 128, 3)
    assert np.abs(one.astype(int) - two).mean() < 3


def test_eyes_of_a_crop_are_level_and_where_the_template_says() -> None:
    landmarks = faces.find(astronaut())[0].landmarks
    _, matrix = faces.crop(astronaut(), landmarks, PROFILE)
    points = faces.five_points(landmarks) @ matrix[:, :2].T + matrix[:, 2]
    side = 128 / 1.6
    np.testing.assert_allclose(points, TEMPLATE * side + 63.5, atol=0.08 * side)
    assert abs(points[0, 1] - points[1, 1]) < 3


@pytest.mark.parametrize("angle", [0.0, 0.3, -0.7])
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.9])
def test_paste_after_crop_is_the_identity(angle: float, scale: float) -> None:
    rows, columns = np.mgrid[0:160, 0:200].astype(np.float32)
    plane = 0.5 + 0.25 * np.sin(columns / 17) + 0.25 * np.cos(rows / 23)  # smooth: twice interpolated, nearly unchanged
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    matrix = np.hstack([linear, (63.5 - linear @ np.array([100.0, 80.0]))[:, None]])
    crop = cv2.warpAffine(plane, matrix, (128, 128), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    window, (left, top, right, bottom) = faces.paste(np.asarray(crop, np.float32), matrix, plane.shape)
    assert window.shape == (bottom - top, right - left)
    at = np.stack([columns, rows], -1)[top:bottom, left:right] @ linear.T + matrix[:, 2]
    inside = ((at > 1) & (at < 126)).all(-1)
    assert inside.sum() > 3000
    np.testing.assert_allclose(window[inside], plane[top:bottom, left:right][inside], atol=0.02)


def test_a_coarse_map_is_pasted_where_the_fine_one_would_be() -> None:
    rng = np.random.default_rng(3)
    fine = cv2.GaussianBlur(rng.random((128, 128)).astype(np.float32), (0, 0), 9)
    coarse = np.asarray(cv2.resize(fine, (32, 32), interpolation=cv2.INTER_AREA), np.float32)
    matrix = np.array([[0.9, -0.2, 10.0], [0.2, 0.9, -20.0]])
    one, window = faces.paste(np.asarray(fine, np.float32), matrix, (200, 200))
    two, same = faces.paste(coarse, faces.rescale(matrix, 32 / 128), (200, 200))
    assert np.abs(np.subtract(window, same)).max() <= 1
    overlap = tuple(slice(max(window[i], same[i]) + 6, min(window[i + 2], same[i + 2]) - 6) for i in (1, 0))
    first, second = np.zeros((200, 200)), np.zeros((200, 200))
    first[window[1] : window[3], window[0] : window[2]] = one
    second[same[1] : same[3], same[0] : same[2]] = two
    covered = (first[overlap] > 0) & (cv2.erode((first > 0).astype(np.uint8), np.ones((9, 9)))[overlap] > 0)
    np.testing.assert_allclose(second[overlap][covered], first[overlap][covered], atol=0.02)


def test_rescale_keeps_pixel_centres() -> None:
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    half = faces.rescale(matrix, 0.5)
    np.testing.assert_allclose(half @ [0.5, 0.5, 1], [0, 0])  # between the first two pixels lies the first coarse one
    np.testing.assert_allclose(faces.rescale(half, 2), matrix)


def test_a_crop_outside_the_photograph_pastes_to_nothing() -> None:
    away = np.array([[1.0, 0, 5000], [0, 1.0, 5000]])
    window, (left, top, right, bottom) = faces.paste(np.ones((8, 8), np.float32), away, (100, 100))
    assert window.size == 0
    assert (left, top) == (right, bottom)


def test_a_face_at_the_border_is_mirrored_not_blackened() -> None:
    landmarks = faces.find(astronaut())[0].landmarks
    left, top = (int(v) for v in landmarks.min(0))
    cut = np.ascontiguousarray(astronaut()[top:, left:])
    crop, _ = faces.crop(cut, landmarks - (left, top), PROFILE)
    assert (crop[:10] > 20).mean() > 0.9


def test_a_very_long_photograph_can_be_cropped() -> None:
    landmarks = faces.find(astronaut())[0].landmarks
    panorama = np.zeros((512, 33_000, 3), np.uint8)
    panorama[:, 20_000:20_512] = astronaut()
    small = CropProfile(size_px=200, margin=0.25)  # enlarges the face, so that the photograph is not reduced first
    plain, _ = faces.crop(astronaut(), landmarks, small)
    crop, matrix = faces.crop(panorama, landmarks + np.array([20_000, 0], np.float32), small)
    np.testing.assert_allclose(crop.astype(int), plain, atol=2)
    assert faces.paste(np.ones((200, 200), np.float32), matrix, (512, 33_000))[1][0] > 20_000


@pytest.mark.parametrize("wrong", [CropProfile(finder="yunet"), CropProfile(alignment="none")])
def test_another_crop_profile_is_refused(wrong: CropProfile) -> None:
    with pytest.raises(CardError, match="this version has"):
        faces.check(wrong)
    with pytest.raises(CardError, match="this version has"):
        faces.alignment(np.zeros((68, 2), np.float32), wrong)


def test_a_badge_is_no_face_even_where_the_true_face_is_gone() -> None:
    rgb = astronaut().copy()
    rgb[60:190, 160:290] = 128
    assert faces.find(rgb, thorough=True) == []


def test_a_badge_is_no_face_where_the_true_face_is_filled_in() -> None:
    rgb = astronaut().copy()
    whole = faces.find(rgb)[0]
    hole = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillConvexPoly(hole, cv2.convexHull(np.rint(whole.landmarks[27:60]).astype(np.int32)), 1)
    filled = np.asarray(cv2.inpaint(rgb, cv2.dilate(hole, np.ones((9, 9), np.uint8)), 3, cv2.INPAINT_NS))
    centre = whole.landmarks.mean(0)
    for face in faces.find(filled, thorough=True):
        assert np.linalg.norm(face.landmarks.mean(0) - centre) < whole.side_px / 2


@pytest.mark.parametrize(("tile_px", "count", "expected"), [(32, 9, 9), (32, 4, 4), (96, 9, 4), (160, 9, 1)])
def test_tiles_are_the_photographs_own_pixels_over_the_face(tile_px: int, count: int, expected: int) -> None:
    landmarks = faces.find(astronaut())[0].landmarks
    profile = CropProfile(alignment=faces.TILES, margin=0.3, size_px=tile_px, tiles=count)
    tiles, matrices = faces.tiles(astronaut(), landmarks, profile)
    starts = -np.stack([matrix[:, 2] for matrix in matrices]).astype(int)
    assert tiles.shape == (expected, tile_px, tile_px, 3)
    for tile, (left, top) in zip(tiles, starts, strict=True):
        np.testing.assert_array_equal(tile, astronaut()[top : top + tile_px, left : left + tile_px])
    centre = landmarks.min(0) / 2 + landmarks.max(0) / 2
    assert np.abs(starts.mean(0) + tile_px / 2 - centre).max() <= 1
    reach = np.ptp(landmarks, axis=0).max() * 0.8
    assert (starts >= centre - max(reach, tile_px / 2) - 1).all()
    assert (starts + tile_px <= centre + max(reach, tile_px / 2) + 1).all()


def test_tiles_stay_in_the_photograph() -> None:
    landmarks = faces.find(astronaut())[0].landmarks
    left, top = (int(v) for v in landmarks.min(0))
    corner = np.ascontiguousarray(astronaut()[top:, left:])
    _, matrices = faces.tiles(corner, landmarks - (left, top), CropProfile(alignment=faces.TILES, size_px=64))
    assert all((matrix[:, 2] <= 0).all() for matrix in matrices)
    small = np.ascontiguousarray(astronaut()[top : top + 80, left : left + 80])
    tiles, _ = faces.tiles(small, landmarks - (left, top), CropProfile(alignment=faces.TILES, size_px=96))
    assert tiles.shape[1:] == (96, 96, 3)
    np.testing.assert_array_equal(tiles[0][:80, :80], small)
