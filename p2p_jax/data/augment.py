"""What is done to a batch inside the jitted step: pure functions of a key and arrays."""

import jax
import jax.numpy as jnp
from jax import Array, lax


def to_float(pictures: Array) -> Array:
    """uint8 in 0..255 to float32 in [-1, 1], (any shape)."""
    return pictures.astype(jnp.float32) / 127.5 - 1


def augment(key: Array, batch: dict[str, Array], *, size: int, flip: bool) -> dict[str, Array]:
    """Random jitter as in the paper: a random crop and a mirroring, the same for both halves of a pair.

    Args:
        key: of this batch; the pair at index i of the global batch uses `fold_in(key, i)`, so that the number of
            devices changes nothing.
        batch: {"input": (n, h, w, c), "target": (n, h, w, c')}, uint8; h and w at least `size`.
        size: pixels a side after the crop; every offset is equally likely.
        flip: mirror half of the pairs left to right.

    Returns:
        the same names, (n, size, size, c), float32 in [-1, 1].

    Source: Isola et al. 2017, appendix 6.2.
    """
    count, height, width, _ = batch["input"].shape

    def one(index: Array, pair: dict[str, Array]) -> dict[str, Array]:
        row_key, column_key, flip_key = jax.random.split(jax.random.fold_in(key, index), 3)
        row = jax.random.randint(row_key, (), 0, height - size + 1)
        column = jax.random.randint(column_key, (), 0, width - size + 1)
        mirrored = flip & jax.random.bernoulli(flip_key)

        def apply(picture: Array) -> Array:
            crop = lax.dynamic_slice(picture, (row, column, 0), (size, size, picture.shape[-1]))
            return jnp.where(mirrored, crop[:, ::-1], crop)

        return jax.tree.map(apply, pair)

    return jax.tree.map(to_float, jax.vmap(one)(jnp.arange(count), batch))
