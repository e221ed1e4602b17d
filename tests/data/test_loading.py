"""Batches are a pure function of (seed, index), whatever reads them; unreadable pairs; the fingerprint."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from helpers.cases import mostly_slow
from PIL import Image

from p2p_jax.config import Config, Data, load_size
from p2p_jax.data.fit import Fit
from p2p_jax.data.loading import batches, open_dataset, open_reader
from p2p_jax.data.prepared import Opened

WHOLE = Fit("resize_and_crop", (16, 16), (16, 16))


def config_of(path, seed=0, **data):
    return Config(image_size=16, seed=seed, data=Data(path=str(path), load_size=16, **data))


def reader_of(config):
    return open_reader(open_dataset(config).splits["train"], config)


def take(reader, count, *, seed=0, batch_size=1, start=0, threads=0):
    return list(islice(batches(reader, seed=seed, batch_size=batch_size, start=start, threads=threads), count))


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a[name], b[name]) for a, b in zip(first, second, strict=True) for name in ("input", "target")
    )


def ids(stream):
    """Which pictures went through, as their bytes."""
    return [picture.tobytes() for batch in stream for picture in batch["input"]]


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("batch_size", mostly_slow([1, 2, 4]))
def test_a_stream_from_k_goes_on_like_one_from_the_start(side_by_side, threads, batch_size):
    reader = reader_of(config_of(side_by_side))
    whole = take(reader, 14, batch_size=batch_size)
    assert whole[0]["input"].shape == (batch_size, 16, 16, 3)
    for start in (0, 1, 5, 6, 7, 13):
        assert same(take(reader, 14 - start, batch_size=batch_size, start=start, threads=threads), whole[start:])


def test_every_epoch_has_every_pair_once_in_an_order_of_its_own(side_by_side):
    read = ids(take(reader_of(config_of(side_by_side)), 24))
    epochs = [read[i : i + 6] for i in range(0, 24, 6)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_another_seed_gives_another_order(side_by_side):
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


def test_progress_is_told(side_by_side):
    config, told = config_of(side_by_side), []
    open_reader(open_dataset(config).splits["train"], config, told.append)
    assert told == [1, 2, 3, 4, 5, 6]


@pytest.fixture
def with_bad_ones(side_by_side):
    """Two of the six cannot be read."""
    good = [path.read_bytes() for path in sorted(side_by_side.iterdir())]
    (side_by_side / "1.png").write_text("no picture")
    (side_by_side / "4.png").write_bytes(good[4][: len(good[4]) // 2])
    return side_by_side


@pytest.mark.parametrize("cache", [0, 64])
def test_an_unreadable_pair_is_raised_with_its_name(with_bad_ones, cache):
    config = config_of(with_bad_ones, cache_mib=cache)
    with pytest.raises(ValueError, match=r"[14]\.png"):
        take(reader_of(config), 6)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("cache", [0, 64])
def test_skipping_replaces_unreadable_pairs_always_by_the_same_good_ones(with_bad_ones, cache, threads):
    reader = reader_of(config_of(with_bad_ones, on_error="skip", cache_mib=cache))
    expected = take(reader_of(config_of(with_bad_ones, on_error="skip")), 12)
    made = take(reader, 12, threads=threads)
    assert same(made, expected)
    assert sorted(reader.pairs.skipped) == [1, 4]
    assert "1.png" in reader.pairs.skipped[1]
    assert "4.png" in reader.pairs.skipped[4]
    assert len(set(ids(made))) == 4
    assert same(take(reader, 5, start=7, threads=threads), expected[7:])


def test_good_pairs_keep_their_places_when_others_are_skipped(side_by_side, with_bad_ones, tmp_path):
    reader = reader_of(config_of(with_bad_ones, on_error="skip"))
    pairs = open_dataset(config_of(with_bad_ones)).splits["train"]
    for index in (0, 2, 3, 5):
        assert same([reader.read(index)], [pairs.read(index, WHOLE)])


def test_skipping_everything_is_refused(side_by_side):
    for path in side_by_side.iterdir():
        path.write_text("no picture")
    with pytest.raises(ValueError, match="none of the 6 pairs"):
        reader_of(config_of(side_by_side, on_error="skip"))


def test_the_fingerprint_is_that_of_names_and_sizes(side_by_side):
    def fingerprint(**data):
        return open_dataset(config_of(side_by_side, **data)).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint(threads=0, cache_mib=0) == first
    data = (side_by_side / "5.png").read_bytes()
    (side_by_side / "5.png").write_bytes(data + b"\0")
    assert fingerprint() != first, "a size changed"
    (side_by_side / "5.png").write_bytes(data)
    assert fingerprint() == first
    (side_by_side / "5.png").rename(side_by_side / "6.png")
    assert fingerprint() != first, "a name changed"
    (side_by_side / "6.png").unlink()
    assert fingerprint() != first, "a file is gone"


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(side_by_side, tmp_path):
    first = open_dataset(config_of(side_by_side)).fingerprint
    moved = side_by_side.rename(tmp_path / "moved")
    assert open_dataset(config_of(moved)).fingerprint == first


def test_the_fingerprint_of_a_pair_moved_to_another_split_is_another(side_by_side, tmp_path):
    prints = set()
    for split in ("train", "test"):
        folder = tmp_path / split
        for name, where in (("train", "0"), (split, "1")):
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / f"{where}.png").write_bytes((side_by_side / f"{where}.png").read_bytes())
        prints.add(open_dataset(config_of(folder)).fingerprint)
    assert len(prints) == 2


def test_drawn_pairs_differ_between_seeds_and_splits():
    def first(seed, split):
        config = Config(seed=seed, data=Data(source="procedural", count=16))
        return open_dataset(config).splits[split].read(0, WHOLE)["target"].tobytes()

    assert len({first(seed, split) for seed in (0, 1) for split in ("train", "val", "test")}) == 6
    assert first(0, "train") == first(0, "train")


def test_drawn_splits_have_the_numbers_asked_for_and_share_no_facade():
    splits = open_dataset(Config(data=Data(source="procedural", count=17))).splits
    assert {name: pairs.count() for name, pairs in splits.items()} == {"train": 17, "val": 2, "test": 2}
    names = [pairs.name(i) for pairs in splits.values() for i in range(pairs.count())]
    assert len(set(names)) == 21


def test_the_load_size_is_the_papers_in_proportion():
    assert load_size(Config()) == (286, 286)
    assert load_size(Config(image_size=128)) == (143, 143)
    assert load_size(Config(image_size=(128, 256))) == (143, 286)
    assert load_size(Config(data=Data(load_size=300))) == (300, 300)
    assert load_size(Config(data=Data(load_size=(300, 400)))) == (300, 400)


def test_pictures_are_read_at_the_load_size(tmp_path, side_by_side):
    config = Config(image_size=16, data=Data(path=str(side_by_side), load_size=20))
    made = take(reader_of(config), 1)[0]["input"]
    assert made.shape == (1, 20, 20, 3)
    pictures = [Image.open(path).crop((0, 0, 32, 32)) for path in side_by_side.iterdir()]
    resized = [np.asarray(picture.resize((20, 20), Image.Resampling.BICUBIC)) for picture in pictures]
    assert any(np.array_equal(made[0], picture) for picture in resized)


def test_processes_read_what_threads_read(with_bad_ones):
    config = config_of(with_bad_ones, on_error="skip", cache="none")
    expected = take(reader_of(config), 8, batch_size=2, start=3)
    reader = reader_of(config)
    stream = batches(reader, seed=0, batch_size=2, start=3, threads=0, processes=2)
    assert same(list(islice(stream, 8)), expected)
    stream.close()
    assert sorted(reader.pairs.skipped) == [1, 4], "what another process could not read is known here too"
    assert "4.png" in reader.pairs.skipped[4]


@pytest.mark.parametrize("cache", ["none", "memory"])
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


def test_only_the_numbers_of_pairs_are_given_when_they_lie_elsewhere(side_by_side):
    reader = reader_of(config_of(side_by_side))
    picked = list(islice(batches(reader, seed=3, batch_size=2, start=1, threads=0, read=False), 5))
    for batch, indices in zip(take(reader, 5, seed=3, batch_size=2, start=1), picked, strict=True):
        assert set(indices) == {"index"}
        assert same([batch], [{k: np.stack([reader.read(int(i))[k] for i in indices["index"]]) for k in batch}])


@pytest.mark.parametrize(("cache", "kept"), [("none", False), ("memory", True), ("device", True), ("auto", False)])
def test_the_cache_is_kept_when_told(side_by_side, cache, kept):
    assert (reader_of(config_of(side_by_side, cache=cache, cache_mib=0)).cache is not None) == kept


def test_shares_are_split_off_a_list_too(side_by_side, tmp_path):
    rows = ["pair", *(f"pairs/{i}.png" for i in range(6))]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    config = Config(image_size=16, data=Data(path=str(tmp_path / "list.csv"), val_fraction=0.5))
    splits = open_dataset(config).splits
    names = [{pairs.name(i) for i in range(pairs.count())} for pairs in splits.values()]
    assert [len(some) for some in names] == [3, 3]
    assert set.union(*names) == {f"pairs/{i}" for i in range(6)}


@pytest.fixture
def prepared(side_by_side, monkeypatch):
    """Six records of a set that has other features than ours, as `open_prepared` gives them."""
    whole = [np.asarray(Image.open(path)) for path in sorted(side_by_side.iterdir())]
    records = [{"image": picture[:, :32], "label": picture[:, 32:], "id": i} for i, picture in enumerate(whole)]
    asked = []

    def opened(name, data_dir):
        asked.append((name, data_dir))
        return Opened({"train": records, "test": records[:2]}, "print")

    monkeypatch.setattr("p2p_jax.data.prepared.open_prepared", opened)
    return asked


def config_of_set(**data):
    return Config(image_size=16, data=Data(tfds="other/small", tfds_dir="sets", load_size=16, **data))


def test_any_set_is_trained_on_by_naming_its_features(prepared, side_by_side):
    dataset = open_dataset(config_of_set(tfds_features=("image", "label")))
    assert prepared == [("other/small", "sets")]
    assert dataset.fingerprint == "print"
    assert {split: pairs.count() for split, pairs in dataset.splits.items()} == {"train": 6, "test": 2}
    of_files = open_dataset(config_of(side_by_side)).splits["train"]
    assert same([dataset.splits["train"].read(4, WHOLE)], [of_files.read(4, WHOLE)])


@pytest.mark.parametrize("features", [None, ("image",), ("image", "depth")])
def test_features_that_are_not_there_are_refused_with_those_that_are(prepared, features):
    with pytest.raises(ValueError, match="other/small has the features id, image, label: name those that are A and B"):
        open_dataset(config_of_set(tfds_features=features))


def test_a_folder_comes_before_a_prepared_set(prepared, side_by_side):
    config = config_of_set()
    config = replace(config, data=replace(config.data, path=str(side_by_side)))
    assert set(open_dataset(config).splits) == {"train"}
    assert prepared == []


def test_a_set_for_an_experiment_that_draws_its_own_is_refused():
    with pytest.raises(ValueError, match=r"--data\.tfds was given x, .* --data\.source folder"):
        open_dataset(Config(data=Data(source="procedural", tfds="x")))
