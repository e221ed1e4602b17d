"""PSNR compared with its definition."""

import numpy as np

from p2p_jax.evaluation import metrics


def draw(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_psnr_is_in_decibels_of_255_and_one_figure_per_picture():
    x, y = draw(3, 5, 4, 3), draw(3, 5, 4, 3, seed=1)
    error = ((x.astype(float) - y.astype(float)) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(metrics.psnr(x, y), 20 * np.log10(255) - 10 * np.log10(error), rtol=1e-5)
    black, white = np.zeros((1, 2, 2, 3), np.uint8), np.full((1, 2, 2, 3), 255, np.uint8)
    assert metrics.psnr(black, white).tolist() == metrics.psnr(white, black).tolist() == [0]
    assert metrics.psnr(black, black).tolist() == [np.inf]
