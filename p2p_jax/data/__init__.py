"""Pairs of pictures: where they come from, how they are read, and what is done to them in the jitted step."""

from p2p_jax.data.augment import augment, to_float
from p2p_jax.data.loading import Dataset, batches, open_dataset, read_batch

__all__ = ["Dataset", "augment", "batches", "open_dataset", "read_batch", "to_float"]
