"""Normalisation: with given statistics, or with those of the pictures and a backward pass that needs little memory."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from p2p_jax.ops.cpu.xla import compile_separately_on_cpu
from p2p_jax.ops.geometry import accumulation_dtype


def moments(x: Array, axes: int | Sequence[int]) -> tuple[Array, Array]:
    """Computes mean and biased variance over `axes`, which stay as axes of size 1.

    Args:
        x: any shape, float.
        axes: the axes to average over.

    Returns:
        mean and variance, each the shape of `x` with 1 at `axes`; float32, or float64 for float64.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> mean, variance = ops.moments(jnp.array([1.0, 3.0]), 0)
        >>> mean.tolist(), variance.tolist()
        ([2.0], [1.0])
    """
    x = x.astype(accumulation_dtype(x.dtype))
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
    """Computes (x - mean) / sqrt(var + eps) scale + bias, in float32 at least.

    Args:
        x: (n, h, w, c), float.
        mean, var: arrays that broadcast against `x`, such as those from `moments`.
        scale, bias: (c,) or None.
        eps: added to the variance, so that a constant picture causes no division by zero.

    Returns:
        the shape and dtype of `x`.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> x = jnp.array([1.0, 3.0])
        >>> ops.normalize(x, *ops.moments(x, 0), eps=0.0).tolist()
        [-1.0, 1.0]
    """
    dtype = accumulation_dtype(x.dtype)
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
    """Computes `normalize` with the `moments` of `x`: the same numbers with fewer passes over memory and less of it.

    Like the convolutions, it can be differentiated in reverse mode only.

    Args:
        x: (n, h, w, c), float.
        axes: the axes to average over, without the channel axis.
        scale, bias: (c,) or None.
        eps: added to the variance.

    Returns:
        the normalised pictures, in the shape and dtype of `x`; mean and variance, in float32 at least, each the shape of
        `x` with 1 at `axes`.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> x = jnp.array([1.0, 3.0]).reshape(1, 2, 1, 1)
        >>> y, mean, variance = ops.standardize(x, (0, 1, 2), eps=0.0)
        >>> y.ravel().tolist(), mean.item(), variance.item()
        ([-1.0, 1.0], 2.0, 1.0)
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
    """Computes the gradients of x, scale and bias.

    x - mean is recomputed from x: keeping it from the forward pass would double the memory.

    Source: Ioffe and Szegedy 2015, section 3, with the gradients through mean and variance.
    """

    def backward(saved: Any, grads: Any) -> Any:
        x, mean, var, scale, bias = saved
        grad, of_mean, of_var = grads
        count = x.size // mean.size
        grad, deviation = grad.astype(mean.dtype), x.astype(mean.dtype) - mean
        rstd = lax.rsqrt(var + eps)
        factor = rstd if scale is None else rstd * scale
        # The gradients of bias and scale, separate for each mean; summed below over pictures that share the scale.
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
