"""Contact sheets: every tile at its place, nothing clipped."""

from __future__ import annotations

import numpy as np

from facewitness.media.visualize import heat, noted, tile_sheet


def test_tiles_stand_in_their_rows_and_columns() -> None:
    red, green = np.zeros((50, 50, 3), np.uint8), np.zeros((50, 50, 3), np.uint8)
    red[..., 0], green[..., 1] = 255, 255
    made = tile_sheet([("first", [red, green]), ("second", [None, np.full((50, 50), 0.5, np.float32)])], tile_px=40)
    assert made.shape == (2 * (22 + 40), 2 * 44 + 4, 3)
    assert made[22 + 20, 4 + 20].tolist() == [255, 0, 0]
    assert made[22 + 20, 48 + 20].tolist() == [0, 255, 0]
    assert made[62 + 22 + 20, 4 + 20].tolist() == [255, 255, 255]
    assert made[62 + 22 + 20, 48 + 20].tolist() == [128, 128, 128]
    assert (made[:22] < 100).any(), "the label of the first row"


def test_a_tile_of_another_shape_is_fitted_in() -> None:
    wide = np.zeros((20, 80, 3), np.uint8)
    made = tile_sheet([("", [wide])], tile_px=40)
    assert made[22 + 20, 20].tolist() == [0, 0, 0]
    assert made[22 + 2, 20].tolist() == [235, 235, 235]


def test_a_long_label_widens_the_sheet() -> None:
    tile = np.zeros((10, 10, 3), np.uint8)
    assert tile_sheet([("a label far longer than the tile below it", [tile])], tile_px=20).shape[1] > 200


def test_heat_is_nothing_where_the_map_is_nothing() -> None:
    rgb = np.full((4, 4, 3), 90, np.uint8)
    plane = np.zeros((4, 4), np.float32)
    plane[0, 0] = 1
    hot = heat(rgb, plane)
    assert np.array_equal(hot[1:], rgb[1:])
    assert hot[0, 0].tolist() != [90, 90, 90]


def test_a_scale_is_a_bar_of_the_heats_colours_below_the_tiles() -> None:
    tile = np.zeros((10, 10, 3), np.uint8)
    made = tile_sheet([("", [tile] * 4)], tile_px=60, scale=("low", "high"))
    bar = made[22 + 60 :]
    assert bar.shape[0] == 22
    coloured = [tuple(colour) for colour in bar[11, 50:-50] if len(set(colour.tolist())) > 1]
    assert len(set(coloured)) > 20
    assert (bar[:, :40] < 100).any(), "the name of the low end"
    assert (bar[:, -40:] < 100).any(), "the name of the high end"


def test_a_note_stands_in_the_lower_left_corner() -> None:
    picture = np.full((60, 60, 3), 90, np.uint8)
    made = noted(picture, "0.12")
    assert (made[40:, :40] != 90).any()
    assert (made[:40] == 90).all()
    assert (made[:, 45:] == 90).all()
