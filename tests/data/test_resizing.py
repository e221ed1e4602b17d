"""Resizing: bit for bit as PIL does, for every depth and each channel separately."""

import numpy as np
import pytest
from helpers.drawing import smooth
from PIL import Image

from p2p_jax.data.resizing import resize


@pytest.mark.parametrize("size", [(10, 31), (32, 48), (286, 286), (16, 24)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_is_pils_bicubic_bit_for_bit(size, channels):
    colours = smooth()
    picture = Image.fromarray(colours).convert("L" if channels == 1 else "RGB")
    made = resize(np.asarray(picture).reshape(16, 24, channels), size)
    assert made.shape == (*size, channels)
    assert made.dtype == np.uint8
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))
    assert np.array_equal(made.squeeze(-1) if channels == 1 else made, expected)


@pytest.mark.parametrize("size", [(10, 31), (32, 48)])
@pytest.mark.parametrize("method", ["bicubic", "bilinear", "nearest"])
def test_other_depths_are_resized_as_pil_resizes_floating_point_numbers(size, method):
    deep = np.random.default_rng(0).integers(0, 65536, (16, 24, 2)).astype(np.uint16)
    filters = {
        "bicubic": Image.Resampling.BICUBIC,
        "bilinear": Image.Resampling.BILINEAR,
        "nearest": Image.Resampling.NEAREST,
    }
    for dtype in (np.uint16, np.float32):
        made = resize(deep.astype(dtype), size, method)
        assert made.dtype == dtype
        for channel in range(2):
            expected = Image.fromarray(deep[..., channel].astype(np.float32)).resize(size[::-1], filters[method])
            expected = np.asarray(expected) if dtype == np.float32 else np.round(np.asarray(expected)).clip(0, 65535)
            assert np.array_equal(made[..., channel], expected)


def test_channels_do_not_mix_where_the_fourth_is_no_transparency():
    pixels = np.zeros((16, 24, 4), np.uint8)
    pixels[..., :3] = 200
    assert (resize(pixels, (10, 31))[..., :3] == 200).all()
