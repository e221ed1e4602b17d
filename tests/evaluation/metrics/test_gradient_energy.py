"""Sharpness compared with its definition."""

import numpy as np

from p2p_jax.evaluation import metrics


def test_it_is_the_energy_of_the_differences_over_the_targets():
    picture, target = np.random.default_rng(0).uniform(0, 255, (2, 2, 7, 5, 3)).astype(np.float32)
    energy = lambda p: sum((np.diff(p.astype(float), axis=axis) ** 2).sum((1, 2, 3)) for axis in (1, 2))
    np.testing.assert_allclose(metrics.sharpness(picture, target), energy(picture) / energy(target), rtol=1e-5)


def test_a_blurred_picture_is_below_one_and_a_noisy_one_above():
    random = np.random.default_rng(0)
    target = random.uniform(0, 255, (1, 9, 9, 1))
    pictures = np.concatenate([target, (target + np.roll(target, 1, 1)) / 2, target + random.normal(0, 60, target.shape)])
    same, blurred, noisy = metrics.sharpness(pictures, np.repeat(target, 3, 0)).tolist()
    assert blurred < 0.9 < same == 1 < noisy


def test_a_uniform_target_has_none():
    uniform, known = np.full((1, 4, 4, 1), 7.0), np.ones((1, 4, 4, 1))
    target = uniform + np.eye(4)[None, :, :, None]
    known[:, np.eye(4) > 0] = 0
    assert np.isnan(metrics.sharpness(target, uniform)[0])
    assert np.isnan(metrics.sharpness(target, target, known)[0])
