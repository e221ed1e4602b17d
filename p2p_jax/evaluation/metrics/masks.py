"""What the metrics of pairs share: their dtype, and means over the pixels whose target is known."""

import jax.numpy as jnp
from jax import Array


def as_floats(picture: Array, target: Array) -> tuple[Array, Array]:
    """Both arrays as float64 if one of them is, otherwise as float32."""
    dtype = jnp.promote_types(jnp.result_type(picture, target), jnp.float32)
    return jnp.asarray(picture, dtype), jnp.asarray(target, dtype)


def replace_unknown(picture: Array, target: Array, known: Array | None) -> Array:
    """The picture, with the target's values where `known` is 0, so that no window sees a difference there."""
    return picture if known is None else jnp.where(known > 0, picture, target)


def mean(values: Array, known: Array | None) -> Array:
    """The mean of (n, h, w, c) over the known pixels of each picture and all channels: (n,), NaN if there are none."""
    if known is None:
        return values.mean((1, 2, 3))
    return (values * known).sum((1, 2, 3)) / (known.sum((1, 2, 3)) * values.shape[-1])


def channel_means(values: Array, known: Array | None) -> Array:
    """The mean of each channel of (n, h, w, c) over the known pixels of each picture: (n, c), NaN if there are none."""
    if known is None:
        return values.mean((1, 2))
    return (values * known).sum((1, 2)) / known.sum((1, 2))
