"""Pairs and halves that occur more than once."""

import shutil

from helpers.checked_sets import check, copy_pair, kinds
from PIL import Image


def test_identical_pairs_are_recognised_by_their_pixels(good):
    copy_pair(good, "test/26.png", "train/90.png")
    copy_pair(good, "train/2.png", "train/91.png")
    for letter in "AB":
        Image.open(good / f"train{letter}" / "91.png").save(good / f"train{letter}" / "91.png", compress_level=1)
    assert kinds(check(good)) == {
        "same_pair_across": ["train: 90 = test: 26"],
        "same_pair_within": ["train: 2 = train: 91"],
    }


def test_identical_halves_are_not_identical_pairs(good):
    copy_pair(good, "train/2.png", "train/90.png", "A")
    shutil.copy(good / "testB" / "27.png", good / "trainB" / "90.png")
    found = kinds(check(good))
    found.pop("misplaced", None)  # such a pair does not fit together, either
    assert found == {"same_a_within": ["train: 2 = train: 90"], "same_b_across": ["train: 90 = test: 27"]}


def test_the_same_picture_on_both_sides_is_named(good):
    shutil.copy(good / "trainB" / "5.png", good / "trainA" / "5.png")
    assert kinds(check(good)) == {"a_is_b": ["train: 5"]}
