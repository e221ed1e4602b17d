"""Hints that prevent XLA on a CPU from computing a value twice or slowly."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.experimental.xla_metadata import set_xla_metadata
from jax.typing import DTypeLike


def compile_separately(fn: Callable[..., Any], *arrays: Any) -> Any:
    """Calls a jitted function as a non-inlined function of the compiled program.

    On a CPU, XLA would otherwise fuse the small sums and copies of a convolution into every reader of its result and
    repeat them there. `jax.lax.optimization_barrier` does not prevent that.

    Disabled with several devices: on a CPU, collectives inside a non-inlined function are not ordered with those outside
    it, which deadlocks or mixes their data.

    Args:
        fn: a jitted function.
        *arrays: its arguments, trees of arrays.
    """
    if jax.device_count() > 1:
        return fn(*arrays)
    with set_xla_metadata(inlineable="false"):
        return fn(*arrays)


def compile_separately_on_cpu(fn: Callable[..., Any], *arrays: Any) -> Any:
    """Calls `fn(*arrays)`; on a CPU through `compile_separately`. Here `fn` need not be jitted."""
    return lax.platform_dependent(*arrays, cpu=lambda *arrays: compile_separately(jax.jit(fn), *arrays), default=fn)


def with_dependency(value: Array, *, on: Array) -> Array:
    """Returns `value` with a data dependency on another array, if the device is a single CPU; otherwise just `value`.

    Operations that read the result run after `on` is computed, so they may overwrite the inputs of `on`: this way Adam
    updates a kernel in place.

    Args:
        value: any shape and dtype.
        on: the array to wait for, any shape and dtype.
    """
    if jax.device_count() > 1:
        return value

    def wait(on: Array, value: Array) -> Array:
        return lax.optimization_barrier((on, value))[1]  # without the barrier JAX would drop the unused argument

    return lax.platform_dependent(
        on, value, cpu=lambda *arrays: compile_separately(jax.jit(wait), *arrays), default=lambda on, value: value
    )


def transpose_in_memory(x: Array, axes: tuple[int, ...] = (1, 0)) -> Array:
    """Transposes an array in memory, for a matrix product; call it through `compile_separately`.

    Otherwise XLA would only change the layout, copy the array for the product, and multiply bfloat16 as float32.
    """
    if jax.device_count() > 1:
        return x.transpose(axes)
    return with_layout_constraint(x.transpose(axes), Layout(tuple(range(x.ndim))))


def to_bits(x: Array) -> Array:
    """Reinterprets 16-bit floats as uint16, because XLA on a CPU converts such floats to float32 and back to copy them.

    Arrays of other widths are returned unchanged.
    """
    return lax.bitcast_convert_type(x, jnp.uint16) if x.dtype.itemsize == 2 else x


def from_bits(x: Array, dtype: DTypeLike) -> Array:
    """Reverses `to_bits` for an array that had the given dtype."""
    return lax.bitcast_convert_type(x, dtype) if x.dtype == jnp.uint16 else x
