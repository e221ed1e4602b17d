"""Reading and writing pictures: which files count, sizes that are refused, and writing without loss."""

from pathlib import Path

import numpy as np
import pytest
from helpers.drawing import pixels_of, smooth
from PIL import Image

from p2p_jax.data.pictures import Encoded, TooSmall, decode, is_picture, of_file, suffix_for, write_picture
from p2p_jax.errors import UserError


@pytest.mark.parametrize("name", ["1.gif", "1.txt", "png", ".1.png", "._1.jpg"])
def test_other_and_hidden_files_are_no_pictures(name):
    assert not is_picture(Path(name))


@pytest.mark.parametrize(("size", "good"), [((1, 1), False), ((7, 100), False), ((100, 7), False), ((8, 8), True)])
def test_pictures_that_are_too_small_are_refused(tmp_path, size, good):
    Image.new("RGB", size).save(tmp_path / "1.png")
    if good:
        assert pixels_of(tmp_path / "1.png").shape == (*size[::-1], 3)
        return
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels") as caught:
        pixels_of(tmp_path / "1.png")
    assert str(tmp_path / "1.png") in str(caught.value)


DEEP = [
    (dtype, channels, suffix)
    for dtype, channels, suffixes in [
        (np.uint8, (1, 2, 3, 4), (".png", ".tiff", ".npy")), (np.uint8, (5, 7), (".tiff", ".npy")),
        (np.uint16, (1, 2, 3, 4), (".png", ".tiff", ".npy")), (np.uint16, (5,), (".tiff", ".npy")),
        (np.float32, (1, 2, 3, 4, 6), (".tiff", ".npy")),
    ]
    for channels in channels
    for suffix in suffixes
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "channels", "suffix"), DEEP)
def test_written_pictures_are_read_again_bit_for_bit(tmp_path, dtype, channels, suffix):
    random = np.random.default_rng(0)
    values = (
        random.standard_normal((16, 24, channels)) if dtype == np.float32 else random.integers(0, 255, (16, 24, channels))
    )
    pixels = (values * (257 if dtype == np.uint16 else 1)).astype(dtype)
    path = tmp_path / "sub" / f"1{suffix}"
    write_picture(path, pixels)
    read = decode(of_file(path)).pixels
    assert read.dtype == dtype
    assert np.array_equal(read, pixels)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("dtype", "channels", "suffix"),
    [(np.uint8, 5, ".png"), (np.uint16, 3, ".jpg"), (np.float32, 1, ".png"), (np.uint8, 4, ".jpg"), (np.uint8, 3, ".gif")],
)
def test_values_that_a_format_cannot_hold_are_refused_and_leave_no_file(tmp_path, dtype, channels, suffix):
    with pytest.raises(ValueError, match=r"write \.tiff or \.npy"):
        write_picture(tmp_path / f"1{suffix}", np.zeros((16, 16, channels), dtype))
    assert not list(tmp_path.iterdir())


def test_the_chosen_ending_keeps_every_value():
    kinds = ((np.uint8, 3, ".png"), (np.uint16, 4, ".png"), (np.float32, 1, ".tiff"), (np.uint8, 5, ".tiff"))
    assert all(suffix_for(np.zeros((8, 8, channels), dtype)) == suffix for dtype, channels, suffix in kinds)


def test_pixels_and_bytes_are_decoded_like_files(tmp_path):
    colours = smooth()
    write_picture(tmp_path / "1.png", colours)
    for content in ((tmp_path / "1.png").read_bytes(), colours):
        assert np.array_equal(decode(Encoded("record 1", content)).pixels, colours)
    assert decode(Encoded("record 1", colours[..., 0])).pixels.shape == (16, 24, 1)


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
def test_pictures_too_large_for_a_format_are_refused(tmp_path, suffix):
    with pytest.raises(UserError, match=rf"8 x 66000 pixels cannot be written as \{suffix}"):
        write_picture(tmp_path / f"1{suffix}", np.zeros((66000, 8, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 250, "é" * 125, "図" * 83])
def test_a_name_of_the_largest_length_can_be_written(tmp_path, name):
    path = tmp_path / f"{name}.png"
    write_picture(path, np.zeros((8, 8, 3), np.uint8))
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 40, 30), (4, 33, 33), (7, 90, 100)])
def test_an_array_with_its_channels_first_is_named_as_such(tmp_path, shape):
    np.save(tmp_path / "1.npy", np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=r"which seems to be \(channels, height, width\)") as caught:
        decode(of_file(tmp_path / "1.npy"))
    assert str(shape) in str(caught.value)


def test_a_small_array_with_its_channels_last_is_only_too_small(tmp_path):
    np.save(tmp_path / "1.npy", np.zeros((4, 60, 3), np.uint8))
    with pytest.raises(TooSmall, match="60 x 4 pixels"):
        decode(of_file(tmp_path / "1.npy"))
