"""Padding, resizing, upsampling, and stacking of channels."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.errors import UserError
from p2p_jax.ops.cpu.xla import from_bits, to_bits


def reflect_pad(x: Array, pad: int) -> Array:
    """Adds `pad` mirrored rows and columns on every side, without repeating the edge.

    Args:
        x: (n, h, w, c), any dtype.
        pad: in pixels, smaller than h and w.

    Returns:
        (n, h + 2 pad, w + 2 pad, c), in the dtype of `x`.

    Raises:
        UserError: a side of the picture is not larger than `pad`, so that there is too little to mirror.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
        >>> ops.reflect_pad(x, 1)[0, 1, :, 0].tolist()
        [1.0, 0.0, 1.0, 0.0]
    """
    if min(x.shape[1:3]) <= pad:
        raise UserError(
            f"reflect_pad was given a picture of {x.shape[1]} x {x.shape[2]} pixels and pad {pad}: each side must be "
            "larger than the padding."
        )
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


def resize(x: Array, size: tuple[int, int], method: Literal["bicubic", "bilinear", "nearest"] = "bicubic") -> Array:
    """Resizes pictures as PIL does with floats: antialiased if they become smaller, with half-pixel centres.

    Args:
        x: (n, h, w, c), float; bicubic overshoots at edges, so the range may grow.
        size: (height, width) in pixels.
        method: bicubic (a = -0.5), bilinear, or nearest, which creates no new values and so suits labels.

    Returns:
        (n, height, width, c), in the dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.resize(jnp.zeros((1, 8, 8, 3)), (4, 6)).shape
        (1, 4, 6, 3)
    """
    name = {"bicubic": "cubic", "bilinear": "linear", "nearest": "nearest"}[method]
    return jax.image.resize(x, (x.shape[0], *size, x.shape[3]), name, antialias=True)


def concat_channels(a: Array, b: Array) -> Array:
    """Stacks the channels of two pictures.

    Args:
        a: (n, h, w, c), float.
        b: (n, h, w, c'), float.

    Returns:
        (n, h, w, c + c'), in the dtype to which both are promoted.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.concat_channels(jnp.zeros((1, 8, 8, 3)), jnp.ones((1, 8, 8, 1))).shape
        (1, 8, 8, 4)
    """
    return (_concat_bfloat16 if a.dtype == b.dtype == jnp.bfloat16 else _concat)(a, b)


def _concat(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b], axis=-1)


@jax.custom_jvp
def _concat_bfloat16(a: Array, b: Array) -> Array:
    """Concatenates as integers, because XLA on a CPU would convert to float32 and back."""
    by_bits = lambda a, b: from_bits(_concat(to_bits(a), to_bits(b)), a.dtype)
    return lax.platform_dependent(a, b, cpu=by_bits, default=_concat)


@_concat_bfloat16.defjvp
def _concat_bfloat16_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _concat_bfloat16(*primals), _concat(*tangents)


def upsample_nearest(x: Array, factor: int = 2) -> Array:
    """Repeats every pixel `factor` times in both directions.

    Args:
        x: (n, h, w, c), any dtype.
        factor: at least 1.

    Returns:
        (n, factor h, factor w, c), in the dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> x = jnp.arange(2.0).reshape(1, 1, 2, 1)
        >>> ops.upsample_nearest(x, 2)[0, :, :, 0].tolist()
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    return jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2)
