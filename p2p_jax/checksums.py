"""Checksums of arrays, computed where they are, to find damaged checkpoints."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def checksums(tree: Any) -> list[int]:
    """One number per array, in the tree's order: its bits as uint32, each times its odd-made position, added up.

    Whole numbers modulo 2 ** 32 add up to the same in any order, so devices and shardings do not matter; every single
    changed value changes the sum.
    """
    return [int(value) for value in np.asarray(_checksums(jax.tree.leaves(tree)))]


@jax.jit
def _checksums(leaves: list[Array]) -> Array:
    def one(leaf: Array) -> Array:
        leaf = jnp.asarray(leaf)
        if leaf.dtype == jnp.bool_:
            leaf = leaf.astype(jnp.uint8)
        if leaf.dtype.itemsize == 8:
            bits = jax.lax.bitcast_convert_type(leaf, jnp.uint32)
        else:
            unsigned = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[leaf.dtype.itemsize]
            bits = jax.lax.bitcast_convert_type(leaf, unsigned).astype(jnp.uint32)
        position = jnp.zeros(bits.shape, jnp.uint32)
        for axis, size in enumerate(bits.shape):
            position = position * jnp.uint32(size) + jax.lax.broadcasted_iota(jnp.uint32, bits.shape, axis)
        return jnp.sum(bits * (2 * position + 1), dtype=jnp.uint32)

    return jnp.stack([one(leaf) for leaf in leaves]) if leaves else jnp.zeros((0,), jnp.uint32)
