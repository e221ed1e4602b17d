"""Activations and dropout."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from p2p_jax.errors import UserError

# relu and leaky_relu compute their gradients from the output, which the next layer keeps anyway, so the input is freed.


@jax.custom_jvp
def relu(x: Array) -> Array:
    """Returns x above zero and 0 below. The gradient at zero is 0, and NaN stays NaN.

    Args:
        x: any shape, float.

    Returns:
        the shape and dtype of `x`, in [0, inf).

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.relu(jnp.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


@relu.defjvp
def _relu_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = relu(*primals)
    return y, jnp.where(y <= 0, jnp.zeros_like(y), *tangents)


def leaky_relu(x: Array, slope: ArrayLike = 0.2) -> Array:
    """Returns x above zero and `slope` times x below; with a slope above 0 every unit has a gradient everywhere.

    Args:
        x: any shape, float.
        slope: a number, or an array that broadcasts against `x` and can be differentiated. The gradient at zero is `slope`.

    Returns:
        the shape and dtype of `x`.

    Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013; slope 0.2 as in Isola et
    al., Image-to-Image Translation with Conditional Adversarial Networks, 2017, appendix 6.1.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.leaky_relu(jnp.array([-1.0, 2.0]), 0.25).tolist()
        [-0.25, 2.0]
    """
    constant = isinstance(slope, int | float) and slope >= 0  # only then does the output's sign determine the gradient
    return _leaky_relu_of_constant_slope(x, slope) if constant else _leaky_relu(x, slope)


def _leaky_relu(x: Array, slope: ArrayLike) -> Array:
    return jnp.where(x > 0, x, slope * x)


_leaky_relu_of_constant_slope = jax.custom_jvp(_leaky_relu, nondiff_argnums=(1,))


@_leaky_relu_of_constant_slope.defjvp
def _leaky_relu_jvp(slope: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y, (dx,) = _leaky_relu_of_constant_slope(*primals, slope), tangents
    return y, jnp.where(y > 0, dx, slope * dx)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent, the generators' last activation.

    Args:
        x: any shape, float.

    Returns:
        the shape and dtype of `x`, in [-1, 1], the range of pictures.

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.tanh(jnp.array([-100.0, 0.0, 100.0])).tolist()
        [-1.0, 0.0, 1.0]
    """
    return jnp.tanh(x)


def sigmoid(x: Array) -> Array:
    """Returns 1 / (1 + exp(-x)), the probability of a logit.

    Args:
        x: any shape, float.

    Returns:
        the shape and dtype of `x`, in [0, 1].

    Example:
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> ops.sigmoid(jnp.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return jax.nn.sigmoid(x)


def dropout(key: Array, x: Array, rate: float) -> Array:
    """Sets each value to zero with probability `rate` and divides the others by 1 - rate, so that the mean stays.

    Args:
        key: a `jax.random.key`; the same key drops the same values.
        x: any shape, float.
        rate: in [0, 1).

    Returns:
        the shape and dtype of `x`.

    Raises:
        UserError: `rate` is not in [0, 1).

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from p2p_jax import ops
        >>> sorted(set(ops.dropout(jax.random.key(0), jnp.ones(100), 0.5).tolist()))
        [0.0, 2.0]
    """
    if not 0 <= rate < 1:
        raise UserError(f"dropout was given rate {rate}: it is the fraction of values set to zero, at least 0 and below 1.")
    if rate == 0:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), jnp.zeros_like(x))
