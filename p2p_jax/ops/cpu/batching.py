"""A batch taken a few pictures at a time, so that what is made of them on the way stays in a processor's cache."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.ops.cpu.xla import as_bits, compile_separately, of_bits
from p2p_jax.ops.geometry import Work, wide

# Bytes that a few pictures may take up on the way: measured on a CPU with 32 MiB of cache.
CACHE = 24e6


def map_pictures(fn: Callable[[Array], Array], x: Array, work: Work) -> Array:
    """`fn(x)`, in the dtype of `x`, of a function that treats every picture of (n, ...) alike."""
    count = at_once(x, work, CACHE)
    if count == x.shape[0]:
        return fn(x).astype(x.dtype)
    made = jax.eval_shape(fn, x[:count])

    def add(i: Array, y: Array) -> Array:
        part = as_bits(fn(_take(x, i, count)).astype(x.dtype))
        return lax.dynamic_update_slice_in_dim(y, part, i * count, axis=0)

    y = jnp.zeros((x.shape[0], *made.shape[1:]), as_bits(x[:0]).dtype)
    return of_bits(lax.fori_loop(0, x.shape[0] // count, add, y), x.dtype)


def sum_pictures(fn: Callable[[Array, Array], Any], x: Array, y: Array, work: Work) -> Any:
    """`fn(x, y)` of a function that adds up over all pictures of two batches (n, ...) of one dtype.

    There may be more at once than for a map: the sum, of the kernel's size, is read and written every time.
    """
    count = at_once(x, work, CACHE + 2 * work.of_kernel * jnp.dtype(wide(x.dtype)).itemsize)
    if count == x.shape[0]:
        return fn(x, y)
    sums = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(fn, x[:count], y[:count]))

    def add(i: Array, sums: Any) -> Any:
        return jax.tree.map(jnp.add, sums, fn(_take(x, i, count), _take(y, i, count)))

    return lax.fori_loop(0, x.shape[0] // count, add, sums)


def at_once(x: Array, work: Work, most: float) -> int:
    """The most pictures that divide their number and take up so many bytes; one at least.

    All of them where there are several devices: a loop would gather a batch that is spread over them.
    """
    n, taken = x.shape[0], work.values * jnp.dtype(wide(x.dtype)).itemsize
    if jax.device_count() > 1:
        return n
    return max(count for count in range(1, n + 1) if n % count == 0 and (count == 1 or count * taken <= most))


def _take(x: Array, i: Array, count: int) -> Array:
    """The pictures from i count on, compiled apart: else XLA would make integers of the whole batch first."""

    def take(x: Array, i: Array) -> Array:
        return of_bits(lax.dynamic_slice_in_dim(as_bits(x), i * count, count), x.dtype)

    return compile_separately(jax.jit(take), x, i)
