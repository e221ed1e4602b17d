"""The warnings about a set, each named with its pairs."""

import numpy as np
import pytest
from helpers.checked_sets import TRAIN, check, exchange, kinds, make_set, to_ids

from p2p_jax.data.pictures import write_picture


def test_different_and_odd_sizes_are_warnings(good, drawn):
    for letter, pixels in zip("AB", drawn[4], strict=True):
        write_picture(good / f"train{letter}" / "4.png", pixels[:61])
    findings = check(good)
    assert kinds(findings) == {"many_sizes": ["64 x 64: 29 pairs", "64 x 61: 1 pairs"], "uneven_sizes": ["train: 4"]}
    assert not findings.problems


@pytest.mark.parametrize("noise", [0, 1])
def test_constant_pictures_have_no_other_warning(good, noise):
    pixels = 70 + np.random.default_rng(0).integers(0, noise + 1, (64, 64, 3), np.uint8)
    pixels[..., 1] = 200 - pixels[..., 1]
    for number in (5, 8):
        write_picture(good / "trainB" / f"{number}.png", pixels)
    assert kinds(check(good)) == {"constant": [str(good / "trainB" / "5.png"), str(good / "trainB" / "8.png")]}


def test_low_class_numbers_are_not_constant(tmp_path, drawn):
    folder = make_set(tmp_path, lambda i: to_ids(drawn[i][0])[..., None] // 6, lambda i: drawn[i][1])
    assert kinds(check(folder)) == {}


def test_exchanged_files_are_named_with_their_partners(good):
    exchange(good / "trainB" / "4.png", good / "trainB" / "17.png")
    assert kinds(check(good)) == {
        "misplaced": ["train: 4: its A fits the B of 17 better", "train: 17: its A fits the B of 4 better"]
    }


@pytest.mark.parametrize(("lag", "words"), [(1, "of pair n + 1"), (-2, "of pair n - 2")])
def test_a_shift_of_all_pairs_is_one_warning(good, lag, words):
    files = [good / "trainB" / f"{i}.png" for i in range(TRAIN)]
    contents = [file.read_bytes() for file in files]
    for i, content in enumerate(contents):
        files[(i + lag) % TRAIN].write_bytes(content)
    findings = check(good)
    assert list(kinds(findings)) == ["shifted"]
    assert words in findings.warnings[0].sentence


def test_shuffled_halves_do_not_belong_together(good):
    order = np.random.default_rng(5).permutation(TRAIN)
    contents = [(good / "trainB" / f"{i}.png").read_bytes() for i in order]
    for i, content in enumerate(contents):
        (good / "trainB" / f"{i}.png").write_bytes(content)
    assert list(kinds(check(good))) == ["unrelated"]


def test_the_pairs_of_a_shifted_part_are_named(good):
    contents = [(good / "trainB" / f"{i}.png").read_bytes() for i in range(TRAIN)]
    half = TRAIN // 2
    for i in range(half, TRAIN):
        (good / "trainB" / f"{i}.png").write_bytes(contents[i + 1 if i + 1 < TRAIN else half])
    found = kinds(check(good))
    assert list(found) == ["misplaced"]
    right = [f"train: {i}: its A fits the B of {i - 1 if i > half else TRAIN - 1} better" for i in range(half, TRAIN)]
    assert len(set(found["misplaced"]) & set(right)) >= half - 2
    assert not set(found["misplaced"]) - set(right)


def test_a_swapped_pair_is_named(good):
    exchange(good / "trainA" / "9.png", good / "trainB" / "9.png")
    assert kinds(check(good)) == {"swapped": ["train: 9"]}
