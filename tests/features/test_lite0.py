"""EfficientNet-Lite0 compared with the values that PyTorch computed, for a small and for the trained network."""

import jax
import matplotlib
import numpy as np
import pytest
from helpers import feature_inputs as inputs
from helpers.feature_weights import NEEDS_LITE0, difference, small_lite0
from helpers.reference_values import load
from PIL import Image

from p2p_jax.data.resizing import resize
from p2p_jax.errors import UserError
from p2p_jax.evaluation.features.extract import open_features
from p2p_jax.features.lite0 import lite0_features, read_lite0_weights
from p2p_jax.features.packages import LITE0, locate
from p2p_jax.weight_files.state_dict import read_state_dict

compute = jax.jit(lite0_features, static_argnames=("strides", "side"))


@pytest.mark.parametrize("size", inputs.SIZES)
def test_a_small_network_agrees_with_pytorch(size):
    found = compute(small_lite0(), inputs.pairs(size)[0], inputs.LITE0_STRIDES, side=None)
    assert difference(found, load("features")[f"small_lite0/{size}"]) < 1e-5


def test_pictures_are_resized_as_pil_resizes_floats():
    pictures, weights = inputs.pairs("odd")[0], small_lite0()
    resized = [resize(picture.astype(np.float32), (40, 40), "bicubic").clip(0, 255) for picture in pictures]
    found = compute(weights, pictures, inputs.LITE0_STRIDES, side=40)
    expected = compute(weights, np.stack(resized), inputs.LITE0_STRIDES, side=None)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_pictures_of_other_channels_are_refused():
    with pytest.raises(UserError, match="2 channels"):
        lite0_features(small_lite0(), np.zeros((1, 8, 8, 2)), inputs.LITE0_STRIDES)


@pytest.mark.slow
@NEEDS_LITE0
@pytest.mark.parametrize("size", inputs.SIZES)
def test_the_trained_network_agrees_with_pytorch(size):
    found = compute(read_lite0_weights(), inputs.pairs(size)[0][:3], side=None)
    assert difference(found, load("features")[f"lite0/{size}"]) < 1e-4


@pytest.mark.slow
@NEEDS_LITE0
def test_the_trained_network_recognizes_a_photograph():
    path = f"{matplotlib.get_data_path()}/sample_data/grace_hopper.jpg"
    picture = np.asarray(Image.open(path).convert("RGB"))[None, 50:562]
    classifier = {name: read_state_dict(locate(LITE0))[f"_fc.{name}"] for name in ("weight", "bias")}
    logits = np.asarray(open_features("lite0")(picture)) @ classifier["weight"].T + classifier["bias"]
    assert logits.argmax() == 652  # ImageNet's class "military uniform"
