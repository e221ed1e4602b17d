"""SSIM compared with loops that follow its definition."""

import jax
import numpy as np
import pytest

from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics

jit = jax.jit


def draw(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def near(picture, spread, seed=1):
    noise = np.random.default_rng(seed).normal(0, spread, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def naive_ssim(x, y):
    """The mean over windows, from weighted means, variances and the covariance; both pictures are (h, w, c)."""
    g = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(g, g)[:, :, None] / g.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = (p[i : i + 11, j : j + 11].astype(np.float64) for p in (x, y))
            mean_a, mean_b = (weight * a).sum((0, 1)), (weight * b).sum((0, 1))
            var_a, var_b = (weight * (a - mean_a) ** 2).sum((0, 1)), (weight * (b - mean_b) ** 2).sum((0, 1))
            covariance = (weight * (a - mean_a) * (b - mean_b)).sum((0, 1))
            luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
            found.append(luminance * (2 * covariance + c2) / (var_a + var_b + c2))
    return np.mean(found)


def test_ssim_equals_its_definition_for_every_picture():
    x = np.concatenate([draw(2, 13, 17, 3), np.full((1, 13, 17, 3), 200, np.uint8)])
    y = np.stack([near(x[0], 20), near(255 - x[1], 40), near(x[2], 3)])
    found = jit(metrics.ssim)(x, y)
    assert found.shape == (3,)
    expected = [naive_ssim(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(found[:2], expected[:2], atol=1e-5)
    np.testing.assert_allclose(
        found[2], expected[2], atol=2e-4
    )  # in a nearly flat picture float32 loses digits of the variance
    assert found[1] < 0 < found[0] < 1


def test_ssim_of_equal_pictures_is_one_and_falls_with_noise():
    x = draw(1, 11, 12, 1)
    pictures = np.concatenate([x, near(x, 10), near(x, 40), near(x, 120)])
    found = np.asarray(jit(metrics.ssim)(pictures, np.repeat(x, 4, 0)))
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(found) < 0).all()


def test_ssim_of_flat_pictures_is_their_luminance_term():
    x, y = np.full((1, 11, 11, 1), 100, np.uint8), np.full((1, 11, 11, 1), 150, np.uint8)
    c1 = 2.55**2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    np.testing.assert_allclose(jit(metrics.ssim)(x, y), [expected], atol=2e-4)


@pytest.mark.parametrize("size", [(10, 16), (16, 10)])
def test_ssim_refuses_pictures_below_its_window(size):
    with pytest.raises(UserError, match="at least 11 pixels"):
        metrics.ssim(np.zeros((1, *size, 3), np.uint8), np.zeros((1, *size, 3), np.uint8))
