"""Weights of small networks for the tests of trained features, and marks for tests that need the trained ones."""

import numpy as np
import pytest

from helpers import feature_inputs as inputs
from helpers import reference_values as values
from p2p_jax.features import packages
from p2p_jax.features.backbones import LpipsWeights
from p2p_jax.features.layers import Layer
from p2p_jax.features.lite0 import Block, Lite0Weights, lite0_weights

NEEDS_LPIPS = pytest.mark.skipif(packages.find(packages.LPIPS_ALEX) is None, reason="needs the extra lpips")

NEEDS_LITE0 = pytest.mark.skipif(packages.find(packages.LITE0) is None, reason="needs the extra lite0")


def small_lpips(network: str) -> LpipsWeights:
    """Returns the random weights with which `record_features.py` recorded a small LPIPS."""
    drawn = values.weights(f"features/{network}", inputs.lpips_shapes(network))
    count = len(inputs.SMALL_WIDTHS[network])
    layers = [Layer(drawn[f"{i}.weight"].transpose(2, 3, 1, 0), drawn[f"{i}.bias"]) for i in range(count)]
    return LpipsWeights(layers, [drawn[f"head.{i}"] for i in range(5)])


def small_lite0() -> Lite0Weights:
    """Returns the random weights with which `record_features.py` recorded a small Lite0."""
    return lite0_weights(values.weights("features/lite0", inputs.lite0_shapes()), len(inputs.LITE0_BLOCKS))


def difference(found, expected) -> float:
    """Returns the largest difference, relative to the largest expected value."""
    return float(np.abs(np.asarray(found, np.float64) - expected).max() / np.abs(expected).max())


def tiny_lite0() -> Lite0Weights:
    """Returns random weights with the blocks and strides of the trained Lite0, but very few channels."""
    random = np.random.default_rng(0)

    def layer(size: int, old: int, new: int) -> Layer:
        kernel = random.normal(0, np.sqrt(2 / (size * size * old)), (size, size, old, new))
        return Layer(kernel.astype(np.float32), random.normal(0, 0.1, new).astype(np.float32))

    widths, blocks, old = (2, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7), [], 4
    for new in widths:
        blocks.append(Block(None, layer(3, 1, old), layer(1, old, new)))
        old = new
    return Lite0Weights(layer(3, 3, 4), blocks, layer(1, old, 8))
