"""Finding pairs in folders: the layouts, the order, and pictures that lack their other half."""

import unicodedata

import pytest
from helpers.folders import files_of, picture

from p2p_jax.data.layout import find_inputs, find_pairs


def names_of(path, split="train"):
    return [name for name, _ in find_pairs(path)[split]]


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


def test_files_that_are_no_pictures_are_ignored(tmp_path):
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
        find_pairs(tmp_path)
    assert str(lonely) in str(caught.value)
    assert str(tmp_path / other) in str(caught.value)


def test_two_pictures_of_one_name_are_refused(tmp_path):
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
def test_folders_without_pairs_are_refused_with_the_expected_layouts(tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir()
    with pytest.raises(ValueError, match="holds no pairs: it needs side-by-side"):
        find_pairs(tmp_path)


def test_sub_folders_are_searched_and_named(tmp_path):
    for name in ("A/x/2.png", "A/y/1.png", "B/x/2.jpg", "B/y/1.png"):
        picture(tmp_path / name)
    assert names_of(tmp_path) == ["x/2", "y/1"]
    for name in ("x/2.png", "x/10.png", "1.png"):
        picture(tmp_path / "one" / name)
    assert names_of(tmp_path / "one") == ["1", "x/2", "x/10"]


def test_hidden_folders_are_ignored(tmp_path):
    for name in ("A/1.png", "B/1.png", "A/.cache/2.png"):
        picture(tmp_path / name)
    assert names_of(tmp_path) == ["1"]


def test_several_inputs_and_a_mask_are_found(tmp_path):
    for folder in ("trainA1", "trainA2", "trainA10", "trainB", "trainmask"):
        picture(tmp_path / folder / "1.png")
    ((_, files),) = find_pairs(tmp_path)["train"]
    assert set(files) == {"A1", "A2", "A10", "B", "mask"}


@pytest.mark.parametrize(("a", "b"), [("1_A.png", "1_B.png"), ("x/1_real_A.png", "x/1_real_B.png"), ("1-A.png", "1-B.jpg")])
def test_names_in_one_folder_may_end_in_the_side(tmp_path, a, b):
    files = {"A": picture(tmp_path / a), "B": picture(tmp_path / b)}
    assert files_of(tmp_path) == {"train": [files]}


def test_outputs_of_a_network_are_ignored(tmp_path):
    for name in ("1_real_A.png", "1_real_B.png", "1_fake_B.png"):
        picture(tmp_path / name)
    assert files_of(tmp_path)["train"] == [{"A": tmp_path / "1_real_A.png", "B": tmp_path / "1_real_B.png"}]


@pytest.mark.parametrize(("files", "said"), [(["1_A", "1_B", "2_A"], "ends in _B"), (["1_A", "1_B", "x"], "neither in _A")])
def test_names_with_another_ending_are_named(tmp_path, files, said):
    for name in files:
        picture(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match=said) as caught:
        find_pairs(tmp_path)
    assert str(tmp_path / f"{files[-1]}.png") in str(caught.value)
    unmatched: list[str] = []
    assert [name for name, _ in find_pairs(tmp_path, unmatched=unmatched)["train"]] == ["1"]
    assert len(unmatched) == 1


def test_endings_that_all_names_of_a_folder_share_are_ignored(tmp_path):
    for name in ("A/1_leftImg8bit", "A/2_leftImg8bit", "B/1_gtFine_color", "B/2_gtFine_color"):
        picture(tmp_path / f"{name}.png")
    assert names_of(tmp_path) == ["1", "2"]


def test_pictures_without_their_other_half_can_be_collected(tmp_path):
    for name in ("A/1.png", "A/2.png", "B/1.png", "B/3.png"):
        picture(tmp_path / name)
    unmatched: list[str] = []
    assert [name for name, _ in find_pairs(tmp_path, unmatched=unmatched)["train"]] == ["1"]
    assert [str(tmp_path / name) in text for name, text in zip(("A/2.png", "B/3.png"), unmatched, strict=True)] == [
        True,
        True,
    ]


def test_stacked_inputs_are_found_in_folders_or_by_their_endings(tmp_path):
    for name in ("one/A1/x/1.png", "one/A2/x/1.png", "two/1_A1.png", "two/1_A2.png", "two/1_B.png", "three/1.png"):
        picture(tmp_path / name)
    for folder, name in (("one", "x/1"), ("two", "1")):
        ((found, files),) = find_inputs(tmp_path / folder, ["A1", "A2"])
        assert found == name
        assert {"A1", "A2"} <= set(files)
    with pytest.raises(ValueError, match="2 stacked pictures"):
        find_inputs(tmp_path / "three", ["A1", "A2"])


def test_folders_named_input_and_target_are_a_and_b(tmp_path):
    for name in ("input/1.png", "target/1.png", "train/input/2.png", "train/target/2.png"):
        picture(tmp_path / ("plain" if name[0] != "t" or name[1] == "a" else "split") / name)
    assert files_of(tmp_path / "plain")["train"] == [
        {"A": tmp_path / "plain/input/1.png", "B": tmp_path / "plain/target/1.png"}
    ]
    assert set(files_of(tmp_path / "split")["train"][0]) == {"A", "B"}


def test_halves_in_folders_of_other_names_need_the_layout_if_their_pictures_show_nothing(tmp_path):
    for name in ("one/1.png", "two/1.png", "one/2.png", "two/2.png"):
        picture(tmp_path / name)
    with pytest.raises(ValueError, match=r"--data\.layout folders if these are the two sides") as caught:
        find_pairs(tmp_path)
    assert str(tmp_path / "one") in str(caught.value)
    assert len(find_pairs(tmp_path, layout="folders")["train"]) == 2
    picture(tmp_path / "one" / "3.png")
    picture(tmp_path / "two" / "4.png")
    picture(tmp_path / "two" / "5.png")
    assert len(find_pairs(tmp_path)["train"]) == 7, "folders of side-by-side pictures"


def test_masks_of_side_by_side_pictures_are_no_pairs(tmp_path):
    for name in ("1.png", "mask/1.png"):
        picture(tmp_path / name)
    assert files_of(tmp_path)["train"] == [{"pair": tmp_path / "1.png", "mask": tmp_path / "mask/1.png"}]
    picture(tmp_path / "2.png")
    with pytest.raises(ValueError, match=r"2\.png has no mask of the same name"):
        find_pairs(tmp_path)


def test_an_incomplete_stacked_input_is_named(tmp_path):
    for name in ("1_A1", "1_A2", "2_A1"):
        picture(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match="no counterpart whose name ends in _A2") as caught:
        find_inputs(tmp_path, ["A1", "A2"])
    assert str(tmp_path / "2_A1.png") in str(caught.value)


@pytest.mark.parametrize("layout", ["folders", "endings", "endings of folders", "masks"])
def test_names_of_both_sides_are_compared_in_one_unicode_form(tmp_path, layout):
    composed, decomposed = (unicodedata.normalize(form, "Köln é") for form in ("NFC", "NFD"))
    names = {
        "folders": [f"A/{composed}.png", f"B/{decomposed}.jpg"],
        "endings": [f"{decomposed}_A.png", f"{composed}_B.png"],
        "endings of folders": [f"A/{composed}_photo.png", f"B/{decomposed}_map.png"],
        "masks": [f"{composed}.png", f"mask/{decomposed}.png"],
    }[layout]
    made = {picture(tmp_path / name) for name in names}
    assert [set(pair.values()) for pair in files_of(tmp_path)["train"]] == [made]


def test_names_of_one_form_keep_it(tmp_path):
    name = unicodedata.normalize("NFD", "Köln")
    for letter in "AB":
        picture(tmp_path / letter / f"{name}.png")
    assert [each for each, _ in find_pairs(tmp_path)["train"]] == [name]
