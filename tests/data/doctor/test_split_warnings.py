"""Splits that are unlike the training split: exchanged sides, other kinds of pictures, inputs that are copies."""

import shutil

import numpy as np
import pytest
from helpers.checked_sets import TEST, TRAIN, check, exchange, kinds, make_set
from PIL import Image

from p2p_jax.data.pictures import write_picture


def test_exchanged_sides_of_a_split_are_told(good):
    (good / "testA").rename(good / "kept")
    (good / "testB").rename(good / "testA")
    (good / "kept").rename(good / "testB")
    found = kinds(check(good))
    assert list(found) == ["exchanged"]


def test_exchanged_sides_of_a_small_split_of_photos_and_drawings_are_told(good, drawn):
    for split, count in (("train", TRAIN), ("test", TEST)):
        for i in range(count):
            number = i + (TRAIN if split == "test" else 0)
            lines = np.abs(np.diff(drawn[number][1].astype(int), axis=0, prepend=0)).max(-1) > 24
            write_picture(
                good / f"{split}A" / f"{number}.png", np.where(lines, 0, 255).astype(np.uint8)[..., None].repeat(3, -1)
            )
    assert kinds(check(good)) == {}
    for i in range(TRAIN, TRAIN + TEST):
        exchange(good / "testA" / f"{i}.png", good / "testB" / f"{i}.png")
    assert "exchanged" in kinds(check(good))


def test_another_kind_of_picture_in_another_split_is_told(good, drawn):
    for i in range(TRAIN, TRAIN + TEST):
        write_picture(good / "testA" / f"{i}.png", 255 - drawn[i][1])
    findings = check(good)
    assert "other_kind" in kinds(findings)
    assert any(
        "A is another kind of picture in test (no label maps) than in train (label maps)" in each.sentence
        for each in findings.warnings
    )


@pytest.mark.parametrize("quality", [60, 85, 98])
def test_test_inputs_that_equal_their_targets_up_to_jpeg_noise_are_told(good, drawn, quality):
    shutil.rmtree(good / "testA")
    (good / "testA").mkdir()
    for i in range(TRAIN, TRAIN + TEST):
        Image.fromarray(drawn[i][1]).save(good / "testA" / f"{i}.jpg", quality=quality)
    found = kinds(check(good))
    assert len(found["a_nearly_b"]) == TEST


def test_one_training_pair_that_is_a_copy_is_told(good, drawn):
    (good / "trainA" / "7.png").unlink()
    Image.fromarray(drawn[7][1]).save(good / "trainA" / "7.jpg", quality=90)
    assert kinds(check(good))["a_nearly_b"] == ["train: 7"]


def test_sets_for_removing_noise_are_not_suspected(tmp_path, drawn):
    random = np.random.default_rng(0)

    def noisy(i):
        return np.clip(drawn[i][1] + random.normal(0, 2, drawn[i][1].shape), 0, 255).astype(np.uint8)

    assert kinds(check(make_set(tmp_path, noisy, lambda i: drawn[i][1], count=TRAIN))) == {}
