"""Features by the names of their networks."""

import jax
import numpy as np
import pytest
from helpers import feature_inputs as inputs
from helpers.feature_weights import NEEDS_LPIPS, difference, small_lpips
from helpers.reference_values import load

from p2p_jax.errors import UserError
from p2p_jax.evaluation.features.extract import open_features, vgg16_features


def test_features_of_vgg16_are_means_over_positions_and_each_picture_has_its_own():
    pictures, weights = inputs.pairs("odd")[0], small_lpips("vgg")
    compute = jax.jit(vgg16_features)
    found = compute(weights, pictures)
    assert found.shape == (10, 6)
    np.testing.assert_allclose(found[::-1], compute(weights, pictures[::-1]), rtol=1e-5)
    assert np.ptp(np.asarray(found), axis=0).max() > 1e-3


def test_an_unknown_network_is_refused():
    with pytest.raises(UserError, match="no network resnet for features: give vgg16, lite0, inception"):
        open_features("resnet")


@pytest.mark.slow
@NEEDS_LPIPS
@pytest.mark.parametrize("size", inputs.SIZES)
def test_trained_vgg16_agrees_with_pytorch(size):
    found = open_features("vgg16")(inputs.pairs(size)[0][:3])
    assert difference(found, load("features")[f"vgg16/{size}"]) < 1e-5
