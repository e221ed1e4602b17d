"""What XLA has to be told on a CPU, where it would otherwise do work twice, or by a slower way."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.experimental.xla_metadata import set_xla_metadata
from jax.typing import DTypeLike


def compile_separately(fn: Callable[..., Any], *arrays: Any) -> Any:
    """`fn(*arrays)` of a jitted function, compiled apart from what comes before and after it.

    XLA would on a CPU draw the small sums and copies of a convolution into every operation that reads its result, and do
    them again in each; `jax.lax.optimization_barrier` does not keep it from that, a function that it may not inline does.

    Not so where there are several devices: on CPUs, what these say to each other inside such a function does not keep its
    order with what they say outside of it, so that they wait for each other for ever, or hear what was meant otherwise.
    """
    if jax.device_count() > 1:
        return fn(*arrays)
    with set_xla_metadata(inlineable="false"):
        return fn(*arrays)


def compile_separately_on_cpu(fn: Callable[..., Any], *arrays: Any) -> Any:
    """`fn(*arrays)`, on a CPU compiled `apart`."""
    return lax.platform_dependent(*arrays, cpu=lambda *arrays: compile_separately(jax.jit(fn), *arrays), default=fn)


def after(first: Array, second: Array) -> Array:
    """`second`, of any shape and unchanged, which on one CPU device is there only after `first` is.

    What reads it may then overwrite what `first` is computed from, as Adam does with a kernel, in place and at once.
    """
    if jax.device_count() > 1:
        return second

    def wait(first: Array, second: Array) -> Array:
        return lax.optimization_barrier((first, second))[1]  # else JAX would leave the unread argument out

    return lax.platform_dependent(
        first, second, cpu=lambda *arrays: compile_separately(jax.jit(wait), *arrays), default=lambda first, second: second
    )


def transpose(x: Array, axes: tuple[int, ...] = (1, 0)) -> Array:
    """An array transposed in memory, too, for a matrix product: to be compiled `apart` from it.

    XLA would leave the array as it lies, copy it for the product, and multiply bfloat16 as float32.
    """
    if jax.device_count() > 1:
        return x.transpose(axes)
    return with_layout_constraint(x.transpose(axes), Layout(tuple(range(x.ndim))))


def as_bits(x: Array) -> Array:
    """Numbers of 16 bits as unsigned integers: XLA on a CPU copies others by way of float32."""
    return lax.bitcast_convert_type(x, jnp.uint16) if x.dtype.itemsize == 2 else x


def of_bits(x: Array, dtype: DTypeLike) -> Array:
    """Numbers of a dtype, from what `as_bits` made of them."""
    return lax.bitcast_convert_type(x, dtype) if x.dtype == jnp.uint16 else x
