"""The inputs of a folder that is laid out as for training are found; any other folder is translated as it is."""

import pytest
from helpers.layouts import write

from p2p_jax.data.set_inputs import find_set_inputs
from p2p_jax.errors import UserError

SETS = {
    "A and B": (("labels:A/{}.png", "photo:B/{}.png"), {"A": "A/0.png", "B": "B/0.png"}),
    "splits": (("labels:train/A/{}.png", "photo:train/B/{}.png"), {"A": "train/A/0.png", "B": "train/B/0.png"}),
    "suffixes": (("labels:{}_input.png", "photo:{}_target.png"), {"A": "0_input.png", "B": "0_target.png"}),
    "pix2pixHD": (
        ("labels:train_label/{}.png", "photo:train_img/{}.png"),
        {"A": "train_label/0.png", "B": "train_img/0.png"},
    ),
}


@pytest.mark.parametrize("letter", ["A", "B"])
@pytest.mark.parametrize("name", SETS)
def test_the_inputs_of_a_set_are_found(tmp_path, name, letter):
    names, expected = SETS[name]
    inputs = find_set_inputs(write(tmp_path, *names), letter)
    assert inputs is not None
    assert len(inputs) == 4
    assert inputs[0] == (tmp_path / expected[letter], False)


def test_side_by_side_pictures_are_found_by_their_seam(tmp_path):
    inputs = find_set_inputs(write(tmp_path, "pair:{}.png"), "A")
    assert inputs == [(tmp_path / f"{index}.png", True) for index in range(4)]


def test_inputs_without_targets_are_found_in_their_split(tmp_path):
    inputs = find_set_inputs(write(tmp_path, "labels:train/A/{}.png", "photo:train/B/{}.png", "labels:test/{}.png"), "A")
    assert inputs is not None
    assert [file.relative_to(tmp_path).parts[0] for file, _ in inputs] == ["train"] * 4 + ["test"] * 4


@pytest.mark.parametrize(
    "names",
    [
        ("photo:{}.png",),
        ("photo:one/{}.png", "photo:two/{}.png"),
        ("photo:{}_day.png", "labels:{}_night.png"),
        ("photo:x/{}.png", "photo:y/1{}.png"),
        ("labels:train/{}.png",),
    ],
)
def test_any_other_folder_is_no_set(tmp_path, names):
    assert find_set_inputs(write(tmp_path, *names), "A") is None


def test_a_folder_that_mixes_pairs_with_single_pictures_is_refused_with_the_option_that_takes_all(tmp_path):
    write(tmp_path, "pair:{}.png", "labels:x{}.png", count=3)
    with pytest.raises(UserError, match=r"3 are side-by-side pairs and 3, such as .*: move these .*, or give --as-is"):
        find_set_inputs(tmp_path, "A")


def test_a_picture_that_looks_like_a_pair_by_coincidence_refuses_no_single_pictures(tmp_path):
    write(tmp_path, "labels:{}.png", count=9)
    write(tmp_path, "pair:x{}.png", count=1)
    assert find_set_inputs(tmp_path, "A") is None
