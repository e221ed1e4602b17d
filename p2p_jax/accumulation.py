"""Gradient accumulation: micro-batches run in turn, so peak memory is that of one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.errors import UserError


def mean_over_micro_batches(fn: Callable[[Any, Array], Any], *, batch: Any, key: Array, count: int) -> Any:
    """Averages a function over the micro-batches of a batch; only the running sum is kept.

    Args:
        fn: `(micro_batch, key) -> tree of arrays`.
        batch: a tree of arrays (n, ...).
        key: a random key; the key of each micro-batch is folded from it.
        count: number of micro-batches. Micro-batch i holds the elements i, i + count, ... so that every device of a split
            batch holds an equal part of each micro-batch, and no element moves between devices.

    Returns:
        the tree of means, in the dtypes of the results of `fn`.

    Raises:
        UserError: `count` does not divide n.
    """
    micro_batches = jax.tree.map(lambda x: _split(x, count), batch)

    def add(total: Any, numbered: tuple[Array, Any]) -> tuple[Any, None]:
        index, micro_batch = numbered
        return jax.tree.map(jnp.add, total, fn(micro_batch, jax.random.fold_in(key, index))), None

    shapes = jax.eval_shape(fn, jax.tree.map(lambda x: x[0], micro_batches), key)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = lax.scan(add, zeros, (jnp.arange(count), micro_batches))
    return jax.tree.map(lambda x: (x / count).astype(x.dtype), total)


def _split(x: Array, count: int) -> Array:
    """Splits (n, ...) to (count, n / count, ...)."""
    if len(x) % count:
        raise UserError(
            f"a batch of {len(x)} pairs cannot be split into {count} micro-batches: give a number (--accumulate) that "
            "divides it."
        )
    return jnp.moveaxis(x.reshape(len(x) // count, count, *x.shape[1:]), 1, 0)
