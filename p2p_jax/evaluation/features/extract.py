"""Functions from pictures to features, by the names of their networks."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import jax
import numpy as np
from jax import Array

from p2p_jax.errors import UserError
from p2p_jax.evaluation.features import inception
from p2p_jax.features import packages
from p2p_jax.features.backbones import LpipsWeights, backbone_features, read_lpips_weights
from p2p_jax.features.lite0 import lite0_features, read_lite0_weights

FeatureNetwork = Literal["vgg16", "lite0", "inception"]

FEATURES: dict[FeatureNetwork, int] = {"vgg16": 512, "lite0": 1280, "inception": 2048}
"""The number of features of each network, with the trained weights."""

Extract = Callable[[np.ndarray], Array]
"""A function from pictures (n, h, w, 3) or (n, h, w, 1), from 0 to 255, to features (n, d) float32."""

NO_FILE = (
    f"Inception's weights come with no package: give the path of {inception.NAME}, from the releases of "
    "mseitzer/pytorch-fid"
)
"""What is missing for Inception."""


def vgg16_features(weights: LpipsWeights, pictures: Array | np.ndarray) -> Array:
    """Computes VGG16's last features, averaged over all positions.

    Pictures are not resized, so that values of metrics can only be compared for pictures of one size.

    Args:
        weights: of VGG16, from `read_lpips_weights`.
        pictures: (n, h, w, 3) or, grey, (n, h, w, 1), from 0 to 255, of any dtype.

    Returns:
        (n, d) float32, d = 512 with the trained weights.

    Raises:
        UserError: a side is below 16 pixels, or the pictures have neither 1 nor 3 channels.
    """
    return backbone_features(weights, pictures, "vgg")[-1].mean((1, 2))


def missing(network: FeatureNetwork, inception_file: str | Path | None = None) -> str | None:
    """Returns None if the weights of a network are there, else what is missing and how to get it."""
    if network == "inception":
        return NO_FILE if inception_file is None else None
    return packages.missing({"vgg16": packages.LPIPS_VGG, "lite0": packages.LITE0}[network])


def open_features(network: FeatureNetwork, inception_file: str | Path | None = None) -> Extract:
    """Reads the weights of a network and returns its jitted function from pictures to features.

    Args:
        network: "vgg16", "lite0" or "inception".
        inception_file: the weights of Inception.

    Raises:
        UserError: there is no such network, or its weights are missing or have changed.
    """
    if network not in get_args(FeatureNetwork):
        raise UserError(f"there is no network {network} for features: give {', '.join(get_args(FeatureNetwork))}.")
    lacking = missing(network, inception_file)
    if lacking is not None:
        raise UserError(f"{lacking}.")
    if network == "inception":
        assert inception_file is not None
        of_inception = jax.device_put(dict(inception.read_inception_weights(inception_file)))
        compute = jax.jit(inception.inception_features)
        return lambda pictures: compute(of_inception, inception.inception_inputs(pictures))
    if network == "vgg16":
        of_vgg, compute_vgg = jax.device_put(read_lpips_weights("vgg")), jax.jit(vgg16_features)
        return lambda pictures: compute_vgg(of_vgg, pictures)
    of_lite0, compute_lite0 = jax.device_put(read_lite0_weights()), jax.jit(lite0_features)
    return lambda pictures: compute_lite0(of_lite0, pictures)
