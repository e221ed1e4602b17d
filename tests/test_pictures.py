"""Reading one picture file: every kind that people have, and every way in which one can be broken."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2p_jax.data.pictures import is_picture, read_picture, resize


@pytest.fixture
def colours() -> np.ndarray:
    """A smooth picture of 24 x 16 pixels (width, height)."""
    y, x = np.mgrid[:16, :24]
    return np.stack([x * 10, y * 15, 255 - x * 5], -1).astype(np.uint8)


def save(folder: Path, array: np.ndarray, name: str = "1.png", **options) -> Path:
    Image.fromarray(array).save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("ending", ["png", "PNG", "bmp", "tiff", "tif", "webp", "jpg", "jpeg"])
def test_every_kind_of_file_is_read(tmp_path, colours, ending):
    lossy = ending in ("jpg", "jpeg")
    options = {"quality": 100} if lossy else {"lossless": True} if ending == "webp" else {}
    path = save(tmp_path, colours, f"1.{ending}", **options)
    assert is_picture(path)
    read = np.asarray(read_picture(path, channels=3))
    assert read.shape == (16, 24, 3)
    difference = np.abs(read.astype(int) - colours).max()
    assert difference <= (30 if lossy else 0)


@pytest.mark.parametrize("name", ["1.gif", "1.txt", "png", ".1.png", "._1.jpg"])
def test_other_and_hidden_files_are_no_pictures(name):
    assert not is_picture(Path(name))


def test_grey_becomes_colour_and_colour_grey(tmp_path, colours):
    grey = save(tmp_path, colours[..., 0], "grey.png")
    assert np.array_equal(np.asarray(read_picture(grey, channels=3)), np.repeat(colours[..., :1], 3, -1))
    assert np.array_equal(np.asarray(read_picture(grey, channels=1)), colours[..., 0])
    colour = save(tmp_path, colours)
    assert np.array_equal(np.asarray(read_picture(colour, channels=1)), np.asarray(Image.fromarray(colours).convert("L")))


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 12, 34, 56])
    picture.save(tmp_path / "1.png")
    assert (np.asarray(read_picture(tmp_path / "1.png", channels=3)) == (12, 34, 56)).all()


def test_one_bit_is_black_and_white(tmp_path):
    Image.new("1", (10, 10), 1).save(tmp_path / "1.png")
    assert (np.asarray(read_picture(tmp_path / "1.png", channels=1)) == 255).all()


def with_alpha(colours, value):
    alpha = np.full((*colours.shape[:2], 1), 255, np.uint8)
    alpha[3, 4] = value
    return np.concatenate([colours, alpha], -1)


def test_an_opaque_fourth_channel_is_dropped(tmp_path, colours):
    path = save(tmp_path, with_alpha(colours, 255))
    assert np.array_equal(np.asarray(read_picture(path, channels=3)), colours)


def test_one_transparent_pixel_is_refused_unless_dropped(tmp_path, colours):
    path = save(tmp_path, with_alpha(colours, 254))
    with pytest.raises(ValueError, match="transparency") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)
    assert np.array_equal(np.asarray(read_picture(path, channels=3, transparency="drop")), colours)


def test_a_transparent_colour_of_a_palette_is_refused(tmp_path):
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 12, 34, 56])
    picture.save(tmp_path / "1.png", transparency=1)
    with pytest.raises(ValueError, match="transparency"):
        read_picture(tmp_path / "1.png", channels=3)


@pytest.mark.parametrize(
    ("dtype", "ending"), [(np.uint16, "png"), (np.uint16, "tiff"), (np.int32, "tiff"), (np.float32, "tiff")]
)
def test_more_than_8_bits_are_refused(tmp_path, dtype, ending):
    path = save(tmp_path, np.full((10, 10), 1000, dtype), f"1.{ending}")
    with pytest.raises(ValueError, match="more than 8 bits") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_camera_is_honoured(tmp_path, colours, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, colours, exif=exif)
    upright = {
        1: colours, 2: colours[:, ::-1], 3: colours[::-1, ::-1], 4: colours[::-1], 5: colours.swapaxes(0, 1),
        6: np.rot90(colours, -1), 7: np.rot90(colours.swapaxes(0, 1), 2), 8: np.rot90(colours, 1),
    }  # fmt: skip
    assert np.array_equal(np.asarray(read_picture(path, channels=3)), upright[orientation])


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("ending", ["jpg", "png", "tiff", "bmp", "webp"])
def test_a_cut_off_file_is_named(tmp_path, ending, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(tmp_path, noise, f"1.{ending}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=r"cannot be read|is not a picture") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["hello", "", "\x89PNG\r\n\x1a\n"])
def test_a_text_under_the_name_of_a_picture_is_named(tmp_path, text):
    path = tmp_path / "1.png"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"is not a picture|cannot be read") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such file") as caught:
        read_picture(tmp_path / "1.png", channels=3)
    assert str(tmp_path / "1.png") in str(caught.value)


def test_a_folder_under_the_name_of_a_picture_is_named(tmp_path):
    (tmp_path / "1.png").mkdir()
    with pytest.raises(ValueError, match="cannot be read") as caught:
        read_picture(tmp_path / "1.png", channels=3)
    assert str(tmp_path / "1.png") in str(caught.value)


@pytest.mark.parametrize(("size", "good"), [((1, 1), False), ((7, 100), False), ((100, 7), False), ((8, 8), True)])
def test_a_picture_too_small_to_learn_from_is_refused(tmp_path, size, good):
    Image.new("RGB", size).save(tmp_path / "1.png")
    if good:
        assert read_picture(tmp_path / "1.png", channels=3).size == size
        return
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels") as caught:
        read_picture(tmp_path / "1.png", channels=3)
    assert str(tmp_path / "1.png") in str(caught.value)


def test_a_decompression_bomb_is_not_opened(tmp_path, colours, monkeypatch):
    path = save(tmp_path, colours)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 16 // 2 - 1)
    with pytest.raises(ValueError, match="enormous number of pixels") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("size", [(10, 31), (32, 48), (286, 286), (16, 24)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_is_bicubic_bit_for_bit(colours, size, channels):
    picture = Image.fromarray(colours).convert("L" if channels == 1 else "RGB")
    made = resize(picture, size)
    assert made.shape == (*size, channels)
    assert made.dtype == np.uint8
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))
    assert np.array_equal(made.squeeze(-1) if channels == 1 else made, expected)
