"""What the tools draw: pairs side by side, padding, edges, holes."""

import numpy as np
import pytest
from helpers.drawing import DEFAULTS, draw, square

from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.arrays import blank, draw_hole, draw_lines, find_edges, join, resize_whole

# Combine and split.


def test_unlike_halves_are_brought_together_without_loss():
    grey, rgb, deep = draw(1, channels=1), draw(2), draw(3, dtype=np.uint16)
    joined = join(Picture(grey), Picture(rgb))
    assert np.array_equal(joined[:, :10], grey.repeat(3, -1))
    assert np.array_equal(joined[:, 10:], rgb)
    assert join(Picture(rgb), Picture(deep)).dtype == np.uint16
    assert np.array_equal(join(Picture(rgb), Picture(deep))[:, :10] // 257, rgb)
    clear = draw(4, channels=4)
    for halves in ((Picture(grey), Picture(clear, True)), (Picture(draw(5, channels=2), True), Picture(rgb))):
        joined = join(*halves)
        assert joined.shape == (12, 20, 4)
        for half, place in zip(halves, (joined[:, :10], joined[:, 10:]), strict=True):
            colours = half.pixels[..., : half.pixels.shape[-1] - half.has_alpha]
            assert (place[..., :3] == colours).all()
            assert (place[..., 3] == (half.pixels[..., -1] if half.has_alpha else 255)).all()


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (draw(1), draw(2, (12, 12)), "10 x 12 and 12 x 12 pixels"),
        (draw(1), draw(2, dtype=np.float32), "real numbers"),
        (draw(1), draw(2, channels=5), "3 and 5 channels"),
    ],
)
def test_halves_that_do_not_go_together_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        join(Picture(a), Picture(b))


# Resize.


def test_padding_fits_every_depth_and_is_opaque():
    for dtype, expected in ((np.uint8, 100), (np.uint16, 25700), (np.float32, np.float32(100 / 255))):
        found = resize_whole(Picture(draw(1, (8, 8), 4, dtype), True), (8, 9), "area", 100)
        assert found.dtype == dtype
        assert (found[:, 8, :3] == expected).all()
        assert (found[:, 8, 3] == {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]).all()
    assert resize_whole(Picture(draw(1, (8, 900))), (64, 64), "bicubic", "mirror").shape == (64, 64, 3)


# Edges.


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
def test_thresholds_are_the_difference_across_an_edge_at_any_sigma(sigma):
    pixels = np.full((40, 40, 1), 50, np.uint8)
    pixels[:, 20:] = 110
    for scaled in (pixels, pixels.astype(np.uint16) * 257, pixels.astype(np.float32) / 255):
        assert find_edges(scaled, sigma=sigma, low=10, high=59.5, shortest=1).sum() == 40
        assert not find_edges(scaled, sigma=sigma, low=10, high=60.5, shortest=1).any()


def test_weak_edges_stay_only_where_they_go_on_from_a_strong_one():
    pixels = np.full((40, 60, 1), 50, np.uint8)
    pixels[20:] = (50 + np.linspace(0, 100, 60))[:, None].astype(np.uint8)  # an edge that fades to the left
    pixels[5:10, 5:30] = 90  # and a patch of the strength of its middle
    lines = find_edges(pixels, sigma=1, low=20, high=80, shortest=1)
    assert not lines[:15].any()
    columns = np.flatnonzero(lines[15:].any(axis=0))
    assert columns.min() in range(10, 15)  # where the difference is 20
    assert columns.max() == 59
    assert find_edges(pixels, sigma=1, low=20, high=30, shortest=1)[:15].any()


def test_short_lines_are_dropped():
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


# Blank.


@pytest.mark.parametrize("shape", ["rectangle", "random-rectangle", "strokes"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_a_hole_has_its_share_and_follows_from_chance_alone(shape, share):
    holes = [draw_hole((60, 90), shape, share, np.random.default_rng(seed)) for seed in (0, 0, 1, 2)]
    assert holes[0].shape == (60, 90)
    assert holes[0].dtype == bool
    allowed = 0.03 if shape == "strokes" else 0.012
    assert all(abs(hole.mean() - share) < allowed for hole in holes)
    assert np.array_equal(holes[0], holes[1])
    assert all(np.array_equal(holes[0], hole) == (shape == "rectangle") for hole in holes[2:])
    if shape != "strokes":
        rows, columns = np.nonzero(holes[2])
        assert holes[2][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    if shape == "rectangle":
        top, bottom, left, right = rows.min(), 59 - rows.max(), columns.min(), 89 - columns.max()
        assert max(abs(top - bottom), abs(left - right)) <= 1  # in the middle


def test_random_rectangles_are_of_all_shapes_and_everywhere():
    holes = [draw_hole((64, 64), "random-rectangle", 0.1, np.random.default_rng(seed)) for seed in range(60)]
    heights, widths = (np.array([hole.any(axis=axis).sum() for hole in holes]) for axis in (1, 0))
    assert 0.45 < (heights / widths).min() < 0.7
    assert 1.4 < (heights / widths).max() < 2.2
    assert np.any(holes, axis=0).mean() > 0.8
    wide = draw_hole((8, 200), "random-rectangle", 0.9, np.random.default_rng(0))
    assert abs(wide.mean() - 0.9) < 0.06


def test_blanking_leaves_the_picture_as_it_was():
    pixels = draw(1)
    blank(Picture(pixels), np.ones((12, 10), bool), 5)
    assert np.array_equal(pixels, draw(1))
