"""LPIPS compared with the values that PyTorch computed, for small and for trained networks."""

from functools import partial

import jax
import numpy as np
import pytest
from helpers import feature_inputs as inputs
from helpers.feature_weights import NEEDS_LPIPS, difference, small_lpips
from helpers.reference_values import load

from p2p_jax.errors import UserError
from p2p_jax.evaluation.metrics.trained import open_lpips
from p2p_jax.features.lpips import lpips

BOTH = pytest.mark.parametrize("network", ["alex", "vgg"])


@BOTH
def test_small_networks_agree_with_pytorch(network):
    compute, recorded = jax.jit(partial(lpips, network=network)), load("features")
    for size in inputs.SIZES:
        found = compute(small_lpips(network), *inputs.pairs(size))
        assert difference(found, recorded[f"small_{network}/{size}"]) < 1e-5


@pytest.mark.slow
@NEEDS_LPIPS
@BOTH
def test_trained_networks_agree_with_lpips_of_pytorch_on_20_pairs(network):
    compute, recorded = open_lpips(network), load("features")
    for size in inputs.SIZES:
        np.testing.assert_allclose(compute(*inputs.pairs(size)), recorded[f"lpips_{network}/{size}"], atol=1e-5)


def test_equal_pictures_have_distance_zero_and_grey_ones_are_repeated():
    made, target = (pictures[:2] for pictures in inputs.pairs("odd"))
    compute = jax.jit(partial(lpips, small_lpips("alex"), network="alex"))
    np.testing.assert_allclose(compute(target, target), 0, atol=1e-6)
    grey, repeated = ([np.repeat(p[..., :1], times, -1) for p in (made, target)] for times in (1, 3))
    np.testing.assert_allclose(compute(*grey), compute(*repeated), rtol=1e-6)


@pytest.mark.slow
@BOTH
def test_unknown_pixels_do_not_count(network):
    made, target = (pictures[5:7] for pictures in inputs.pairs("even"))
    known = np.ones((2, 64, 64, 1), np.float32)
    weights = small_lpips(network)
    weights = weights._replace(heads=[np.abs(head) for head in weights.heads])  # as trained ones, so that no terms cancel
    compute = jax.jit(partial(lpips, weights, network=network))
    np.testing.assert_allclose(compute(made, target, known), compute(made, target), rtol=1e-5)
    known[0, :, 20:] = 0
    known[1] = 0
    changed = np.where(known > 0, made, 255 - made)
    found = np.asarray(compute(made, target, known))
    np.testing.assert_array_equal(compute(changed, target, known), found)
    assert abs(found[0]) > 1e-4
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        ("alex", (1, 30, 64, 3), "at least 31"),
        ("vgg", (1, 64, 15, 3), "at least 16"),
        ("alex", (1, 64, 64, 4), "4 channels"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(network, shape, message):
    with pytest.raises(UserError, match=message):
        lpips(small_lpips(network), np.zeros(shape), np.zeros(shape), network=network)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "side"), [("alex", 31), ("vgg", 16)])
def test_the_smallest_pictures_have_a_distance(network, side):
    made, target = (pictures[-1:, :side, :side] for pictures in inputs.pairs("even"))
    compute = jax.jit(partial(lpips, small_lpips(network), network=network))
    assert abs(float(compute(made, target)[0])) > 1e-4
