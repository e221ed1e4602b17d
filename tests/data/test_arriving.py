"""Training on a set in a bucket: shards come in the order in which they are needed, and decide on nothing."""

import threading
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from helpers.buckets import wait_until
from helpers.sets import count_reads, prepare_set, shard_reads

from p2p_jax.config import Config, Data
from p2p_jax.data.arriving import expect, is_arriving
from p2p_jax.data.fit import fit_of_evaluation
from p2p_jax.data.loading import batches, open_dataset, open_reader
from p2p_jax.devices import processes
from p2p_jax.errors import NotFetched
from p2p_jax.evaluation.scoring import batches_of
from p2p_jax.storage import shards


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "WAIT_SECONDS", 0.0)
    prepare_set(tmp_path / "sets", {"train": 12, "test": 4})
    return tmp_path / "sets"


def config_of(place, **data) -> Config:
    return Config(image_size=16, data=Data(tfds="mine", tfds_dir=str(place), load_size=20, **data))


def indices_of(reader, shard, number):
    stream = batches(reader, seed=3, batch_size=4, start=2, shard=shard, threads=0, read=False)
    return [int(index) for batch in islice(stream, number) for index in batch["index"]]


@pytest.mark.parametrize(
    ("data", "shard"),
    [({}, (0, 1)), ({"on_error": "skip"}, (1, 2)), ({"val_fraction": 0.25}, (0, 2)), ({"cache": "none"}, (3, 4))],
)
def test_batches_are_those_of_a_folder(root, monkeypatch, data, shard):
    found = []
    for place in (root, f"file://{root}"):
        config = config_of(place, **data)
        reader = open_reader(open_dataset(config).splits["train"], config, ahead=False)
        expect(reader.pairs, indices_of(reader, shard, 6))
        stream = batches(reader, seed=3, batch_size=4, start=2, shard=shard, threads=2)
        found.append([{name: np.asarray(value) for name, value in batch.items()} for batch in islice(stream, 6)])
    for one, other in zip(*found, strict=True):
        assert {name: value.tobytes() for name, value in one.items()} == {n: v.tobytes() for n, v in other.items()}


def test_shards_come_in_the_order_in_which_this_process_needs_them(root, monkeypatch):
    config = config_of(f"file://{root}", val_fraction=0.25)
    pairs = open_dataset(config).splits["train"]
    reader = open_reader(pairs, replace(config, data=replace(config.data, cache="none")), ahead=False)
    reads = count_reads(monkeypatch)
    monkeypatch.setattr(shards, "FETCHERS", 1)
    order = indices_of(reader, (1, 2), 40)
    records = pairs.records.records.records
    needed = list(dict.fromkeys(records.shard_of(pairs.records.indices[index]) for index in order))
    expect(pairs, order)
    wait_until(lambda: not is_arriving(pairs))
    first = records.shard_of(pairs.records.indices[0])  # opening the reader has read the first pair
    assert list(shard_reads(reads)) == [name for name in needed if name != first]
    assert len(needed) > 4


def test_only_the_shards_that_are_needed_until_the_end_are_fetched(root, monkeypatch):
    config = config_of(f"file://{root}")
    dataset = open_dataset(config)
    reads = count_reads(monkeypatch)
    expect(dataset.splits["train"], [11, 10, 11])
    wait_until(lambda: shard_reads(reads))
    for index in (11, 10):
        dataset.splits["train"].name(index)
    records = dataset.splits["train"].records.records
    assert set(shard_reads(reads)) == {records.shard_of(11), records.shard_of(10)}
    assert is_arriving(dataset.splits["train"])
    assert not is_arriving(open_dataset(config_of(root)).splits["train"])
    assert not is_arriving(open_dataset(Config(data=Data(source="procedural"))).splits["train"])


def test_training_begins_before_the_rest_is_there(root, monkeypatch):
    config = config_of(f"file://{root}")
    reader = open_reader(open_dataset(config).splits["train"], config, ahead=False)
    first = indices_of(reader, (0, 1), 1)
    records = reader.pairs.records.records
    needed = {records.shard_of(index) for index in first}
    going, real = threading.Event(), LocalFileSystem.cat_file

    def gated(self, path, *args, **options):
        if Path(path).name not in needed:
            going.wait(30)
        return real(self, path, *args, **options)

    monkeypatch.setattr(LocalFileSystem, "cat_file", gated)
    expect(reader.pairs, indices_of(reader, (0, 1), 20))
    stream = batches(reader, seed=3, batch_size=4, start=2, threads=0)
    assert next(stream)["input"].shape == (4, 20, 20, 3)
    assert is_arriving(reader.pairs)
    going.set()
    assert len(list(islice(stream, 5))) == 5


def test_a_bucket_that_is_lost_replaces_no_pair(root, monkeypatch):
    config = config_of(f"file://{root}", on_error="skip")
    pairs = open_dataset(config).splits["train"]

    def lost(*_, **__):
        raise ConnectionError("gone")

    monkeypatch.setattr(LocalFileSystem, "cat_file", lost)
    with pytest.raises(NotFetched, match=r"cannot be read \(ConnectionError: gone\)"):
        open_reader(pairs, config, ahead=False)
    assert pairs.skipped == {}


@pytest.mark.parametrize(("index", "total"), [(0, 2), (1, 2), (2, 3)])
def test_measuring_reads_only_the_shards_of_the_own_pairs(root, monkeypatch, index, total):
    config = config_of(f"file://{root}")
    pairs = open_dataset(config).splits["train"]
    monkeypatch.setattr(processes.jax, "process_count", lambda: total)
    monkeypatch.setattr(processes.jax, "process_index", lambda: index)
    own, reads = processes.own_indices(12), count_reads(monkeypatch)
    assert sum(real for _, real in batches_of(pairs, fit_of_evaluation(config), own, 4)) == len(own)
    assert set(shard_reads(reads)) == {pairs.records.records.shard_of(index) for index in own}
    assert is_arriving(pairs)
