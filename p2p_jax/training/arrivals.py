"""Announces the pairs that a run will read, so that their shards are fetched if the set is in a bucket."""

from collections.abc import Iterator
from itertools import islice

import jax

from p2p_jax.config import Config
from p2p_jax.data.arriving import expect
from p2p_jax.data.loading import Dataset, Reader, batches
from p2p_jax.devices import processes


def expect_run(reader: Reader, dataset: Dataset, config: Config, start: int) -> None:
    """Begins to fetch what this process will read: its parts of the batches, then its validation pairs.

    Args:
        reader: of the training pairs.
        dataset: all splits.
        config: of the run.
        start: index of the first batch.
    """
    expect(reader.pairs, _indices(reader, config, start))
    if "val" in dataset.splits:
        pairs = dataset.splits["val"]
        expect(pairs, processes.own_indices(min(config.val_pictures, pairs.count())))


def _indices(reader: Reader, config: Config, start: int) -> Iterator[int]:
    """The indices of the pairs in this process's parts of the batches, in order."""
    shard = (jax.process_index(), processes.count())
    options = {"seed": config.seed, "batch_size": config.batch_size, "start": start}
    stream = batches(reader, **options, shard=shard, threads=0, read=False)
    left = None if config.steps is None else max(config.steps - start, 0)
    return (int(index) for batch in islice(stream, left) for index in batch["index"])
