"""Opening a data set: splits that are drawn, prepared sets, drawn facades, and the fingerprint."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.folders import config_of, picture
from helpers.pairs import resized
from PIL import Image

from p2p_jax.config import Config, Data, Side, load_size
from p2p_jax.data.cmp import COLOURS
from p2p_jax.data.loading import open_dataset
from p2p_jax.data.prepared import Opened
from p2p_jax.errors import UserError


def test_a_folder_without_training_pairs_is_refused(tmp_path):
    picture(tmp_path / "test" / "1.png")
    with pytest.raises(ValueError, match="none to train on"):
        open_dataset(Config(data=Data(path=str(tmp_path))))


def numbered(tmp_path, count=20):
    for number in range(count):
        picture(tmp_path / f"{number}.png")
    return str(tmp_path)


def names(dataset):
    return {split: [pairs.name(i) for i in range(pairs.count())] for split, pairs in dataset.splits.items()}


def test_fractions_are_split_off_without_overlap(tmp_path):
    data = Data(path=numbered(tmp_path), val_fraction=0.2, test_fraction=0.25)
    found = names(open_dataset(Config(data=data)))
    assert {split: len(names) for split, names in found.items()} == {"train": 12, "val": 4, "test": 4}
    assert sorted((name for names in found.values() for name in names), key=int) == [str(i) for i in range(20)]
    assert all(some == sorted(some, key=int) for some in found.values())


def test_the_splits_depend_on_the_seed(tmp_path):
    data = Data(path=numbered(tmp_path), val_fraction=0.3)
    first, again, other = (names(open_dataset(Config(seed=seed, data=data))) for seed in (1, 1, 2))
    assert first == again
    assert set(first["val"]) != set(other["val"])
    assert first["val"] != [str(i) for i in range(6)]


def test_an_existing_split_is_not_split_off_again(tmp_path):
    picture(tmp_path / "train" / "1.png")
    picture(tmp_path / "train" / "2.png")
    picture(tmp_path / "val" / "3.png")
    data = Data(path=str(tmp_path), val_fraction=0.5)
    assert names(open_dataset(Config(data=data))) == {"train": ["1", "2"], "val": ["3"]}


def test_without_fractions_there_is_only_train(tmp_path):
    assert set(open_dataset(Config(data=Data(path=numbered(tmp_path)))).splits) == {"train"}


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_fraction_that_leaves_a_split_empty_is_refused(tmp_path, fraction):
    with pytest.raises(ValueError, match="leaves one split empty"):
        open_dataset(Config(data=Data(path=numbered(tmp_path, 4), val_fraction=fraction)))


def test_fractions_are_split_off_a_list_too(side_by_side, tmp_path):
    rows = ["pair", *(f"pairs/{i}.png" for i in range(6))]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    config = Config(image_size=16, data=Data(path=str(tmp_path / "list.csv"), val_fraction=0.5))
    splits = open_dataset(config).splits
    names = [{pairs.name(i) for i in range(pairs.count())} for pairs in splits.values()]
    assert [len(some) for some in names] == [3, 3]
    assert set.union(*names) == {f"pairs/{i}" for i in range(6)}


def test_the_fingerprint_depends_on_names_and_sizes(side_by_side):
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


def test_the_fingerprint_does_not_depend_on_the_folder(side_by_side, tmp_path):
    first = open_dataset(config_of(side_by_side)).fingerprint
    moved = side_by_side.rename(tmp_path / "moved")
    assert open_dataset(config_of(moved)).fingerprint == first


def test_the_fingerprint_depends_on_the_splits(side_by_side, tmp_path):
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
        return open_dataset(config).splits[split].read(0, resized(16, 16))["target"].tobytes()

    assert len({first(seed, split) for seed in (0, 1) for split in ("train", "val", "test")}) == 6
    assert first(0, "train") == first(0, "train")


def test_drawn_splits_have_the_right_sizes_and_no_common_facade():
    splits = open_dataset(Config(data=Data(source="procedural", count=17))).splits
    assert {name: pairs.count() for name, pairs in splits.items()} == {"train": 17, "val": 2, "test": 2}
    names = [pairs.name(i) for pairs in splits.values() for i in range(pairs.count())]
    assert len(set(names)) == 21


@pytest.mark.parametrize(("direction", "labels"), [("AtoB", "input"), ("BtoA", "target")])
def test_drawn_labels_may_be_read_as_classes(direction, labels):
    of_colours = Data(source="procedural", count=8, direction=direction)
    of_classes = replace(of_colours, **{labels: Side(kind="labels", palette=("cmp",))})
    colours, classes = (
        open_dataset(Config(data=data)).splits["test"].read(0, resized(32, 24)) for data in (of_colours, of_classes)
    )
    assert classes[labels].shape == (32, 24, 1)
    np.testing.assert_array_equal(COLOURS[classes[labels][..., 0]], colours[labels])
    photo = "target" if labels == "input" else "input"
    np.testing.assert_array_equal(classes[photo], colours[photo])


@pytest.mark.parametrize(
    "changed",
    [
        {"target": Side(kind="labels", palette=("cmp",))},
        {"input": Side(kind="labels", palette=("#0000de", "#0030ff"))},
        {"input": Side(kind="labels", classes=12)},
        {"input": Side(kind="labels", palette=("cmp",), ignore=0)},
    ],
)
def test_other_options_of_a_drawn_side_are_refused(changed):
    with pytest.raises(UserError, match=r"except for --data\.input\.kind labels with --data\.input\.palette cmp"):
        open_dataset(Config(data=Data(source="procedural", **changed)))


def test_the_load_size_has_the_papers_ratio_to_the_image_size():
    assert load_size(Config()) == (286, 286)
    assert load_size(Config(image_size=128)) == (143, 143)
    assert load_size(Config(image_size=(128, 256))) == (143, 286)
    assert load_size(Config(data=Data(load_size=300))) == (300, 300)
    assert load_size(Config(data=Data(load_size=(300, 400)))) == (300, 400)


@pytest.fixture
def prepared(side_by_side, monkeypatch):
    """Six records of a set whose features have other names, as `open_prepared` returns them."""
    whole = [np.asarray(Image.open(path)) for path in sorted(side_by_side.iterdir())]
    records = [{"image": picture[:, :32], "label": picture[:, 32:], "id": i} for i, picture in enumerate(whole)]
    asked = []

    def opened(name, data_dir):
        asked.append((name, data_dir))
        return Opened({"train": records, "test": records[:2]}, "print", frozenset(records[0]))

    monkeypatch.setattr("p2p_jax.data.loading.open_prepared", opened)
    return asked


def config_of_set(**data):
    return Config(image_size=16, data=Data(tfds="other/small", tfds_dir="sets", load_size=16, **data))


def test_any_prepared_set_can_be_read_by_naming_its_features(prepared, side_by_side):
    dataset = open_dataset(config_of_set(tfds_features=("image", "label")))
    assert prepared == [("other/small", "sets")]
    assert dataset.fingerprint == "print"
    assert {split: pairs.count() for split, pairs in dataset.splits.items()} == {"train": 6, "test": 2}
    of_files = open_dataset(config_of(side_by_side)).splits["train"]
    expected = of_files.read(4, resized(16, 16))
    for role, pixels in dataset.splits["train"].read(4, resized(16, 16)).items():
        assert np.array_equal(pixels, expected[role])


@pytest.mark.parametrize("features", [None, ("image",), ("image", "depth")])
def test_missing_features_are_refused_with_the_existing_ones(prepared, features):
    with pytest.raises(ValueError, match="other/small has the features id, image, label: name those that are A and B"):
        open_dataset(config_of_set(tfds_features=features))


def test_a_folder_comes_before_a_prepared_set(prepared, side_by_side):
    config = config_of_set()
    config = replace(config, data=replace(config.data, path=str(side_by_side)))
    assert set(open_dataset(config).splits) == {"train"}
    assert prepared == []


def test_a_set_for_an_experiment_that_draws_its_own_pictures_is_refused():
    with pytest.raises(ValueError, match=r"--data\.tfds was given x, .* --data\.source folder"):
        open_dataset(Config(data=Data(source="procedural", tfds="x")))
