"""The tool `edges`: where edges are found, and how they are drawn."""

import numpy as np
import pytest
from helpers.drawing import fill, pixels_of, square

from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import flatten_on_white
from p2p_jax.data.tools.edges import draw_edges, draw_lines, find_edges

DEFAULTS = {"sigma": 1.5, "low": 12.0, "high": 30.0, "shortest": 12}


def test_edges_and_photo_are_written_side_by_side(tmp_path):
    photos = fill(tmp_path / "photos", {"sub/1.png": square(), "deep.png": square().astype(np.uint16) * 257})
    draw_edges(photos, tmp_path / "lines")
    alone = pixels_of(tmp_path / "lines" / "sub" / "1.png")
    assert np.array_equal(alone, draw_lines(find_edges(square(), **DEFAULTS), 1))
    draw_edges(photos, tmp_path / "pairs", pairs=True, thickness=2, invert=True)
    pair = pixels_of(tmp_path / "pairs" / "sub" / "1.png")
    assert np.array_equal(pair[:, 40:], square())
    thick = draw_lines(find_edges(square(), **DEFAULTS), 2, invert=True)
    assert np.array_equal(pair[:, :40], thick.repeat(3, -1))
    deep = pixels_of(tmp_path / "pairs" / "deep.png")
    assert deep.dtype == np.uint16
    assert np.array_equal(deep, pair.astype(np.uint16) * 257)


def test_transparent_areas_have_no_edges(tmp_path):
    clear = np.concatenate([square(), np.zeros((40, 40, 1), np.uint8)], axis=-1)
    assert (flatten_on_white(Picture(clear, True)) == 255).all()
    assert flatten_on_white(Picture(np.full((8, 8, 4), 51, np.uint8), True))[0, 0].tolist() == [214] * 3  # 255 - 204 / 5
    assert flatten_on_white(Picture(np.array([[[0, 0, 0, 1]]], np.uint16), True)).max() == 65534
    assert flatten_on_white(Picture(np.array([[[9, 200, 0, 77]]], np.uint8), True)).tolist() == [[[181, 238, 178]]]
    draw_edges(fill(tmp_path / "clear", {"1.png": clear}), tmp_path / "lines")
    assert (pixels_of(tmp_path / "lines" / "1.png") == 255).all()


def test_the_edges_of_a_square_are_a_thin_line_around_it():
    lines = find_edges(square(), **DEFAULTS)
    rows, columns = np.nonzero(lines)
    assert (rows.min(), columns.min()) in {(11, 11), (12, 12)}
    assert (rows.max(), columns.max()) in {(27, 27), (28, 28)}
    for side in (lines[20], lines[:, 20]):  # across two sides, in the middle
        at = np.flatnonzero(side)
        assert len(at) == 2
        assert at[0] in (11, 12)
        assert at[1] in (27, 28)
    assert not lines[15:25, 15:25].any()


@pytest.mark.parametrize("sigma", [0, 1, 1.5, 3])
def test_thresholds_are_differences_of_brightness_at_any_sigma(sigma):
    pixels = np.full((40, 40, 1), 50, np.uint8)
    pixels[:, 20:] = 110
    for scaled in (pixels, pixels.astype(np.uint16) * 257, pixels.astype(np.float32) / 255):
        assert find_edges(scaled, sigma=sigma, low=10, high=59.5, shortest=1).sum() == 40
        assert not find_edges(scaled, sigma=sigma, low=10, high=60.5, shortest=1).any()


def test_weak_edges_are_kept_only_where_they_continue_a_strong_one():
    pixels = np.full((40, 60, 1), 50, np.uint8)
    pixels[20:] = (50 + np.linspace(0, 100, 60))[:, None].astype(np.uint8)  # an edge that fades to the left
    pixels[5:10, 5:30] = 90  # and a patch of the strength of its middle
    lines = find_edges(pixels, sigma=1, low=20, high=80, shortest=1)
    assert not lines[:15].any()
    columns = np.flatnonzero(lines[15:].any(axis=0))
    assert columns.min() in range(10, 15)  # where the difference is 20
    assert columns.max() == 59
    assert find_edges(pixels, sigma=1, low=20, high=30, shortest=1)[:15].any()


def test_short_lines_are_removed():
    pixels = square(size=60)
    pixels[50:53, 50:53] = 255
    assert find_edges(pixels, **DEFAULTS | {"shortest": 1})[45:].any()
    lines = find_edges(pixels, **DEFAULTS | {"shortest": 30})
    assert not lines[45:].any()
    assert lines[:45].any()


def test_edges_between_colours_of_the_same_grey_are_found():
    pixels = np.zeros((30, 30, 3), np.uint8)
    pixels[:, :15] = (187, 0, 0)
    pixels[:, 15:] = (0, 95, 0)  # 0.299 * 187 = 0.587 * 95
    assert find_edges(pixels, **DEFAULTS)[:, 14:16].any(axis=1).all()
    assert not find_edges(np.full((30, 30, 3), 7, np.uint8), **DEFAULTS).any()


@pytest.mark.parametrize("thickness", [1, 2, 3, 4, 5])
def test_thickness_is_in_pixels(thickness):
    lines = np.zeros((30, 30), bool)
    lines[5:25, 15] = True
    drawn = draw_lines(lines, thickness)
    assert drawn.shape == (30, 30, 1)
    assert set(np.unique(drawn)) == {0, 255}
    at = np.flatnonzero(drawn[15, :, 0] == 0)
    assert len(at) == thickness
    assert abs(at.mean() - 15) <= 0.5
    assert np.array_equal(draw_lines(lines, thickness, invert=True), 255 - drawn)
    dot = np.zeros((30, 30), bool)
    dot[15, 15] = True
    assert (draw_lines(dot, thickness) == 0).sum() == [1, 4, 9, 12, 21][thickness - 1]  # the pen is round
