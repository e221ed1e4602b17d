"""Arrays in, arrays out: convolution, activations, normalisation, dropout and padding.

Activations are NHWC (picture, row, column, channel). Nothing here holds state and nothing here knows Flax, so every
function can be read, tried and differentiated alone.

How a convolution is computed is chosen by platform in `convolution.py`; normalisation is in `normalization.py`. No caller
sees either.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.errors import UserError
from p2p_jax.ops.cpu.xla import as_bits, of_bits


def reflect_pad(x: Array, pad: int) -> Array:
    """Adds `pad` mirrored rows and columns on every side, (n, h, w, c) to (n, h + 2 pad, w + 2 pad, c).

    Raises:
        UserError: the picture is not larger than `pad` on both sides, so that there is nothing to mirror.
    """
    if min(x.shape[1:3]) <= pad:
        raise UserError(
            f"reflect_pad was given a picture of {x.shape[1]} x {x.shape[2]} pixels and pad {pad}: each side must be "
            "larger than the padding."
        )
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


def resize(x: Array, size: tuple[int, int], method: Literal["bicubic", "bilinear", "nearest"] = "bicubic") -> Array:
    """Resizes pictures as PIL does on floats: smaller ones are averaged over what they cover, none is shifted.

    Args:
        x: (n, h, w, c), float; bicubic overshoots at edges, so the range may grow.
        size: (height, width) in pixels.
        method: bicubic (a = -0.5), bilinear, or nearest, which makes no new values and so suits labels.

    Returns:
        (n, height, width, c), in the dtype of `x`.
    """
    name = {"bicubic": "cubic", "bilinear": "linear", "nearest": "nearest"}[method]
    return jax.image.resize(x, (x.shape[0], *size, x.shape[3]), name, antialias=True)


def concat_channels(a: Array, b: Array) -> Array:
    """Stacks the channels of two pictures, (n, h, w, c) and (n, h, w, c') to (n, h, w, c + c')."""
    return (_concat_bfloat16 if a.dtype == b.dtype == jnp.bfloat16 else _concat)(a, b)


def _concat(a: Array, b: Array) -> Array:
    return jnp.concatenate([a, b], axis=-1)


@jax.custom_jvp
def _concat_bfloat16(a: Array, b: Array) -> Array:
    """As bits, for XLA on a CPU would do it by way of float32."""
    by_bits = lambda a, b: of_bits(_concat(as_bits(a), as_bits(b)), a.dtype)
    return lax.platform_dependent(a, b, cpu=by_bits, default=_concat)


@_concat_bfloat16.defjvp
def _concat_bfloat16_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _concat_bfloat16(*primals), _concat(*tangents)


def upsample_nearest(x: Array, factor: int) -> Array:
    """Repeats every pixel `factor` times in both directions (nearest), (n, h, w, c) to (n, factor h, factor w, c)."""
    return jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2)
