"""Skipped batches: those after which losses or networks were not finite (`on_nan` "skip").

Batch k of the data is a pure function of the seed and k, so only the set of skipped indices must be stored: it is in every
checkpoint. A skipped batch counts in `TrainState.batch_index` and not in `TrainState.step`.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array

MAX_SKIPPED = 20  # in one run; if more batches fail, the batch is not the cause


T = TypeVar("T")


def drop_skipped(batches: Iterable[T], start: int, skipped: Iterable[int]) -> Iterator[T]:
    """Returns the batches without the skipped ones; the first of `batches` has index `start`."""
    skipped = set(skipped)
    return (batch for index, batch in enumerate(batches, start) if index not in skipped)


def find_index(start: int, taken: int, skipped: Iterable[int]) -> int:
    """Returns the index of the batch that follows `taken` others from index `start` on; skipped batches do not count.

    >>> [find_index(3, taken, (4, 5)) for taken in range(3)]
    [3, 6, 7]
    """
    index = start + taken
    for other in sorted(skipped):
        index += start <= other <= index
    return index


def as_array(skipped: Iterable[int]) -> np.ndarray:
    """Returns the skipped indices as int32 (MAX_SKIPPED,), padded with -1: one compiled program fits any number."""
    indices = list(skipped)
    return np.array(indices + [-1] * (MAX_SKIPPED - len(indices)), np.int32)


def next_index(index: Array, skipped: Array) -> Array:
    """Returns the first index from `index` on that is not skipped; `index` and `skipped` are int32 on the device."""
    candidates = index + jnp.arange(MAX_SKIPPED + 1, dtype=index.dtype)
    return candidates[jnp.argmin((candidates[:, None] == skipped).any(axis=1))]
