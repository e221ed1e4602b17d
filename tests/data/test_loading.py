"""Batches are a pure function of (seed, index), however they are read; the cache; and unreadable pairs."""

import multiprocessing
import os
import signal
from itertools import islice

import numpy as np
import pytest
from helpers.cases import tiers
from helpers.folders import config_of
from helpers.pairs import resized
from PIL import Image

from p2p_jax.config import Config, Data
from p2p_jax.data.loading import batches, open_dataset, open_reader
from p2p_jax.data.pairs import RecordedPairs
from p2p_jax.errors import UserError


def reader_of(config):
    return open_reader(open_dataset(config).splits["train"], config)


def take(reader, count, *, seed=0, batch_size=1, start=0, threads=0):
    return list(islice(batches(reader, seed=seed, batch_size=batch_size, start=start, threads=threads), count))


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a[name], b[name]) for a, b in zip(first, second, strict=True) for name in ("input", "target")
    )


def ids(stream):
    """The bytes of every input picture of a stream."""
    return [picture.tobytes() for batch in stream for picture in batch["input"]]


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("batch_size", tiers([1, 2, 4], slow=1))
def test_a_stream_that_starts_at_batch_k_equals_the_rest_of_a_whole_stream(side_by_side, threads, batch_size):
    reader = reader_of(config_of(side_by_side))
    whole = take(reader, 14, batch_size=batch_size)
    assert whole[0]["input"].shape == (batch_size, 16, 16, 3)
    for start in (0, 1, 5, 6, 7, 13):
        assert same(take(reader, 14 - start, batch_size=batch_size, start=start, threads=threads), whole[start:])


def test_every_epoch_has_every_pair_once_in_its_own_order(side_by_side):
    read = ids(take(reader_of(config_of(side_by_side)), 24))
    epochs = [read[i : i + 6] for i in range(0, 24, 6)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_order_depends_on_the_seed(side_by_side):
    reader = reader_of(config_of(side_by_side))
    orders = {tuple(ids(take(reader, 12, seed=seed))) for seed in range(4)}
    assert len(orders) == 4


def test_input_and_target_stay_together(side_by_side):
    for batch in take(reader_of(Config(data=Data(path=str(side_by_side), load_size=32), image_size=32)), 6, batch_size=2):
        assert np.array_equal(batch["target"], 255 - batch["input"])


def test_the_cache_changes_nothing(side_by_side):
    kept, read = reader_of(config_of(side_by_side)), reader_of(config_of(side_by_side, cache_mib=0))
    assert kept.cache is not None
    assert len(kept.cache) == 6
    assert read.cache is None
    assert same(take(kept, 13, batch_size=2), take(read, 13, batch_size=2))


def test_the_cache_is_limited_by_its_size(side_by_side):
    pairs = open_dataset(config_of(side_by_side)).splits["train"]
    bytes_needed = 6 * 512 * 512 * 6
    for mib, fits in ((bytes_needed // 2**20 - 1, False), (bytes_needed // 2**20, True)):
        config = Config(image_size=512, data=Data(path=str(side_by_side), load_size=512, cache_mib=mib))
        assert (open_reader(pairs, config).cache is not None) == fits


def test_progress_is_reported(side_by_side):
    config, reported = config_of(side_by_side), []
    open_reader(open_dataset(config).splits["train"], config, reported.append)
    assert reported == [1, 2, 3, 4, 5, 6]


@pytest.fixture
def with_bad_ones(side_by_side):
    """Two of the six cannot be read."""
    good = [path.read_bytes() for path in sorted(side_by_side.iterdir())]
    (side_by_side / "1.png").write_text("no picture")
    (side_by_side / "4.png").write_bytes(good[4][: len(good[4]) // 2])
    return side_by_side


@pytest.mark.parametrize("cache", [0, 64])
def test_an_unreadable_pair_is_refused_with_its_name(with_bad_ones, cache):
    config = config_of(with_bad_ones, cache_mib=cache)
    with pytest.raises(ValueError, match=r"[14]\.png"):
        take(reader_of(config), 6)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("cache", [0, 64])
def test_unreadable_pairs_are_always_replaced_by_the_same_readable_ones(with_bad_ones, cache, threads):
    reader = reader_of(config_of(with_bad_ones, on_error="skip", cache_mib=cache))
    expected = take(reader_of(config_of(with_bad_ones, on_error="skip")), 12)
    made = take(reader, 12, threads=threads)
    assert same(made, expected)
    assert sorted(reader.pairs.skipped) == [1, 4]
    assert "1.png" in reader.pairs.skipped[1]
    assert "4.png" in reader.pairs.skipped[4]
    assert len(set(ids(made))) == 4
    assert same(take(reader, 5, start=7, threads=threads), expected[7:])


def test_readable_pairs_keep_their_places_when_others_are_skipped(side_by_side, with_bad_ones, tmp_path):
    reader = reader_of(config_of(with_bad_ones, on_error="skip"))
    pairs = open_dataset(config_of(with_bad_ones)).splits["train"]
    for index in (0, 2, 3, 5):
        assert same([reader.read(index)], [pairs.read(index, resized(16, 16))])


def test_a_set_without_a_readable_pair_is_refused(side_by_side):
    for path in side_by_side.iterdir():
        path.write_text("no picture")
    with pytest.raises(ValueError, match="none of the 6 pairs"):
        reader_of(config_of(side_by_side, on_error="skip"))


def test_pictures_are_read_at_the_load_size(tmp_path, side_by_side):
    config = Config(image_size=16, data=Data(path=str(side_by_side), load_size=20))
    made = take(reader_of(config), 1)[0]["input"]
    assert made.shape == (1, 20, 20, 3)
    pictures = [Image.open(path).crop((0, 0, 32, 32)) for path in side_by_side.iterdir()]
    resized = [np.asarray(picture.resize((20, 20), Image.Resampling.BICUBIC)) for picture in pictures]
    assert any(np.array_equal(made[0], picture) for picture in resized)


@pytest.mark.slow
def test_processes_and_threads_read_the_same(with_bad_ones):
    config = config_of(with_bad_ones, on_error="skip", cache="none")
    expected = take(reader_of(config), 8, batch_size=2, start=3)
    reader = reader_of(config)
    stream = batches(reader, seed=0, batch_size=2, start=3, threads=0, processes=2)
    assert same(list(islice(stream, 8)), expected)
    stream.close()
    assert sorted(reader.pairs.skipped) == [1, 4], "what another process could not read is known here too"
    assert "4.png" in reader.pairs.skipped[4]


@pytest.mark.parametrize("cache", tiers(["none", "memory"], slow=1))
@pytest.mark.parametrize("preprocess", ["crop", "scale_width_and_crop"])
def test_crops_are_a_pure_function_of_seed_and_index(side_by_side, preprocess, cache):
    def stream(seed=0, start=0, threads=0, cache=cache):
        config = Config(image_size=16, data=Data(path=str(side_by_side), preprocess=preprocess, load_size=24, cache=cache))
        return take(reader_of(config), 12 - start, seed=seed, start=start, threads=threads)

    first = stream()
    assert first[0]["input"].shape == (1, 16, 16, 3)
    assert all(np.array_equal(batch["target"], 255 - batch["input"]) for batch in first) or preprocess != "crop"
    assert same(stream(threads=2), first)
    assert same(stream(start=5), first[5:])
    assert same(stream(cache="none"), first)
    assert not same(stream(seed=1), first)
    assert len(set(ids(first))) == 12, "the second epoch cuts elsewhere"


def test_only_indices_are_yielded_where_the_pairs_are_on_the_device(side_by_side):
    reader = reader_of(config_of(side_by_side))
    picked = list(islice(batches(reader, seed=3, batch_size=2, start=1, threads=0, read=False), 5))
    for batch, indices in zip(take(reader, 5, seed=3, batch_size=2, start=1), picked, strict=True):
        assert set(indices) == {"index"}
        assert same([batch], [{k: np.stack([reader.read(int(i))[k] for i in indices["index"]]) for k in batch}])


@pytest.mark.parametrize(("cache", "kept"), [("none", False), ("memory", True), ("device", True), ("auto", False)])
def test_the_cache_is_used_as_the_option_says(side_by_side, cache, kept):
    assert (reader_of(config_of(side_by_side, cache=cache, cache_mib=0)).cache is not None) == kept


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV])
def test_a_reading_process_that_is_killed_is_one_sentence(side_by_side, sent):
    reader = reader_of(config_of(side_by_side, cache="none"))
    stream = batches(reader, seed=0, batch_size=1, start=0, threads=0, processes=1)
    next(stream)
    for child in multiprocessing.active_children():
        os.kill(child.pid or 0, sent)
    with pytest.raises(UserError, match=f"ended unexpectedly .exit code {-sent}; .*fewer --data.processes"):
        list(islice(stream, 60))


def test_another_error_of_the_reader_stays_what_it_is(side_by_side, monkeypatch):
    def fail(*_):
        raise RuntimeError("broken")

    reader = reader_of(config_of(side_by_side, cache="none"))
    monkeypatch.setattr(RecordedPairs, "read", fail)
    with pytest.raises(RuntimeError, match="broken"):
        take(reader, 1)
