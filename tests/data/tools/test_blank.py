"""The tool `blank`: the shapes of holes, and their masks."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import draw, files_in, fill, pixels_of

from p2p_jax.data.layout import find_pairs
from p2p_jax.data.pictures import Picture, write_picture
from p2p_jax.data.tools.blank import blank, blank_pictures, draw_hole
from p2p_jax.data.tools.runner import Writing


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"1.png": draw(1), "sub/2.png": draw(2), "sub/10.png": draw(10)})


@pytest.mark.parametrize("shape", ["random-rectangle", "strokes"])
def test_the_mask_shows_the_hole(tmp_path, shape, photos):
    write_picture(photos / "clear.png", draw(7, channels=4))
    write_picture(photos / "deep.png", draw(8, dtype=np.uint16))
    blank_pictures(photos, tmp_path / "out", shape=shape, fill=3)
    (split,) = find_pairs(tmp_path / "out").values()
    assert [name for name, _ in split] == ["1", "clear", "deep", "sub/2", "sub/10"]
    for name, sides in split:
        a, b, mask = (pixels_of(sides[side]) for side in ("A", "B", "mask"))
        assert mask.shape == (12, 10, 1)
        assert mask.dtype == np.uint8
        hole = mask[..., 0] == 255
        assert (hole | (mask[..., 0] == 0)).all()
        assert 0.15 < hole.mean() < 0.4
        assert np.array_equal(b, pixels_of(photos / f"{name}.png"))
        assert np.array_equal(a[~hole], b[~hole])
        assert (a[hole][:, :3] == (3 * 257 if a.dtype == np.uint16 else 3)).all()
        if name == "clear":
            assert np.array_equal(a[..., 3], b[..., 3])


def test_a_hole_depends_on_the_name_and_the_seed(tmp_path, photos):
    def masks(folder: Path, output: str, seed: int = 0, workers: int | None = None) -> dict[str, bytes]:
        writing = Writing(workers=workers)
        blank_pictures(folder, tmp_path / output, shape="random-rectangle", seed=seed, writing=writing)
        return {name: (tmp_path / output / "mask" / name).read_bytes() for name in files_in(tmp_path / output / "mask")}

    first = masks(photos, "x", workers=3)
    assert len(set(first.values())) == 3
    fewer = fill(tmp_path / "fewer", {"sub/10.png": draw(99)})
    assert masks(fewer, "y", workers=1) == {"sub/10.png": first["sub/10.png"]}
    assert masks(photos, "z", seed=1) != first


@pytest.mark.parametrize("shape", ["rectangle", "random-rectangle", "strokes"])
@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.8])
def test_a_hole_has_its_fraction_of_the_area_and_depends_on_the_seed(shape, fraction):
    holes = [draw_hole((60, 90), shape, fraction, np.random.default_rng(seed)) for seed in (0, 0, 1, 2)]
    assert holes[0].shape == (60, 90)
    assert holes[0].dtype == bool
    allowed = 0.03 if shape == "strokes" else 0.012
    assert all(abs(hole.mean() - fraction) < allowed for hole in holes)
    assert np.array_equal(holes[0], holes[1])
    assert all(np.array_equal(holes[0], hole) == (shape == "rectangle") for hole in holes[2:])
    if shape != "strokes":
        rows, columns = np.nonzero(holes[2])
        assert holes[2][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    if shape == "rectangle":
        top, bottom, left, right = rows.min(), 59 - rows.max(), columns.min(), 89 - columns.max()
        assert max(abs(top - bottom), abs(left - right)) <= 1  # in the middle


def test_random_rectangles_have_all_shapes_and_places():
    holes = [draw_hole((64, 64), "random-rectangle", 0.1, np.random.default_rng(seed)) for seed in range(60)]
    heights, widths = (np.array([hole.any(axis=axis).sum() for hole in holes]) for axis in (1, 0))
    assert 0.45 < (heights / widths).min() < 0.7
    assert 1.4 < (heights / widths).max() < 2.2
    assert np.any(holes, axis=0).mean() > 0.8
    wide = draw_hole((8, 200), "random-rectangle", 0.9, np.random.default_rng(0))
    assert abs(wide.mean() - 0.9) < 0.06


def test_blanking_does_not_change_its_argument():
    pixels = draw(1)
    blank(Picture(pixels), np.ones((12, 10), bool), 5)
    assert np.array_equal(pixels, draw(1))
