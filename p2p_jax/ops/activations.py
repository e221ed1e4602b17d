"""Activations and dropout."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from p2p_jax.errors import UserError

# --------------------------------------------------------------------------------------------------------------------
# Activations


# The gradients of relu and leaky_relu are told from what they give and not from what they were given: the next layer keeps
# the one anyway, and the other's memory is free at once.


@jax.custom_jvp
def relu(x: Array) -> Array:
    """Identity above zero, zero below, (any shape). Its gradient at zero is taken as zero; NaN stays NaN."""
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


@relu.defjvp
def _relu_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = relu(*primals)
    return y, jnp.where(y <= 0, jnp.zeros_like(y), *tangents)


def leaky_relu(x: Array, slope: ArrayLike = 0.2) -> Array:
    """Identity above zero, `slope` times x below, (any shape): with a slope above 0 no unit is ever without a gradient.

    Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013; slope 0.2 as in Isola et
    al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, appendix 6.1.
    """
    fixed = isinstance(slope, int | float) and slope >= 0  # else its gradient is not told from the result
    return _leaky_relu_of_fixed_slope(x, slope) if fixed else _leaky_relu(x, slope)


def _leaky_relu(x: Array, slope: ArrayLike) -> Array:
    return jnp.where(x > 0, x, slope * x)


_leaky_relu_of_fixed_slope = jax.custom_jvp(_leaky_relu, nondiff_argnums=(1,))


@_leaky_relu_of_fixed_slope.defjvp
def _leaky_relu_jvp(slope: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y, (dx,) = _leaky_relu_of_fixed_slope(*primals, slope), tangents
    return y, jnp.where(y > 0, dx, slope * dx)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent, (any shape), into (-1, 1): the range of pictures."""
    return jnp.tanh(x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), (any shape), into (0, 1): from a logit to a probability."""
    return jax.nn.sigmoid(x)


# --------------------------------------------------------------------------------------------------------------------
# Dropout and padding


def dropout(key: Array, x: Array, rate: float) -> Array:
    """Sets each value to zero with probability `rate` and divides the others by 1 - rate, so that the mean stays.

    Raises:
        UserError: `rate` is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise UserError(f"dropout was given rate {rate}: it is the share of values set to zero, at least 0 and below 1.")
    if rate == 0:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), jnp.zeros_like(x))
