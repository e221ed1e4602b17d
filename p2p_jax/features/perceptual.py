"""Distances of pictures by trained features, as losses: differentiable through the fake, for pictures in [-1, 1]."""

from collections.abc import Callable
from functools import cache, partial
from typing import Literal

import jax.numpy as jnp
from jax import Array

from p2p_jax.features import packages
from p2p_jax.features.backbones import LpipsWeights, backbone_features, read_lpips_weights
from p2p_jax.features.lite0 import Lite0Weights, enlarge, lite0_levels, read_lite0_weights
from p2p_jax.features.lpips import to_unit_length

PerceptualNetwork = Literal["vgg", "alex", "lite0"]

SHIPPED: dict[PerceptualNetwork, packages.Shipped] = {
    "vgg": packages.LPIPS_VGG, "alex": packages.LPIPS_ALEX, "lite0": packages.LITE0,
}  # fmt: skip
"""The files of weights."""

SMALLEST_LITE0 = 128
"""Pixels of the shorter side to which smaller pictures are enlarged, so that the deepest features have 4 x 4 positions.
EfficientNet-Lite0 was trained on 224 x 224 pixels."""


def lpips_loss(weights: LpipsWeights, fake: Array, target: Array, *, network: Literal["vgg", "alex"]) -> Array:
    """The mean of LPIPS over the pairs of a batch.

    The features of fakes and targets are computed apart, so that the backward pass runs through the fakes alone.

    Args:
        weights: of the network, from `backbones.read_lpips_weights`.
        fake, target: (n, h, w, 3) or, grey, (n, h, w, 1), in [-1, 1].
        network: to which the weights belong.

    Returns:
        a scalar, float32, at least 0, seldom over 1.

    Raises:
        UserError: a side is below 31 pixels (alex) or 16 pixels (vgg), or the pictures have neither 1 nor 3 channels.

    Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018, equation 1.
    """
    of_fake, of_target = (backbone_features(weights, to_255(pictures), network) for pictures in (fake, target))
    levels = [
        (jnp.square(to_unit_length(a) - to_unit_length(b)) * head).sum(-1).mean()
        for a, b, head in zip(of_fake, of_target, weights.heads, strict=True)
    ]
    return jnp.stack(levels).sum()


def lite0_loss(weights: Lite0Weights, fake: Array, target: Array, **options: tuple[int, ...]) -> Array:
    """The cosine distance of EfficientNet-Lite0's features: its mean over levels, positions and pairs.

    This is LPIPS without learned weights of the features, and with the mean over the levels in place of their sum.

    Args:
        weights: of the network, from `lite0.read_lite0_weights`.
        fake, target: (n, h, w, 3) or, grey, (n, h, w, 1), in [-1, 1]. Small ones are enlarged, see `picture_levels`.
        **options: of `lite0.lite0_levels`.

    Returns:
        a scalar, float32, in [0, 2].

    Raises:
        UserError: the pictures have neither 1 nor 3 channels.

    Source: Zhang et al. 2018, section 3.1 ("uncalibrated" networks).
    """
    of_fake, of_target = (picture_levels(weights, pictures, **options) for pictures in (fake, target))
    levels = [
        jnp.square(to_unit_length(a) - to_unit_length(b)).sum(-1).mean() / 2
        for a, b in zip(of_fake, of_target, strict=True)
    ]
    return jnp.stack(levels).mean()


def picture_levels(weights: Lite0Weights, pictures: Array, **options: tuple[int, ...]) -> list[Array]:
    """Computes `lite0.lite0_levels` of pictures in [-1, 1]; the shorter side has at least `SMALLEST_LITE0` pixels."""
    return lite0_levels(weights, to_255(enlarge(pictures, SMALLEST_LITE0)), **options)


def to_255(pictures: Array) -> Array:
    """Converts pictures in [-1, 1] to float32 from 0 to 255, the scale of the networks."""
    return (pictures.astype(jnp.float32) + 1) * 127.5


def open_loss(network: PerceptualNetwork) -> Callable[[Array, Array], Array]:
    """Returns the loss `(fake, target) -> scalar` of a network, which reads its weights when it is first called.

    In a jitted function the weights are constants: they are in no state and no checkpoint, and have no gradients.

    Raises:
        UserError: the loss raises it if the weights are missing or have changed, or if the pictures do not fit.
    """
    if network == "lite0":
        read_lite0 = cache(read_lite0_weights)
        return lambda fake, target: lite0_loss(read_lite0(), fake, target)
    read_lpips = cache(partial(read_lpips_weights, network))
    return lambda fake, target: lpips_loss(read_lpips(), fake, target, network=network)


def open_levels() -> Callable[[Array], list[Array]]:
    """Returns `picture_levels` with EfficientNet-Lite0's weights, which it reads when it is first called.

    Raises:
        UserError: the function raises it if the weights are missing or have changed, or if the pictures do not fit.
    """
    read = cache(read_lite0_weights)
    return lambda pictures: picture_levels(read(), pictures)
