"""Side-by-side pairs have a seam in the middle, single pictures continue there, and noise decides nothing."""

import numpy as np
import pytest
from helpers.layouts import labels, pair, photo

from p2p_jax.data.seams import vote


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pairs_and_single_pictures_differ(dtype):
    votes = {draw: [vote(draw(i).astype(dtype)) for i in range(12)] for draw in (pair, photo, labels)}
    assert sum(votes[pair]) >= 10
    assert sum(votes[photo]) <= -6
    assert sum(votes[labels]) <= -6


@pytest.mark.parametrize("width", [8, 15, 16, 17, 18, 23, 33, 50, 100, 101])
def test_pictures_of_any_width_are_looked_at(width):
    noise = np.random.default_rng(0).integers(0, 256, (20, width, 3), dtype=np.uint8)
    assert vote(noise) == 0
    assert vote(np.zeros((20, width, 1), np.uint8)) == 0
    ramp = np.tile(np.arange(width, dtype=np.float32)[None, :, None], (20, 1, 1))
    assert vote(ramp) <= 0
