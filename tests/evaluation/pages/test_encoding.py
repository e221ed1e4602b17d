"""Pictures in a page: exact where they must be, and within a budget."""

import base64
import io

import numpy as np
from PIL import Image

from p2p_jax.evaluation.pages.encoding import QUALITIES, Picture, describe, encode_all

NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


def decode(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def test_label_maps_and_flat_pictures_are_exact():
    flat = np.zeros((64, 64, 3), np.uint8)
    flat[20:, 10:30] = 200, 10, 7
    encoded, quality = encode_all([Picture(NOISE, exact=True), Picture(flat), Picture(NOISE[..., :1], exact=True)], 10**6)
    assert quality == 100
    assert "exact" in describe(quality)
    assert all(each.source.startswith("data:image/png;base64,") for each in encoded)
    np.testing.assert_array_equal(decode(encoded[0].source), NOISE)
    np.testing.assert_array_equal(decode(encoded[1].source), flat)
    np.testing.assert_array_equal(decode(encoded[2].source), NOISE[..., 0])
    assert encoded[0][1:] == (50, 40)


def test_the_quality_falls_until_the_pictures_fit():
    pictures = [Picture(NOISE)] * 3
    large, best = encode_all(pictures, 10**6)
    size = sum(len(each.source) for each in large)
    small, lower = encode_all(pictures, int(size * 0.7))
    assert best == QUALITIES[0] > lower
    assert sum(len(each.source) for each in small) < size * 0.7
    assert f"quality {lower}" in describe(lower)
    assert encode_all(pictures, 1)[1] == QUALITIES[-1]


def test_large_pictures_are_reduced():
    picture = encode_all([Picture(np.zeros((16, 2048, 1), np.uint8))], 10**6)[0][0]
    assert (picture.width, picture.height) == (1024, 8)
