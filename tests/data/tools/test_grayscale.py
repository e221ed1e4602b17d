"""The tool `grayscale`: depths, alpha, and pictures without colours."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import draw, fill, pixels_of
from PIL import Image

from p2p_jax.data.pictures import write_picture
from p2p_jax.data.tools.grayscale import make_grayscale


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"1.png": draw(1), "sub/2.png": draw(2), "sub/10.png": draw(10)})


def test_pairs_for_colorization_are_made(tmp_path, photos):
    write_picture(photos / "grey.png", draw(3, channels=1))
    (note,) = make_grayscale(photos, tmp_path / "out").notes
    assert "1 of 4 pictures had no colours" in note
    grey = np.asarray(Image.fromarray(draw(2)).convert("L"))[..., None]
    assert np.array_equal(pixels_of(tmp_path / "out" / "A" / "sub" / "2.png"), grey)
    assert np.array_equal(pixels_of(tmp_path / "out" / "B" / "sub" / "2.png"), draw(2))
    assert np.array_equal(pixels_of(tmp_path / "out" / "B" / "grey.png"), draw(3, channels=1).repeat(3, -1))
    make_grayscale(photos, tmp_path / "pairs", pairs=True)
    assert np.array_equal(pixels_of(tmp_path / "pairs" / "sub" / "2.png"), np.hstack([grey.repeat(3, -1), draw(2)]))


def test_depth_and_alpha_are_kept_and_other_channels_refused(tmp_path):
    deep = draw(1, channels=4, dtype=np.uint16)
    make_grayscale(fill(tmp_path / "deep", {"1.png": deep}), tmp_path / "out")
    grey = pixels_of(tmp_path / "out" / "A" / "1.png")
    assert grey.shape == (12, 10, 2)
    assert np.array_equal(grey[..., 1], deep[..., 3])
    assert np.allclose(grey[..., 0], deep[..., :3] @ [0.299, 0.587, 0.114], atol=0.6)
    with pytest.raises(ValueError, match=r"1\.npy: it has 5 channels"):
        make_grayscale(fill(tmp_path / "five", {"1.npy": draw(1, channels=5)}), tmp_path / "no")
