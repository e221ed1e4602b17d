"""Conversion of stored values to floats in [-1, 1] and back: pure JAX functions, used inside jitted programs."""

import jax
import jax.numpy as jnp
from jax import Array

from p2p_jax.config import Side, count_classes, named_classes
from p2p_jax.data.sides import DTYPES, value_range


def encode(side: Side, stored: Array) -> Array:
    """Converts stored values to the floats that the networks see.

    Args:
        side: depth, range and classes of the values.
        stored: (..., c) uint8, uint16 or float32; of a one-hot side (..., 1) class numbers.

    Returns:
        (..., c) float32 in [-1, 1]; of a one-hot side (..., classes), 1 for the class and -1 for all others.
    """
    classes = count_classes(side)
    if classes:
        return jax.nn.one_hot(stored[..., 0], classes, dtype=jnp.float32) * 2 - 1
    low, high = value_range(side)
    return (stored.astype(jnp.float32) - low) / ((high - low) / 2) - 1


def decode(side: Side, values: Array, *, truncate: bool = False) -> Array:
    """Converts outputs of the generator to stored values: the inverse of `encode`.

    Args:
        side: depth, range and classes of the values.
        values: (..., c) float in [-1, 1]; of a one-hot side (..., classes).
        truncate: truncate integers instead of rounding, as the PyTorch original does.

    Returns:
        (..., c) uint8, uint16 or float32, within the side's range; of a one-hot side (..., 1), the most likely class, but
            never the one that only ignored pixels have.
    """
    if named_classes(side):
        return jnp.argmax(values[..., : named_classes(side)], axis=-1, keepdims=True).astype(jnp.uint8)
    low, high = value_range(side)
    stored = (values.astype(jnp.float32) + 1) * ((high - low) / 2) + low
    if side.depth != "float":
        stored = jnp.trunc(stored) if truncate else jnp.round(stored)
    return jnp.clip(stored, low, high).astype(DTYPES[side.depth])


def to_255(side: Side, stored: Array) -> Array:
    """Converts stored values to the scale 0 to 255 of the metrics: float32, not rounded; one-hot as 0 and 255."""
    return (encode(side, stored) + 1) * 127.5 if needs_scaling(side) else stored.astype(jnp.float32)


def needs_scaling(side: Side) -> bool:
    """Whether stored values are on a scale other than 0 to 255."""
    return bool(count_classes(side)) or side.depth != "8" or side.range is not None
