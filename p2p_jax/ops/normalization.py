"""Normalisation, as `ops.py` has it: by given statistics, or by the pictures' own with little kept for the way back."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from p2p_jax.ops.cpu.xla import compile_separately_on_cpu
from p2p_jax.ops.geometry import wide


def moments(x: Array, axes: int | Sequence[int]) -> tuple[Array, Array]:
    """Mean and biased variance over `axes`, which stay as axes of size 1; in float32 at least.

    Args:
        x: any shape; float32 and narrower types are computed in float32, float64 in float64.
        axes: the axes to average over.

    Returns:
        mean and variance, the shape of `x` with 1 at `axes`.
    """
    x = x.astype(wide(x.dtype))
    mean = x.mean(axes, keepdims=True)
    return mean, jnp.square(x - mean).mean(axes, keepdims=True)


def normalize(
    x: Array,
    mean: ArrayLike,
    var: ArrayLike,
    scale: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """(x - mean) / sqrt(var + eps) scale + bias, computed in float32 at least, returned in the dtype of `x`.

    Args:
        x: (n, h, w, c).
        mean, var: anything that broadcasts against `x`, as `moments` gives them.
        scale, bias: (c,) or None.
        eps: added to the variance, so that a constant picture divides by no zero.
    """
    dtype = wide(x.dtype)
    y = (x.astype(dtype) - mean) * lax.rsqrt(jnp.asarray(var, dtype) + eps)
    y = y if scale is None else y * scale
    return (y if bias is None else y + bias).astype(x.dtype)


def standardize(
    x: Array,
    axes: Sequence[int],
    scale: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """`normalize` by x's own `moments`, which come with it: the same numbers, in fewer passes and less memory.

    As the convolutions, it can be differentiated in reverse mode only.

    Args:
        x: (n, h, w, c).
        axes: the axes that have a mean and a variance; not the channels'.
        scale, bias: (c,) or None.
        eps: added to the variance.

    Returns:
        the shape of `x` in its dtype; mean and variance, in float32 at least, the shape of `x` with 1 at `axes`.
    """
    return _standardize(tuple(axes), eps, x, scale, bias)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _standardize(
    axes: tuple[int, ...], eps: float, x: Array, scale: Array | None, bias: Array | None
) -> tuple[Array, Array, Array]:
    def forward(x: Array, scale: Array | None, bias: Array | None) -> tuple[Array, Array, Array]:
        mean, var = moments(x, axes)
        return normalize(x, mean, var, scale, bias, eps=eps), mean, var

    return compile_separately_on_cpu(forward, x, scale, bias)


def _standardize_fwd(axes: tuple[int, ...], eps: float, x: Array, scale: Array | None, bias: Array | None) -> Any:
    results: Any = _standardize(axes, eps, x, scale, bias)
    return results, (x, *results[1:], scale, bias)


def _standardize_bwd(axes: tuple[int, ...], eps: float, saved: Any, grads: Any) -> Any:
    """The slopes by x, scale and bias, from x alone: x - mean, kept from the way forward, would be as large once more.

    Source: Ioffe and Szegedy 2015, section 3; and what comes through the mean and the variance.
    """

    def backward(saved: Any, grads: Any) -> Any:
        x, mean, var, scale, bias = saved
        grad, of_mean, of_var = grads
        count = x.size // mean.size
        grad, deviation = grad.astype(mean.dtype), x.astype(mean.dtype) - mean
        rstd = lax.rsqrt(var + eps)
        factor = rstd if scale is None else rstd * scale
        # By the bias and the scale, before they are summed up where several pictures share them.
        of_bias = grad.sum(axes, keepdims=True)
        of_scale = rstd * (grad * deviation).sum(axes, keepdims=True)
        of_deviation = (2 * of_var - factor * rstd * of_scale) / count
        of_x = factor * grad + of_deviation * deviation + (of_mean - factor * of_bias) / count
        return (
            of_x.astype(x.dtype),
            None if scale is None else of_scale.sum((0, 1, 2)).astype(scale.dtype),
            None if bias is None else of_bias.sum((0, 1, 2)).astype(bias.dtype),
        )

    return compile_separately_on_cpu(backward, saved, grads)


_standardize.defvjp(_standardize_fwd, _standardize_bwd)
