"""Finding pairs in folders and lists, and splitting them."""

from pathlib import Path

import pytest
from PIL import Image

from p2p_jax.config import Config, Data
from p2p_jax.data.layout import find_inputs, find_parts
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


def files_of(path):
    return {split: [files for _, files in pairs] for split, pairs in find_parts(path).items()}


def names_of(path, split="train"):
    return [name for name, _ in find_parts(path)[split]]


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
    expected = {split: [{"pair": tmp_path / n} for n in names] for split, names in SIDE_BY_SIDE[layout].items()}
    assert files_of(tmp_path) == expected


@pytest.mark.parametrize("layout", TWO_FOLDERS)
def test_layouts_of_two_folders_are_found(tmp_path, layout):
    for pairs in TWO_FOLDERS[layout].values():
        for name in sum(pairs, ()):
            picture(tmp_path / name)
    expected = {
        split: [{"A": tmp_path / a, "B": tmp_path / b} for a, b in pairs] for split, pairs in TWO_FOLDERS[layout].items()
    }
    assert files_of(tmp_path) == expected


def test_files_that_are_no_pictures_are_left_alone(tmp_path):
    picture(tmp_path / "1.png")
    picture(tmp_path / ".hidden.png")
    (tmp_path / "notes.txt").write_text("x")
    assert names_of(tmp_path) == ["1"]


@pytest.mark.parametrize("folders", [("",), ("A", "B")])
def test_pairs_are_in_the_order_of_their_numbers(tmp_path, folders):
    for folder in folders:
        for number in (10, 9, 2, 1, 100):
            picture(tmp_path / folder / f"{number}.png")
        picture(tmp_path / folder / "name.png")
    assert names_of(tmp_path) == ["1", "2", "9", "10", "100", "name"]


@pytest.mark.parametrize(("alone", "other"), [("A", "B"), ("B", "A")])
def test_a_picture_without_its_other_half_is_named(tmp_path, alone, other):
    for folder in "AB":
        picture(tmp_path / folder / "1.png")
    lonely = picture(tmp_path / alone / "7.png")
    with pytest.raises(ValueError, match="no picture of the same name") as caught:
        find_parts(tmp_path)
    assert str(lonely) in str(caught.value)
    assert str(tmp_path / other) in str(caught.value)


def test_two_pictures_of_one_name_are_not_silently_made_one(tmp_path):
    for name in ("A/1.png", "A/1.jpg", "B/1.png"):
        picture(tmp_path / name)
    with pytest.raises(ValueError, match=r"1\.(png|jpg)"):
        find_parts(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist") as caught:
        find_parts(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(caught.value)


def test_a_file_instead_of_a_folder_is_named(tmp_path):
    path = picture(tmp_path / "1.png")
    with pytest.raises(ValueError, match="is a file") as caught:
        find_parts(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("folders", [(), ("A", "B"), ("train", "test"), ("A",)])
def test_folders_without_pairs_are_refused_with_what_is_expected(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(ValueError, match="holds no pairs: it needs side-by-side"):
        find_parts(tmp_path)


def test_a_folder_without_training_pairs_is_refused(tmp_path):
    picture(tmp_path / "test" / "1.png")
    with pytest.raises(ValueError, match="none to train on"):
        open_dataset(Config(data=Data(path=str(tmp_path))))


def test_sub_folders_are_searched_and_named(tmp_path):
    for name in ("A/x/2.png", "A/y/1.png", "B/x/2.jpg", "B/y/1.png"):
        picture(tmp_path / name)
    assert names_of(tmp_path) == ["x/2", "y/1"]
    for name in ("x/2.png", "x/10.png", "1.png"):
        picture(tmp_path / "one" / name)
    assert names_of(tmp_path / "one") == ["1", "x/2", "x/10"]


def test_a_hidden_folder_is_left_alone(tmp_path):
    for name in ("A/1.png", "B/1.png", "A/.cache/2.png"):
        picture(tmp_path / name)
    assert names_of(tmp_path) == ["1"]


def test_several_inputs_and_a_mask(tmp_path):
    for folder in ("trainA1", "trainA2", "trainA10", "trainB", "trainmask"):
        picture(tmp_path / folder / "1.png")
    ((_, files),) = find_parts(tmp_path)["train"]
    assert set(files) == {"A1", "A2", "A10", "B", "mask"}


@pytest.mark.parametrize(("a", "b"), [("1_A.png", "1_B.png"), ("x/1_real_A.png", "x/1_real_B.png"), ("1-A.png", "1-B.jpg")])
def test_names_in_one_folder_that_end_in_the_half(tmp_path, a, b):
    files = {"A": picture(tmp_path / a), "B": picture(tmp_path / b)}
    assert files_of(tmp_path) == {"train": [files]}


def test_what_a_network_made_is_no_half(tmp_path):
    for name in ("1_real_A.png", "1_real_B.png", "1_fake_B.png"):
        picture(tmp_path / name)
    assert files_of(tmp_path)["train"] == [{"A": tmp_path / "1_real_A.png", "B": tmp_path / "1_real_B.png"}]


@pytest.mark.parametrize(("files", "said"), [(["1_A", "1_B", "2_A"], "ends in _B"), (["1_A", "1_B", "x"], "neither in _A")])
def test_a_name_that_ends_otherwise_is_named(tmp_path, files, said):
    for name in files:
        picture(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match=said) as caught:
        find_parts(tmp_path)
    assert str(tmp_path / f"{files[-1]}.png") in str(caught.value)
    alone: list[str] = []
    assert [name for name, _ in find_parts(tmp_path, alone=alone)["train"]] == ["1"]
    assert len(alone) == 1


def test_names_may_differ_in_what_all_of_a_folder_end_in(tmp_path):
    for name in ("A/1_leftImg8bit", "A/2_leftImg8bit", "B/1_gtFine_color", "B/2_gtFine_color"):
        picture(tmp_path / f"{name}.png")
    assert names_of(tmp_path) == ["1", "2"]


def test_pictures_that_are_alone_can_be_collected(tmp_path):
    for name in ("A/1.png", "A/2.png", "B/1.png", "B/3.png"):
        picture(tmp_path / name)
    alone: list[str] = []
    assert [name for name, _ in find_parts(tmp_path, alone=alone)["train"]] == ["1"]
    assert [str(tmp_path / name) in text for name, text in zip(("A/2.png", "B/3.png"), alone, strict=True)] == [True, True]


def test_files_of_a_list_that_are_missing_can_be_collected(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "list.csv").write_text("A,B\na.png,a.png\nno.png,a.png\na.png,none.png\n")
    alone: list[str] = []
    assert len(find_parts(tmp_path / "list.csv", alone=alone)["train"]) == 1
    assert ["line 3" in alone[0], "line 4" in alone[1], "none.png, which does not exist" in alone[1]] == [True] * 3


LISTS = {
    "list.csv": "A,B\nx/1.png,y/one.png\nx/2.png,y/two.png\n",
    "list.tsv": "input\ttarget\nx/1.png\ty/one.png\nx/2.png\ty/two.png\n",
    "list.jsonl": '{"A": "x/1.png", "B": "y/one.png"}\n\n{"input": "x/2.png", "target": "y/two.png"}\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_names_the_pairs_in_its_own_order(tmp_path, name):
    x, y = ([picture(tmp_path / file) for file in files] for files in (("x/1.png", "x/2.png"), ("y/one.png", "y/two.png")))
    (tmp_path / name).write_text(LISTS[name])
    assert files_of(tmp_path / name) == {"train": [{"A": a, "B": b} for a, b in zip(x, y, strict=True)]}


def test_a_list_may_name_splits_masks_and_several_inputs(tmp_path):
    for name in "abcm":
        picture(tmp_path / f"{name}.png")
    rows = ["A1,A2,B,mask,split", "a.png,b.png,c.png,m.png,train", "b.png,a.png,c.png,m.png,valid"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    found = find_parts(tmp_path / "list.csv")
    assert {split: [set(files) for _, files in pairs] for split, pairs in found.items()} == {
        "train": [{"A1", "A2", "B", "mask"}],
        "val": [{"A1", "A2", "B", "mask"}],
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("l.csv", "A,B\na.png,nothing.png\n", "line 2 .*nothing.png, which does not exist"),
        ("l.csv", "A,C\na.png,a.png\n", "line 2 .*names no pair"),
        ("l.csv", "A,B,split\na.png,a.png,later\n", "split later"),
        ("l.csv", "A,B\n", "lists no pairs"),
        ("l.csv", "A,B,mask\na.png,a.png,a.png\na.png,a.png,\n", "same pictures"),
        ("l.jsonl", "{A: 1}\n", "line 1 .*not a JSON object"),
        ("l.csv", b"A,B\n\xff\xfe,b\n", "not text in UTF-8"),
    ],
)
def test_a_bad_list_is_refused_by_its_line(tmp_path, name, text, said):
    picture(tmp_path / "a.png")
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=said):
        find_parts(tmp_path / name)


def test_stacked_inputs_are_found_in_folders_or_by_their_endings(tmp_path):
    for name in ("one/A1/x/1.png", "one/A2/x/1.png", "two/1_A1.png", "two/1_A2.png", "two/1_B.png", "three/1.png"):
        picture(tmp_path / name)
    for folder, name in (("one", "x/1"), ("two", "1")):
        ((found, files),) = find_inputs(tmp_path / folder, ["A1", "A2"])
        assert found == name
        assert {"A1", "A2"} <= set(files)
    with pytest.raises(ValueError, match="2 pictures at once"):
        find_inputs(tmp_path / "three", ["A1", "A2"])


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


def test_folders_of_inputs_and_targets_are_the_halves(tmp_path):
    for name in ("input/1.png", "target/1.png", "train/input/2.png", "train/target/2.png"):
        picture(tmp_path / ("plain" if name[0] != "t" or name[1] == "a" else "split") / name)
    assert files_of(tmp_path / "plain")["train"] == [
        {"A": tmp_path / "plain/input/1.png", "B": tmp_path / "plain/target/1.png"}
    ]
    assert set(files_of(tmp_path / "split")["train"][0]) == {"A", "B"}


def test_halves_under_other_names_are_not_cut_in_two(tmp_path):
    for name in ("photos/1.png", "labels/1.png", "photos/2.png", "labels/2.png"):
        picture(tmp_path / name)
    with pytest.raises(ValueError, match="name the folders A and B") as caught:
        find_parts(tmp_path)
    assert str(tmp_path / "photos") in str(caught.value)
    picture(tmp_path / "photos" / "3.png")
    assert len(find_parts(tmp_path)["train"]) == 5, "folders of side-by-side pictures"


def test_masks_of_side_by_side_pictures_are_no_pairs(tmp_path):
    for name in ("1.png", "mask/1.png"):
        picture(tmp_path / name)
    assert files_of(tmp_path)["train"] == [{"pair": tmp_path / "1.png", "mask": tmp_path / "mask/1.png"}]
    picture(tmp_path / "2.png")
    with pytest.raises(ValueError, match=r"2\.png has no mask of the same name"):
        find_parts(tmp_path)


def test_a_stacked_input_that_is_not_whole_is_named(tmp_path):
    for name in ("1_A1", "1_A2", "2_A1"):
        picture(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="ends in _A2 instead") as caught:
        find_inputs(tmp_path, ["A1", "A2"])
    assert str(tmp_path / "2_A1.png") in str(caught.value)


def test_a_field_without_end_is_one_sentence(tmp_path):
    (tmp_path / "l.csv").write_text('A,B\n"' + "x" * 200_000)
    with pytest.raises(ValueError, match=r"line 2 .*cannot be read"):
        find_parts(tmp_path / "l.csv")
