"""Checksums of arrays, computed where they are, to find damaged checkpoints."""

import json
import zlib
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
    leaves = jax.tree.leaves(tree)
    if all(_is_in_memory(leaf) for leaf in leaves):
        return _sum_in_memory(leaves)
    return [int(value) for value in np.asarray(_sum_on_devices(leaves))]


def sum_json(value: Any) -> int:
    """One number for what JSON can hold, the same after it was written and read."""
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def _is_in_memory(leaf: Any) -> bool:
    """Whether NumPy can read an array where it is."""
    if not isinstance(leaf, Array):
        return True
    return (leaf.is_fully_addressable or leaf.is_fully_replicated) and all(
        device.platform == "cpu" for device in leaf.devices()
    )


def _sum_in_memory(leaves: list[Any]) -> list[int]:
    """The checksums by NumPy: compiling a sum for each shape takes longer than adding up a whole network."""
    sums = []
    for leaf in leaves:
        array = np.asarray(leaf)
        array = np.ascontiguousarray(array, jax.dtypes.canonicalize_dtype(array.dtype)).reshape(-1)
        bits = array.view(np.uint32 if array.itemsize == 8 else f"uint{8 * array.itemsize}").astype(np.uint32, copy=False)
        factors = np.arange(1, 2 * bits.size, 2, dtype=np.uint32)
        sums.append(int(np.sum(np.multiply(bits, factors, out=factors), dtype=np.uint32)))
    return sums


@jax.jit
def _sum_on_devices(leaves: list[Array]) -> Array:
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
