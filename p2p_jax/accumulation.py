"""A batch gone through in parts, one after the other: what a step needs at a time is what one part needs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from p2p_jax.errors import UserError


def mean_over_parts(fn: Callable[[Any, Array], Any], *, batch: Any, key: Array, count: int) -> Any:
    """The mean of what a function gives for each part of a batch; only the sum so far is kept.

    Args:
        fn: `(part, key) -> tree of arrays`, called for one part after the other.
        batch: a tree of arrays (n, ...).
        key: a key of its own is folded from it for every part.
        count: parts. Part i holds the pictures i, i + count, ... so that a batch that is split over devices has an equal
            share of every part on each of them, and nothing moves.

    Returns:
        the tree of means, in the dtypes that `fn` gives.

    Raises:
        UserError: the batch does not divide into so many parts.
    """
    parts = jax.tree.map(lambda x: _split(x, count), batch)

    def add(total: Any, numbered: tuple[Array, Any]) -> tuple[Any, None]:
        index, part = numbered
        return jax.tree.map(jnp.add, total, fn(part, jax.random.fold_in(key, index))), None

    shapes = jax.eval_shape(fn, jax.tree.map(lambda x: x[0], parts), key)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = lax.scan(add, nothing, (jnp.arange(count), parts))
    return jax.tree.map(lambda x: (x / count).astype(x.dtype), total)


def _split(x: Array, count: int) -> Array:
    """(n, ...) to (count, n / count, ...)."""
    if len(x) % count:
        raise UserError(f"a batch of {len(x)} was to be gone through in {count} parts: give a number that divides it.")
    return jnp.moveaxis(x.reshape(len(x) // count, count, *x.shape[1:]), 1, 0)
