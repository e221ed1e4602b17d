"""Micro-batches: a convolution processes a few pictures at a time, so that intermediate values stay in the CPU's cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.ops.cpu.xla import compile_separately, from_bits, to_bits
from p2p_jax.ops.geometry import Cost, accumulation_dtype

CACHE_BYTES = 24e6
"""Limit on the intermediate values of a micro-batch, in bytes; measured on a CPU with 32 MiB of cache."""


def map_pictures(fn: Callable[[Array], Array], x: Array, cost: Cost) -> Array:
    """Applies a function to a batch in micro-batches.

    Args:
        fn: (n, ...) to (n, ...), which processes every picture independently.
        x: (n, ...).
        cost: of the formulation that `fn` computes.

    Returns:
        `fn(x)`, in the dtype of `x`.
    """
    count = micro_batch_size(x, cost, CACHE_BYTES)
    if count == x.shape[0]:
        return fn(x).astype(x.dtype)
    result = jax.eval_shape(fn, x[:count])

    def add(i: Array, y: Array) -> Array:
        bits = to_bits(fn(_slice_pictures(x, i, count)).astype(x.dtype))
        return lax.dynamic_update_slice_in_dim(y, bits, i * count, axis=0)

    y = jnp.zeros((x.shape[0], *result.shape[1:]), to_bits(x[:0]).dtype)
    return from_bits(lax.fori_loop(0, x.shape[0] // count, add, y), x.dtype)


def sum_pictures(fn: Callable[[Array, Array], Any], x: Array, y: Array, cost: Cost) -> Any:
    """Sums a function over the micro-batches of two batches.

    Micro-batches may be larger than for `map_pictures`, because each one reads and writes a running sum as large as the
    kernel.

    Args:
        fn: `(x, y) -> tree of arrays`, each summed over all pictures.
        x: (n, ...).
        y: (n, ...), of the same dtype.
        cost: of the formulation that `fn` computes.

    Returns:
        `fn(x, y)`.
    """
    itemsize = jnp.dtype(accumulation_dtype(x.dtype)).itemsize
    count = micro_batch_size(x, cost, CACHE_BYTES + 2 * cost.kernel_values * itemsize)
    if count == x.shape[0]:
        return fn(x, y)
    sums = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(fn, x[:count], y[:count]))

    def add(i: Array, sums: Any) -> Any:
        return jax.tree.map(jnp.add, sums, fn(_slice_pictures(x, i, count), _slice_pictures(y, i, count)))

    return lax.fori_loop(0, x.shape[0] // count, add, sums)


def micro_batch_size(x: Array, cost: Cost, limit: float) -> int:
    """Returns the largest divisor of n whose pictures need at most `limit` bytes for intermediate values, at least 1.

    With several devices it returns n: a loop over micro-batches would gather a batch that is split over them.

    Args:
        x: (n, ...).
        cost: of the formulation.
        limit: in bytes.
    """
    n, needed = x.shape[0], cost.values * jnp.dtype(accumulation_dtype(x.dtype)).itemsize
    if jax.device_count() > 1:
        return n
    return max(count for count in range(1, n + 1) if n % count == 0 and (count == 1 or count * needed <= limit))


def _slice_pictures(x: Array, i: Array, count: int) -> Array:
    """Returns micro-batch `i`; compiled separately, because XLA would otherwise convert the full batch to integers."""

    def take(x: Array, i: Array) -> Array:
        return from_bits(lax.dynamic_slice_in_dim(to_bits(x), i * count, count), x.dtype)

    return compile_separately(jax.jit(take), x, i)
