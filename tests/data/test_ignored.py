"""Pixels of which nothing is known: read from files of every kind, encoded as a class, filled in images."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pairs import OWN, pairs_of, random_pixels, resized, write_sides
from PIL import Image

from p2p_jax.config import Config, Data, Side, count_channels, count_classes, ignored_class
from p2p_jax.config.checks import check_config
from p2p_jax.data.ignored import fill_unknown, known_pixels
from p2p_jax.data.pictures import write_picture
from p2p_jax.data.values import decode, encode
from p2p_jax.errors import UserError

PHOTO = random_pixels((20, 24, 3))
VOID = np.zeros((20, 24, 1), bool)
VOID[3:9, 5:12] = True


def class_map(void: int, dtype=np.uint8) -> np.ndarray:
    numbers = np.random.default_rng(0).integers(0, 19, (20, 24, 1))
    return np.where(VOID, void, numbers).astype(dtype)


def save(folder, numbers):
    write_sides(folder, B=PHOTO)
    (folder / "A").mkdir()
    if numbers.dtype == np.uint8:
        write_picture(folder / "A" / "1.png", numbers)
    else:
        np.save(folder / "A" / "1.npy", numbers)
    return folder


@pytest.mark.parametrize("void", [255, 254, 19, 100])
def test_a_class_that_is_too_high_is_refused_with_both_options(tmp_path, void):
    side = Side(kind="labels", channels=(1,), classes=19)
    with pytest.raises(UserError, match=f"holds the class {void}, but classes are numbered from 0 to 18") as caught:
        pairs_of(save(tmp_path, class_map(void)), input=side).read(0, OWN)
    assert f"--data.input.classes {void + 1}" in str(caught.value)
    assert f"--data.input.ignore {void}" in str(caught.value)


@pytest.mark.parametrize(("void", "dtype"), [(255, np.uint8), (-1, np.int64), (65535, np.uint16), (-100, np.int16)])
def test_ignored_pixels_are_a_class_of_their_own(tmp_path, void, dtype):
    side = Side(kind="labels", channels=(1,), classes=19, ignore=void)
    read = pairs_of(save(tmp_path, class_map(void, dtype)), input=side).read(0, OWN)
    assert set(read) == {"input", "target"}
    assert np.array_equal(read["input"] == 19, VOID)
    assert (count_classes(side), count_channels(side)) == (20, 20)
    encoded = encode(side, jnp.asarray(read["input"]))
    assert encoded.shape == (20, 24, 20)
    assert np.array_equal(np.asarray(encoded[..., 19:] == 1), VOID)


@pytest.mark.parametrize(("void", "said"), [(-1, "class -1"), (300, "class 300"), (65535, "class 65535")])
def test_class_numbers_that_no_map_can_have_are_refused(tmp_path, void, said):
    side = Side(kind="labels", channels=(1,), classes=19)
    with pytest.raises(UserError, match=said) as caught:
        pairs_of(save(tmp_path, class_map(void, np.int32)), input=side).read(0, OWN)
    assert f"--data.input.ignore {void}" in str(caught.value)
    assert "--data.input.classes" not in str(caught.value)


def test_the_index_255_of_a_palette_is_ignored(tmp_path):
    picture = Image.fromarray(class_map(255)[..., 0])
    picture.putpalette([i % 256 for i in range(768)])
    write_sides(tmp_path, A=PHOTO)
    (tmp_path / "B").mkdir()
    picture.save(tmp_path / "B" / "1.png")
    read = pairs_of(tmp_path, target=Side(kind="labels", channels=(1,), classes=19, ignore=255)).read(0, OWN)
    assert np.array_equal(read["known"], np.where(VOID, 0, 255))


def test_one_of_the_classes_can_be_ignored_without_another_channel(tmp_path):
    side = Side(kind="labels", channels=(1,), classes=19, ignore=0)
    numbers = class_map(0)
    write_sides(tmp_path, A=PHOTO, B=numbers)
    read = pairs_of(tmp_path, target=side).read(0, OWN)
    assert np.array_equal(read["target"], numbers)
    assert np.array_equal(read["known"], np.where(numbers == 0, 0, 255))
    assert (count_classes(side), ignored_class(side)) == (19, 0)


def test_the_class_of_ignored_pixels_is_never_an_output():
    side = Side(kind="labels", channels=(1,), classes=3, ignore=255)
    values = jnp.array([[[-1.0, 0.5, 0.0, 1.0]]])
    assert int(decode(side, values)[0, 0, 0]) == 1


@pytest.mark.parametrize(("hole", "kind"), [(-9999.0, "float"), (np.nan, "float"), (65535, "16"), (0, "8")])
def test_holes_of_images_are_filled_before_resizing_and_known_by_a_mask(tmp_path, hole, kind):
    dtype = {"float": np.float32, "16": np.uint16, "8": np.uint8}[kind]
    values = np.random.default_rng(0).uniform(100, 200, (20, 24, 1))
    holed = np.where(VOID, hole, values).astype(dtype)
    write_sides(tmp_path, A=PHOTO, B=holed)
    side = Side(channels=(1,), depth=kind, range=(0, 200), ignore=-9999 if np.isnan(hole) else hole)
    pairs = pairs_of(tmp_path, target=side)
    own = pairs.read(0, OWN)
    assert np.array_equal(own["known"], np.where(VOID, 0, 255))
    assert np.array_equal(own["target"][~VOID], holed[~VOID])
    for size in ((10, 12), (31, 17)):
        read = pairs.read(0, resized(*size))
        assert read["known"].shape == (*size, 1)
        assert set(np.unique(read["known"])) == {0, 255}
        assert 70 <= read["target"].min() <= read["target"].max() <= 200  # no value between the hole and the others


def test_a_hole_on_the_input_is_filled_and_has_no_mask(tmp_path):
    holed = np.where(VOID, -5000, 0.5).astype(np.float32)
    write_sides(tmp_path, A=holed, B=PHOTO)
    read = pairs_of(tmp_path, input=Side(channels=(1,), depth="float", ignore=-5000)).read(0, OWN)
    assert set(read) == {"input", "target"}
    assert (read["input"] == 0.5).all()


def test_nan_is_refused_where_nothing_is_ignored_even_beside_a_side_that_ignores(tmp_path):
    pair = np.concatenate([np.full((16, 16), np.nan), np.full((16, 16), 0.5)], axis=1).astype(np.float32)
    tmp_path.joinpath("x").mkdir()
    np.save(tmp_path / "x" / "1.npy", pair)
    sides = {name: Side(channels=(1,), depth="float") for name in ("input", "target")}
    sides["target"] = Side(channels=(1,), depth="float", ignore=-1)
    with pytest.raises(UserError, match="NaN"):
        pairs_of(tmp_path / "x", **sides).read(0, OWN)


def test_a_value_within_the_range_must_fill_all_channels():
    side = Side(ignore=0)
    pixels = np.array([[[0, 0, 0], [0, 9, 9], [5, 5, 5]]], np.uint8)
    assert known_pixels(pixels, side)[..., 0].tolist() == [[0, 255, 255]]
    deep = Side(depth="float", range=(0, 10), ignore=-9)
    assert known_pixels(np.array([[[-9, 1, 1], [2, 3, 4]]], np.float32), deep)[..., 0].tolist() == [[0, 255]]


def test_a_picture_of_which_nothing_is_known_has_the_lowest_value():
    side = Side(channels=(1,), depth="float", range=(-2, 5), ignore=-9)
    pixels = np.full((4, 4, 1), -9, np.float32)
    assert (fill_unknown(pixels, known_pixels(pixels, side), side) == -2).all()


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (Side(ignore=float("nan")), "must be a finite number"),
        (Side(ignore=300), "whole number from 0 to 255"),
        (Side(ignore=0.5), "whole number"),
        (Side(depth="16", ignore=-1), "whole number from 0 to 65535"),
        (Side(kind="labels", palette=("#000000", "#ffffff"), ignore=2), "a class from 0 to 1"),
        (Side(kind="labels", classes=256, ignore=-1), "257 classes"),
    ],
)
def test_values_that_no_pixel_can_have_are_refused(side, said):
    with pytest.raises(UserError, match=f"^--data.target.*{said}"):
        check_config(Config(data=Data(target=side)))
