"""LPIPS: how different two pictures look, by the features of a network trained on photographs.

Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018; version 0.1 of the
authors' code.
"""

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.features.backbones import LpipsWeights, Network, backbone_features

EPSILON = 1e-10
"""Added to the length of a feature vector, as in the authors' code."""


def lpips(weights: LpipsWeights, picture: Array, target: Array, known: Array | None = None, *, network: Network) -> Array:
    """Learned perceptual distance of pictures and their targets.

    Args:
        weights: of the network, from `features.backbones.read_lpips_weights`.
        picture, target: (n, h, w, 3) or, grey, (n, h, w, 1), from 0 to 255, of any dtype.
        known: (n, h, w, 1), 0 where the target is not known and 1 elsewhere; None if all pixels are known.
        network: "alex" or "vgg", to which the weights belong.

    Returns:
        (n,) float32, at least 0, seldom over 1; 0 for equal pictures. With `known` the picture is replaced by the target
        where that is not known, and each feature counts by the share of known pixels around it.

    Raises:
        UserError: a side is below 31 pixels (alex) or 16 pixels (vgg), or the pictures have neither 1 nor 3 channels.
    """
    x, y = jnp.asarray(picture, jnp.float32), jnp.asarray(target, jnp.float32)
    x = x if known is None else jnp.where(known > 0, x, y)
    total = jnp.zeros(len(x))
    features = backbone_features(weights, jnp.concatenate([x, y]), network)
    for found, head in zip(features, weights.heads, strict=True):
        a, b = jnp.split(to_unit_length(found), 2)
        difference = (jnp.square(a - b) * head).sum(-1)
        total = total + _mean(difference, known)
    return total


def to_unit_length(features: Array) -> Array:
    """Divides the features (n, h, w, c) of each position by their length. Where all are 0, so are results and gradients.

    A square root has an infinite slope at 0, so those positions take neither the root nor its gradient.
    """
    squares = jnp.square(features).sum(-1, keepdims=True)
    some = squares > 0
    return features / jnp.where(some, jnp.sqrt(jnp.where(some, squares, 1)) + EPSILON, 1)


def _mean(difference: Array, known: Array | None) -> Array:
    """The mean over the positions of features (n, h', w'), weighted by the known share of the pixels around each."""
    if known is None:
        return difference.mean((1, 2))
    weight = jax.image.resize(jnp.asarray(known[..., 0], jnp.float32), difference.shape, "linear", antialias=True)
    return (difference * weight).sum((1, 2)) / weight.sum((1, 2))
