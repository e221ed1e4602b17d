"""Announces the pairs that a run will read, so that their shards are fetched from a bucket; reads pairs ahead."""

from collections.abc import Iterator
from itertools import islice

import jax
from rich.console import Console

from p2p_jax.config import Config
from p2p_jax.console import progress_bar
from p2p_jax.data.arriving import expect, is_arriving
from p2p_jax.data.loading import Dataset, Reader, batches, open_reader
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


def read_ahead(dataset: Dataset, config: Config, console: Console) -> Reader:
    """Opens the reader of the training pairs and decodes them now if they are kept in memory and here already."""
    pairs = dataset.splits["train"]
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=pairs.count())
        on_read = lambda done: progress.update(task, completed=done)
        # Training on a set in a bucket starts before all of its shards are here.
        ahead = (processes.count() == 1 and not is_arriving(pairs)) or config.data.cache == "device"
        if ahead:
            expect(pairs, range(pairs.count()))
        return open_reader(pairs, config, on_read, ahead=ahead)
