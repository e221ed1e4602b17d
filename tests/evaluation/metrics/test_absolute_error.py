"""L1 compared with its definition."""

import numpy as np

from p2p_jax.evaluation import metrics


def draw(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_l1_is_in_the_scale_of_training_and_one_figure_per_picture():
    x, y = draw(3, 5, 4, 3), draw(3, 5, 4, 3, seed=1)
    expected = np.abs((x / 127.5 - 1) - (y / 127.5 - 1)).mean((1, 2, 3))
    np.testing.assert_allclose(metrics.l1(x, y), expected, rtol=1e-5)
    black, white = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 255, np.uint8)
    assert metrics.l1(black, white).tolist() == metrics.l1(white, black).tolist() == [2]
