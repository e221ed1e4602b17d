"""What every generator does to the pictures before its first and after its last layer."""

from typing import Any

import jax.numpy as jnp
from jax import Array


def pad_to_multiple(x: Array, multiple: int, **options: Any) -> Array:
    """Pads (n, h, w, c) at the bottom and the right until h and w are multiples of `multiple`."""
    fill = [(0, -side % multiple) for side in x.shape[1:3]]
    return jnp.pad(x, ((0, 0), *fill, (0, 0)), **options) if any(sum(side) for side in fill) else x


def crop(x: Array, size: tuple[int, ...]) -> Array:
    """Crops (n, h, w, c) at the bottom and the right to `size`."""
    return x if x.shape[1:3] == size else x[:, : size[0], : size[1]]


def widen(x: Array) -> Array:
    """Returns `x` in float32 at least."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
