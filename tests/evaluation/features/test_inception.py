"""Inception compared with the values of piq's Inception for FID in PyTorch, with random weights."""

import hashlib

import jax
import numpy as np
import pytest
from helpers import reference_values as values
from helpers.feature_weights import difference
from PIL import Image

from p2p_jax.errors import UserError
from p2p_jax.evaluation.features import inception
from p2p_jax.evaluation.features.extract import open_features
from p2p_jax.weight_files.state_dict import write_state_dict


@pytest.mark.slow
def test_the_network_agrees_with_pytorch():
    recorded = values.load("features")
    weights = inception.inception_weights(values.weights("features/inception", values.shapes(recorded, "inception")))
    pictures = values.uniform("features/inception/x", 2, 3, 107, 91, low=0, high=255).transpose(0, 2, 3, 1)
    found = jax.jit(inception.inception_features)(weights, pictures)
    assert found.shape == (2, 2048)
    assert difference(found, recorded["inception/y"]) < 1e-4


def test_each_channel_is_resized_with_pil_as_floats_and_clipped():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 20, 31, 3), np.uint8)
    found = inception.inception_inputs(pictures)
    assert found.shape == (2, 299, 299, 3)
    channel = Image.fromarray(pictures[1, ..., 2].astype(np.float32), mode="F").resize((299, 299), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found[1, ..., 2], np.asarray(channel).clip(0, 255))
    assert found.min() == 0
    assert found.max() == 255
    np.testing.assert_array_equal(inception.inception_inputs(pictures[..., :1])[..., 2], found[..., 0])


def test_a_file_of_another_hash_is_refused(tmp_path):
    write_state_dict(tmp_path / "weights.pth", {"a": np.zeros(3, np.float32)})
    digest = hashlib.sha256((tmp_path / "weights.pth").read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"{digest[:16]}.*starts with 6726825d"):
        open_features("inception", tmp_path / "weights.pth")


def test_a_missing_file_is_told():
    with pytest.raises(UserError, match=r"nowhere\.pth is not a file: give the path of pt_inception"):
        open_features("inception", "nowhere.pth")
    with pytest.raises(UserError, match="come with no package: give the path of pt_inception"):
        open_features("inception")
