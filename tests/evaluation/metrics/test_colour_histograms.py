"""Lab compared with scikit-image's, recorded by `tests/reference/record_metrics.py`; histograms with numpy's."""

import jax
import numpy as np
import pytest
from helpers import metric_pairs as pairs

from p2p_jax.errors import UserError
from p2p_jax.evaluation import metrics
from p2p_jax.evaluation.metrics.colour_histograms import to_lab


def draw(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, 12, 9, 3), np.uint8)


def test_lab_equals_scikit_images():
    with np.load(pairs.RECORDED) as recorded:
        np.testing.assert_allclose(to_lab(pairs.all_colours()), recorded["lab"], atol=2e-4)
        with jax.enable_x64(True):
            np.testing.assert_allclose(to_lab(pairs.all_colours().astype(np.float64)), recorded["lab"], atol=1e-11)


def test_histograms_are_numpys():
    with jax.enable_x64(True):
        found, lab = metrics.histograms(draw().astype(float)), np.asarray(to_lab(draw().astype(float)))
    edges = [np.arange(56) * 2, *[np.arange(56) * 4 - 110] * 2]
    for picture in range(2):
        for channel in range(3):
            expected, _ = np.histogram(lab[picture, ..., channel], edges[channel])
            assert found[picture, channel].tolist() == expected.tolist()


@pytest.mark.slow
def test_the_distance_is_zero_for_the_same_colours_elsewhere_and_one_for_others():
    black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    np.testing.assert_allclose(metrics.colour_distance(draw(), draw()[:, ::-1]), [0, 0], atol=1e-6)
    np.testing.assert_allclose(metrics.colour_distance(black, white), [1 / 3], rtol=1e-6)  # a and b of both are 0
    red, cyan = np.array([255, 0, 0]) * (white > 0), np.array([0, 255, 255]) * (white > 0)
    assert metrics.colour_distance(red, cyan).tolist() == [1]


def test_histograms_of_a_set_are_sums():
    first, second = (metrics.histograms(draw(seed)).sum(0) for seed in (0, 1))
    shared = metrics.histogram_intersection(first, second)
    assert shared.shape == (3,)
    np.testing.assert_allclose(shared, np.minimum(first / 216, second / 216).sum(-1), rtol=1e-6)


def test_other_channels_are_refused():
    with pytest.raises(UserError, match="they need 3 channels"):
        metrics.colour_distance(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1)))
