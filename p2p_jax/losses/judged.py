"""What a discriminator says of a picture: its logits, and the features by which it came to them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.losses.reconstruction import l1

Logits = Any
"""An array (n, h, w, 1), or a tree of such arrays, whose losses are averaged: a discriminator with several scales."""


class Judged(NamedTuple):
    """The output of a discriminator that also returns features; others return the logits alone.

    Attributes:
        logits: one array (n, h, w, 1), or a tree of such arrays.
        features: outputs of its layers, any tree of arrays.
    """

    logits: Logits
    features: Any = ()


def as_judged(output: Any) -> Judged:
    """Splits the output of a discriminator, or of several scales in a list or tuple, into logits and features.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> half = losses.Judged(jnp.zeros((1, 4, 4, 1)), [jnp.ones((1, 8, 8, 2))])
        >>> judged = losses.as_judged([jnp.zeros((1, 8, 8, 1)), half])
        >>> [each.shape for each in judged.logits], len(judged.features)
        ([(1, 8, 8, 1), (1, 4, 4, 1)], 2)
    """
    if isinstance(output, Judged):
        return output
    if type(output) in (list, tuple):
        scales = [as_judged(each) for each in output]
        return Judged([each.logits for each in scales], [each.features for each in scales])
    return Judged(output)


def feature_matching(fake: Any, real: Any, *, weight: float = 10.0) -> Array:
    """The mean absolute difference between a discriminator's features of a fake and of its target.

    Args:
        fake: features, a tree of arrays (n, ...).
        real: features of the targets, of the same shapes. They count as constants.
        weight: factor of the loss.

    Returns:
        weight times the mean over the layers of their `l1`, a scalar.

    Source: Wang et al., High-Resolution Image Synthesis with Conditional GANs (pix2pixHD), 2018, equation 4.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import losses
        >>> layers = [jnp.zeros((1, 8, 8, 4)), jnp.ones((1, 4, 4, 8))]
        >>> float(losses.feature_matching(layers, [jnp.zeros((1, 8, 8, 4)), jnp.zeros((1, 4, 4, 8))]))
        5.0
    """
    pairs = list(zip(jax.tree.leaves(fake), jax.tree.leaves(lax.stop_gradient(real)), strict=True))
    return weight * _mean([l1(own, other.astype(own.dtype)) for own, other in pairs])


def _mean(values: Sequence[Array]) -> Array:
    return jnp.stack(values).astype(jnp.promote_types(values[0].dtype, jnp.float32)).mean()
