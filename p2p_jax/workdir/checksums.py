"""Detects damaged checkpoints: checksums of arrays, computed on the arrays' own devices, and the types of metadata."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from p2p_jax.files.decode import decode_fields
from p2p_jax.files.decode import json_checksum as json_checksum

META = {
    "format": int,
    "checksums": dict[str, tuple[int, ...]],
    "validation": dict[str, float] | None,
    "left_out": tuple[int, ...] | None,
    "checksum": int | None,
    "step": int | None,
}
"""The fields of a checkpoint's metadata. Older versions did not write the last three."""


def checksums(tree: Any) -> list[int]:
    """Computes one checksum per array, in the tree's order.

    The checksum is the sum over all values of (bits as uint32) x (2 x position + 1), modulo 2 ** 32. Integer sums do not
    depend on their order, so devices and shardings do not matter. Because the factors are odd, every single changed value
    changes the sum.

    Args:
        tree: of NumPy or JAX arrays; a value of 64 bits counts as two of 32.

    Returns:
        integers from 0 to 2 ** 32 - 1.
    """
    leaves = jax.tree.leaves(tree)
    if all(_is_in_memory(leaf) for leaf in leaves):
        return _sum_in_memory(leaves)
    return [int(value) for value in np.asarray(sum_on_devices(leaves))]


def decode_meta(meta: Any, newest: int) -> dict[str, Any]:
    """Returns the metadata of a checkpoint if all are of the right types; in a format after `newest`, only the format is.

    Raises:
        Mismatch: a field is missing or holds something else.
    """
    if decode_fields({"format": int}, meta)["format"] <= newest:
        decode_fields(META, meta)
    return meta


def _is_in_memory(leaf: Any) -> bool:
    """Whether NumPy can read an array without a copy from another device or process."""
    if not isinstance(leaf, Array):
        return True
    return (leaf.is_fully_addressable or leaf.is_fully_replicated) and all(
        device.platform == "cpu" for device in leaf.devices()
    )


def _sum_in_memory(leaves: list[Any]) -> list[int]:
    """Computes checksums with NumPy, because compiling a sum for each shape takes longer than summing a full network."""
    sums = []
    for leaf in leaves:
        array = np.asarray(leaf)
        array = np.ascontiguousarray(array, jax.dtypes.canonicalize_dtype(array.dtype)).reshape(-1)
        bits = array.view(np.uint32 if array.itemsize == 8 else f"uint{8 * array.itemsize}").astype(np.uint32, copy=False)
        factors = np.arange(1, 2 * bits.size, 2, dtype=np.uint32)
        sums.append(int(np.sum(np.multiply(bits, factors, out=factors), dtype=np.uint32)))
    return sums


@jax.jit
def sum_on_devices(leaves: list[Array]) -> Array:
    """Computes the checksums of arrays on their devices: uint32 (number of arrays,)."""

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
