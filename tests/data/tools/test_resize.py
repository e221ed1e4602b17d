"""The tool `resize`: to a size, and with padding."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import draw, files_in, fill, pixels_of

from p2p_jax.data.pictures import Picture
from p2p_jax.data.tools.resize import resize_pictures, resize_with_padding


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"1.png": draw(1), "sub/2.png": draw(2), "sub/10.png": draw(10)})


def test_pictures_are_resized(tmp_path, photos):
    resize_pictures(photos, tmp_path / "out", (24, 30), method="nearest")
    assert files_in(tmp_path / "out") == files_in(photos)
    expected = draw(10).repeat(2, 0).repeat(3, 1)
    assert np.array_equal(pixels_of(tmp_path / "out" / "sub" / "10.png"), expected)


def test_padding_keeps_the_ratio(tmp_path, photos):
    resize_pictures(photos, tmp_path / "out", (12, 15), pad=True, fill=9)
    found = pixels_of(tmp_path / "out" / "1.png")
    assert np.array_equal(found[:, 2:12], draw(1))
    assert (found[:, :2] == 9).all()
    assert (found[:, 12:] == 9).all()
    resize_pictures(photos, tmp_path / "mirrored", (17, 10), pad=True, fill="mirror")
    found = pixels_of(tmp_path / "mirrored" / "1.png")
    assert np.array_equal(found[2:14], draw(1))
    assert np.array_equal(found[:2], draw(1)[2:0:-1])
    assert np.array_equal(found[14:], draw(1)[-2:-5:-1])


def test_padding_suits_every_depth_and_is_opaque():
    for dtype, expected in ((np.uint8, 100), (np.uint16, 25700), (np.float32, np.float32(100 / 255))):
        found = resize_with_padding(Picture(draw(1, (8, 8), 4, dtype), True), (8, 9), "area", 100)
        assert found.dtype == dtype
        assert (found[:, 8, :3] == expected).all()
        assert (found[:, 8, 3] == {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]).all()
    assert resize_with_padding(Picture(draw(1, (8, 900))), (64, 64), "bicubic", "mirror").shape == (64, 64, 3)
