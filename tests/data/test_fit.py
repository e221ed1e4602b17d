"""Bringing pairs to size: every way of preprocessing in training, evaluation and translation."""

import numpy as np
import pytest
from helpers.pairs import pairs_of, random_pixels, write_sides

from p2p_jax.config import Config, Data
from p2p_jax.data.fit import Fit, fit_of_evaluation, fit_of_training, fit_of_translation

A, B = random_pixels((20, 24, 3)), random_pixels((20, 24, 3), seed=1)


# (height, width) of the picture, and of the result in training, in evaluation and in translation.
SIZES = [
    ("resize_and_crop", (40, 60), (18, 18), (16, 16), (16, 16)),
    ("crop", (40, 60), (16, 16), (16, 16), (40, 60)),
    ("scale_width", (60, 40), (24, 16), (24, 16), (24, 16)),
    ("scale_width_and_crop", (40, 60), (16, 16), (16, 16), (16, 18)),
    ("scale_width_and_crop", (80, 60), (16, 16), (16, 16), (24, 18)),
    ("pad", (40, 60), (16, 16), (16, 16), (16, 16)),
    ("pad", (8, 12), (16, 16), (16, 16), (16, 16)),
    ("none", (40, 60), (40, 60), (40, 60), (40, 60)),
]


@pytest.mark.parametrize(("preprocess", "own", "train", "evaluate", "translate"), SIZES)
def test_sizes_of_every_way_of_preprocessing(tmp_path, preprocess, own, train, evaluate, translate):
    write_sides(tmp_path, A=random_pixels((*own, 3)), B=random_pixels((*own, 3), seed=1))
    config = Config(image_size=16, data=Data(preprocess=preprocess, path=str(tmp_path)))
    pairs = pairs_of(tmp_path)
    fits = (fit_of_training(config), fit_of_evaluation(config), fit_of_translation(config))
    for fit, expected in zip(fits, (train, evaluate, translate), strict=True):
        assert pairs.read(0, fit)["input"].shape == (*expected, 3), fit
        assert fit.fixed == (expected == (16, 16) or expected == (18, 18))


def test_rectangles_are_height_and_width(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    config = Config(image_size=(16, 32), data=Data(path=str(tmp_path)))
    assert pairs_of(tmp_path).read(0, fit_of_training(config))["input"].shape == (18, 36, 3)
    assert pairs_of(tmp_path).read(0, fit_of_evaluation(config))["input"].shape == (16, 32, 3)


def test_both_sides_are_cropped_at_the_same_position(tmp_path):
    write_sides(tmp_path, A=A, B=255 - A)
    fit = Fit("crop", (16, 16), (16, 16))
    seen = set()
    for position in ((0, 0), (0.999, 0.999), (0.5, 0.5), (0.3, 0.7)):
        pair = pairs_of(tmp_path).read(0, fit, position)
        top, left = int(position[0] * 5), int(position[1] * 9)
        assert np.array_equal(pair["input"], A[top : top + 16, left : left + 16])
        assert np.array_equal(pair["target"], 255 - pair["input"])
        seen.add((top, left))
    assert {(0, 0), (4, 8), (2, 4)} <= seen


def test_pictures_smaller_than_the_crop_are_refused(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    for uncropped in (False, True):
        with pytest.raises(ValueError, match="24 x 20 pixels, less than the crop of 32 x 32") as caught:
            pairs_of(tmp_path).read(0, Fit("crop", (32, 32), (32, 32), uncropped))
        assert str(tmp_path / "A" / "1.png") in str(caught.value)


def test_padding_mirrors_below_and_at_the_right_and_never_enlarges(tmp_path):
    write_sides(tmp_path, A=A, B=B)
    padded = pairs_of(tmp_path).read(0, Fit("pad", (32, 48), (32, 48)))["input"]
    assert np.array_equal(padded[:20, :24], A)
    assert np.array_equal(padded[20:32, :24], A[::-1][:12])
    assert np.array_equal(padded[:20, 24:48], A[:, ::-1])


@pytest.mark.parametrize("preprocess", ["none", "scale_width"])
def test_pictures_too_small_for_the_metrics_are_refused_before_training(tmp_path, preprocess):
    write_sides(tmp_path, A=A[:9], B=B[:9])
    with pytest.raises(ValueError, match="training needs at least 16 a side"):
        pairs_of(tmp_path).read(0, Fit(preprocess, (24, 24), (24, 24)))
