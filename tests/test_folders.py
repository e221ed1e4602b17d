"""Finding pairs in folders, and reading them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2p_jax.config import Config, Data
from p2p_jax.data.folders import FolderPairs, find_pairs
from p2p_jax.data.loading import open_dataset


def picture(path: Path, colour=(10, 20, 30), size=(16, 16), mode="RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def two_halves(path: Path, left=(200, 0, 0), right=(0, 0, 200), size=(16, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = Image.new("RGB", (2 * size[0], size[1]), left)
    whole.paste(Image.new("RGB", size, right), (size[0], 0))
    whole.save(path)
    return path


SIDE_BY_SIDE = {
    "flat": {"train": ["1.png", "2.jpg"]},
    "splits": {"train": ["train/1.png"], "val": ["val/2.png", "val/3.png"], "test": ["test/4.png"]},
    "valid": {"train": ["train/1.png"], "val": ["valid/2.png"]},
    "validation": {"train": ["train/1.png"], "val": ["validation/2.png"]},
}

TWO_FOLDERS = {
    "A and B": {"train": [("A/1.png", "B/1.png"), ("A/2.png", "B/2.png")]},
    "other endings": {"train": [("A/1.png", "B/1.jpg")]},
    "trainA and trainB": {"train": [("trainA/1.png", "trainB/1.png")], "test": [("testA/2.png", "testB/2.png")]},
    "train/A and train/B": {"train": [("train/A/1.png", "train/B/1.png")], "val": [("val/A/2.png", "val/B/2.png")]},
    "A/train and B/train": {"train": [("A/train/1.png", "B/train/1.png")], "val": [("A/val/2.png", "B/val/2.png")]},
}


@pytest.mark.parametrize("layout", SIDE_BY_SIDE)
def test_side_by_side_layouts_are_found(tmp_path, layout):
    for names in SIDE_BY_SIDE[layout].values():
        for name in names:
            picture(tmp_path / name)
    found = find_pairs(tmp_path)
    expected = {split: [(tmp_path / n, tmp_path / n) for n in names] for split, names in SIDE_BY_SIDE[layout].items()}
    assert {split: [tuple(pair) for pair in pairs] for split, pairs in found.items()} == expected


@pytest.mark.parametrize("layout", TWO_FOLDERS)
def test_layouts_of_two_folders_are_found(tmp_path, layout):
    for pairs in TWO_FOLDERS[layout].values():
        for name in sum(pairs, ()):
            picture(tmp_path / name)
    found = find_pairs(tmp_path)
    expected = {split: [(tmp_path / a, tmp_path / b) for a, b in pairs] for split, pairs in TWO_FOLDERS[layout].items()}
    assert {split: [tuple(pair) for pair in pairs] for split, pairs in found.items()} == expected


def test_files_that_are_no_pictures_are_left_alone(tmp_path):
    picture(tmp_path / "1.png")
    picture(tmp_path / ".hidden.png")
    (tmp_path / "notes.txt").write_text("x")
    assert [pair.a.name for pair in find_pairs(tmp_path)["train"]] == ["1.png"]


@pytest.mark.parametrize("folders", [("",), ("A", "B")])
def test_pairs_are_in_the_order_of_their_numbers(tmp_path, folders):
    for folder in folders:
        for number in (10, 9, 2, 1, 100):
            picture(tmp_path / folder / f"{number}.png")
        picture(tmp_path / folder / "name.png")
    names = [pair.a.stem for pair in find_pairs(tmp_path)["train"]]
    assert names == ["1", "2", "9", "10", "100", "name"]


@pytest.mark.parametrize(("alone", "other"), [("A", "B"), ("B", "A")])
def test_a_picture_without_its_other_half_is_named(tmp_path, alone, other):
    for folder in "AB":
        picture(tmp_path / folder / "1.png")
    lonely = picture(tmp_path / alone / "7.png")
    with pytest.raises(ValueError, match="no picture of the same name") as caught:
        find_pairs(tmp_path)
    assert str(lonely) in str(caught.value)
    assert str(tmp_path / other) in str(caught.value)


def test_two_pictures_of_one_name_are_not_silently_made_one(tmp_path):
    for name in ("A/1.png", "A/1.jpg", "B/1.png"):
        picture(tmp_path / name)
    with pytest.raises(ValueError, match=r"1\.(png|jpg)"):
        find_pairs(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist") as caught:
        find_pairs(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(caught.value)


def test_a_file_instead_of_a_folder_is_named(tmp_path):
    path = picture(tmp_path / "1.png")
    with pytest.raises(ValueError, match="is a file") as caught:
        find_pairs(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("folders", [(), ("A", "B"), ("train", "test"), ("A",)])
def test_folders_without_pairs_are_refused_with_what_is_expected(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(ValueError, match="holds no pairs: it needs side-by-side"):
        find_pairs(tmp_path)


def test_a_folder_without_training_pairs_is_refused(tmp_path):
    picture(tmp_path / "test" / "1.png")
    with pytest.raises(ValueError, match="none to train on"):
        open_dataset(Config(data=Data(path=str(tmp_path))))


def test_the_direction_chooses_the_input(tmp_path):
    path = two_halves(tmp_path / "1.png")
    forward = FolderPairs(find_pairs(tmp_path)["train"], "AtoB").read(0, (16, 16))
    back = FolderPairs(find_pairs(tmp_path)["train"], "BtoA").read(0, (16, 16))
    assert forward[0][0, 0].tolist() == [200, 0, 0], path
    assert forward[1][0, 0].tolist() == [0, 0, 200]
    assert np.array_equal(forward[0], back[1])
    assert np.array_equal(forward[1], back[0])


def test_both_kinds_of_folder_give_the_same_pairs(tmp_path):
    random = np.random.default_rng(0)
    a, b = random.integers(0, 256, (2, 20, 24, 3), np.uint8)
    for name, array in (("two/A/1.png", a), ("two/B/1.png", b), ("one/1.png", np.concatenate([a, b], 1))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(tmp_path / name)
    one, two = (FolderPairs(find_pairs(tmp_path / name)["train"]) for name in ("one", "two"))
    for size in ((20, 24), (16, 16)):
        assert all(np.array_equal(x, y) for x, y in zip(one.read(0, size), two.read(0, size), strict=True))
    assert np.array_equal(two.read(0, (20, 24))[0], a)
    assert np.array_equal(two.read(0, (20, 24))[1], b)
    assert one.name(0) == two.name(0) == "1"


def test_halves_of_different_size_are_refused_with_both_names(tmp_path):
    a, b = picture(tmp_path / "A" / "1.png", size=(16, 16)), picture(tmp_path / "B" / "1.png", size=(16, 17))
    with pytest.raises(ValueError, match=r"16 x 16 .* 16 x 17") as caught:
        FolderPairs(find_pairs(tmp_path)["train"]).read(0, (16, 16))
    assert str(a) in str(caught.value)
    assert str(b) in str(caught.value)


def test_an_odd_width_is_refused(tmp_path):
    path = picture(tmp_path / "1.png", size=(33, 16))
    with pytest.raises(ValueError, match="33 pixels wide") as caught:
        FolderPairs(find_pairs(tmp_path)["train"]).read(0, (16, 16))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1), (1, 1)])
@pytest.mark.parametrize("kind", ["one", "two"])
def test_channels_are_those_asked_for_input_and_target(tmp_path, kind, first, second, direction):
    if kind == "one":
        two_halves(tmp_path / "1.png", (255, 0, 0), (0, 0, 255))
    else:
        picture(tmp_path / "A" / "1.png", (255, 0, 0))
        picture(tmp_path / "B" / "1.png", (0, 0, 255))
    a, b = FolderPairs(find_pairs(tmp_path)["train"], direction, first, second).read(0, (16, 16))
    assert (a.shape[-1], b.shape[-1]) == (first, second)
    red_is_input = direction == "AtoB"
    assert a[0, 0, 0] == {(1, True): 76, (1, False): 29, (3, True): 255, (3, False): 0}[first, red_is_input]


def numbered(tmp_path, count=20):
    for number in range(count):
        picture(tmp_path / f"{number}.png")
    return str(tmp_path)


def names(dataset):
    return {split: [pairs.name(i) for i in range(pairs.count())] for split, pairs in dataset.splits.items()}


def test_shares_are_split_off_disjoint_and_whole(tmp_path):
    data = Data(path=numbered(tmp_path), val_fraction=0.2, test_fraction=0.25)
    found = names(open_dataset(Config(data=data)))
    assert {split: len(names) for split, names in found.items()} == {"train": 12, "val": 4, "test": 4}
    assert sorted((name for names in found.values() for name in names), key=int) == [str(i) for i in range(20)]
    assert all(some == sorted(some, key=int) for some in found.values())


def test_shares_are_the_same_for_the_same_seed_alone(tmp_path):
    data = Data(path=numbered(tmp_path), val_fraction=0.3)
    first, again, other = (names(open_dataset(Config(seed=seed, data=data))) for seed in (1, 1, 2))
    assert first == again
    assert set(first["val"]) != set(other["val"])
    assert first["val"] != [str(i) for i in range(6)]


def test_a_split_that_is_there_is_not_split_off_again(tmp_path):
    picture(tmp_path / "train" / "1.png")
    picture(tmp_path / "train" / "2.png")
    picture(tmp_path / "val" / "3.png")
    data = Data(path=str(tmp_path), val_fraction=0.5)
    assert names(open_dataset(Config(data=data))) == {"train": ["1", "2"], "val": ["3"]}


def test_no_split_is_made_up(tmp_path):
    assert set(open_dataset(Config(data=Data(path=numbered(tmp_path)))).splits) == {"train"}


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_that_leaves_one_side_empty_is_refused(tmp_path, share):
    with pytest.raises(ValueError, match="leaves one side empty"):
        open_dataset(Config(data=Data(path=numbered(tmp_path, 4), val_fraction=share)))
