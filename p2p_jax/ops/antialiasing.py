"""Anti-aliased halving and doubling of pictures: a fixed blur goes with each, so that no frequency is folded.

Source: Zhang, Making Convolutional Networks Shift-Invariant Again, 2019, section 3; sizes and edges as in CUT (Park et al.,
Contrastive Learning for Unpaired Image-to-Image Translation, 2020).
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.errors import UserError
from p2p_jax.ops.geometry import accumulation_dtype


def blur_downsample(x: Array) -> Array:
    """Blurs with the weights (1, 2, 1) / 4 along each axis, mirrored at the edges, and keeps every second pixel.

    Args:
        x: (n, h, w, c), float; h and w are at least 2.

    Returns:
        (n, ceil(h / 2), ceil(w / 2), c), in the dtype of `x`; sums are computed in float32 at least.

    Raises:
        UserError: a side has a single pixel, so that there is nothing to mirror.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> x = jnp.tile(jnp.array([0.0, 0.0, 4.0, 4.0]), (4, 1)).reshape(1, 4, 4, 1)
        >>> ops.blur_downsample(x)[0, :, :, 0].tolist()
        [[0.0, 3.0], [0.0, 3.0]]
    """
    if min(x.shape[1:3]) < 2:
        raise UserError(
            f"blur_downsample was given a picture of {x.shape[1]} x {x.shape[2]} pixels: each side must be at least 2."
        )
    return _along_both_axes(_halve, x, "reflect")


def upsample_bilinear(x: Array) -> Array:
    """Doubles height and width: each new pixel is 3 / 4 of the nearest pixel and 1 / 4 of the next, the edge repeated.

    Args:
        x: (n, h, w, c), float.

    Returns:
        (n, 2 h, 2 w, c), in the dtype of `x`; sums are computed in float32 at least.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.upsample_bilinear(jnp.array([0.0, 4.0]).reshape(1, 1, 2, 1))[0, 0, :, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    return _along_both_axes(_double, x, "edge")


def _along_both_axes(change: Callable[[Array, int], Array], x: Array, mode: str) -> Array:
    """Pads one pixel at each side of height and width, and applies `change` along each."""
    y = x.astype(accumulation_dtype(x.dtype))
    for axis in (1, 2):
        y = change(jnp.pad(y, [(int(i == axis),) * 2 for i in range(4)], mode=mode), axis)
    return y.astype(x.dtype)


def _halve(x: Array, axis: int) -> Array:
    size = x.shape[axis] - 2
    before, at, after = (lax.slice_in_dim(x, i, i + size, 2, axis) for i in range(3))
    return (before + 2 * at + after) / 4


def _double(x: Array, axis: int) -> Array:
    size = x.shape[axis] - 2
    before, at, after = (lax.slice_in_dim(x, i, i + size, 1, axis) for i in range(3))
    shape = list(at.shape)
    shape[axis] *= 2
    return (jnp.stack([3 * at + before, 3 * at + after], axis + 1) / 4).reshape(shape)
