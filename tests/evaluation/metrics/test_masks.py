"""Pixels whose target is not known count in no metric."""

import jax
import numpy as np
import pytest

from p2p_jax.evaluation import metrics

SMALL = (metrics.l1, metrics.psnr, metrics.ssim, metrics.haarpsi, metrics.sharpness, metrics.colour_distance)
LARGER = ((metrics.checkerboard, 40), pytest.param(metrics.ms_ssim, 176, marks=pytest.mark.exhaustive))


@pytest.mark.slow
def test_unknown_pixels_do_not_count():
    random = np.random.default_rng(0)
    target = random.uniform(0, 255, (2, 24, 20, 3)).astype(np.float32)
    picture = np.clip(target + random.normal(0, 9, target.shape), 0, 255).astype(np.float32)
    known = np.ones((2, 24, 20, 1), np.float32)
    assert np.allclose(
        [f(picture, target, known) for f in (metrics.l1, metrics.psnr, metrics.ssim)],
        [f(picture, target) for f in (metrics.l1, metrics.psnr, metrics.ssim)],
        rtol=1e-5,
    )
    known[:, 3:9, 4:15] = 0
    wrong = np.where(known > 0, picture, 255 - target)
    for f in (metrics.l1, metrics.psnr, metrics.ssim):
        assert np.array_equal(f(wrong, target, known), f(picture, target, known))
    rows = np.broadcast_to(known > 0, picture.shape)[0]
    expected = np.abs(picture[0][rows] - target[0][rows]).mean() / 127.5
    assert float(metrics.l1(wrong, target, known)[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "size"), [*((metric, 24) for metric in SMALL), *LARGER])
def test_values_of_unknown_pixels_change_no_metric(metric, size):
    random = np.random.default_rng(0)
    target = random.uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    picture = np.clip(target + random.normal(0, 9, target.shape), 0, 255).astype(np.float32)
    known = np.ones((2, size, size, 1), np.float32)
    measure = jax.jit(metric)
    np.testing.assert_allclose(measure(picture, target, known), metric(picture, target), rtol=1e-5)
    known[:, 3:9, 4:15] = 0
    wrong = np.where(known > 0, picture, 255 - target)
    right = np.asarray(measure(picture, target, known))
    np.testing.assert_allclose(measure(wrong, target, known), right, rtol=1e-6)
    assert not np.allclose(metric(wrong, target), metric(picture, target), rtol=1e-4)


@pytest.mark.slow
def test_a_picture_without_known_pixels_has_no_score():
    pictures, known = np.zeros((1, 16, 16, 3), np.float32), np.zeros((1, 16, 16, 1), np.float32)
    assert all(np.isnan(metric(pictures, pictures, known)[0]) for metric in SMALL)
