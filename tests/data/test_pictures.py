"""Reading one picture file: every kind that people have, and every way in which one can be broken."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from p2p_jax.config import Side
from p2p_jax.data import pictures
from p2p_jax.data.pictures import Encoded, decode, is_picture, of_file, suffix_for, write_picture
from p2p_jax.data.resizing import resize
from p2p_jax.data.sides import read_part


def read_picture(path: Path, *, channels: int, transparency: str = "refuse") -> np.ndarray:
    side = Side(channels=(channels,))
    return read_part(decode(of_file(path)), str(path), side, 0, option="--data.input", transparency=transparency)


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
    read = read_picture(path, channels=3)
    assert read.shape == (16, 24, 3)
    difference = np.abs(read.astype(int) - colours).max()
    assert difference <= (30 if lossy else 0)


@pytest.mark.parametrize("name", ["1.gif", "1.txt", "png", ".1.png", "._1.jpg"])
def test_other_and_hidden_files_are_no_pictures(name):
    assert not is_picture(Path(name))


def test_grey_becomes_colour_and_colour_grey(tmp_path, colours):
    grey = save(tmp_path, colours[..., 0], "grey.png")
    assert np.array_equal(read_picture(grey, channels=3), np.repeat(colours[..., :1], 3, -1))
    assert np.array_equal(read_picture(grey, channels=1), colours[..., :1])
    colour = save(tmp_path, colours)
    assert np.array_equal(read_picture(colour, channels=1)[..., 0], np.asarray(Image.fromarray(colours).convert("L")))


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 12, 34, 56])
    picture.save(tmp_path / "1.png")
    assert (read_picture(tmp_path / "1.png", channels=3) == (12, 34, 56)).all()


def test_one_bit_is_black_and_white(tmp_path):
    Image.new("1", (10, 10), 1).save(tmp_path / "1.png")
    assert (read_picture(tmp_path / "1.png", channels=1) == 255).all()


def with_alpha(colours, value):
    alpha = np.full((*colours.shape[:2], 1), 255, np.uint8)
    alpha[3, 4] = value
    return np.concatenate([colours, alpha], -1)


def test_an_opaque_fourth_channel_is_dropped(tmp_path, colours):
    path = save(tmp_path, with_alpha(colours, 255))
    assert np.array_equal(read_picture(path, channels=3), colours)


def test_one_transparent_pixel_is_refused_unless_dropped(tmp_path, colours):
    path = save(tmp_path, with_alpha(colours, 254))
    with pytest.raises(ValueError, match="transparency") as caught:
        read_picture(path, channels=3)
    assert str(path) in str(caught.value)
    assert np.array_equal(read_picture(path, channels=3, transparency="drop"), colours)


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
    with pytest.raises(ValueError, match=r"16 bits per channel|real numbers per channel") as caught:
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
    assert np.array_equal(read_picture(path, channels=3), upright[orientation])


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
        assert read_picture(tmp_path / "1.png", channels=3).shape == (*size[::-1], 3)
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
    made = resize(np.asarray(picture).reshape(16, 24, channels), size)
    assert made.shape == (*size, channels)
    assert made.dtype == np.uint8
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))
    assert np.array_equal(made.squeeze(-1) if channels == 1 else made, expected)


@pytest.mark.parametrize("size", [(10, 31), (32, 48)])
@pytest.mark.parametrize("method", ["bicubic", "bilinear", "nearest"])
def test_deep_pictures_are_resized_as_pil_does_with_real_numbers(size, method):
    deep = np.random.default_rng(0).integers(0, 65536, (16, 24, 2)).astype(np.uint16)
    filters = {
        "bicubic": Image.Resampling.BICUBIC,
        "bilinear": Image.Resampling.BILINEAR,
        "nearest": Image.Resampling.NEAREST,
    }
    for dtype in (np.uint16, np.float32):
        made = resize(deep.astype(dtype), size, method)
        assert made.dtype == dtype
        for channel in range(2):
            expected = Image.fromarray(deep[..., channel].astype(np.float32)).resize(size[::-1], filters[method])
            expected = np.asarray(expected) if dtype == np.float32 else np.round(np.asarray(expected)).clip(0, 65535)
            assert np.array_equal(made[..., channel], expected)


def test_channels_do_not_mix_where_the_fourth_is_no_transparency():
    pixels = np.zeros((16, 24, 4), np.uint8)
    pixels[..., :3] = 200
    assert (resize(pixels, (10, 31))[..., :3] == 200).all()


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
def test_what_is_written_is_read_again_bit_for_bit(tmp_path, dtype, channels, suffix):
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
def test_what_a_format_cannot_hold_is_refused_and_leaves_nothing(tmp_path, dtype, channels, suffix):
    with pytest.raises(ValueError, match=r"write \.tiff or \.npy"):
        write_picture(tmp_path / f"1{suffix}", np.zeros((16, 16, channels), dtype))
    assert not list(tmp_path.iterdir())


def test_the_ending_chosen_keeps_the_picture_whole():
    kinds = ((np.uint8, 3, ".png"), (np.uint16, 4, ".png"), (np.float32, 1, ".tiff"), (np.uint8, 5, ".tiff"))
    assert all(suffix_for(np.zeros((8, 8, channels), dtype)) == suffix for dtype, channels, suffix in kinds)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_deep_tiff_is_honoured(tmp_path, colours, orientation):
    import tifffile

    tag = [(274, "H", 1, orientation, True)]
    deep = colours.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "1.tiff", deep, photometric="rgb", metadata=None, extratags=tag)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(colours).save(tmp_path / "1.png", exif=exif)
    expected = decode(of_file(tmp_path / "1.png")).pixels.astype(np.uint16) * 257
    assert np.array_equal(decode(of_file(tmp_path / "1.tiff")).pixels, expected)


def test_a_palette_gives_its_numbers_when_asked(tmp_path):
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 12, 34, 56])
    picture.save(tmp_path / "1.png")
    assert (decode(of_file(tmp_path / "1.png"), indices=True).pixels == 1).all()
    Image.new("1", (10, 10), 1).save(tmp_path / "2.png")
    assert (decode(of_file(tmp_path / "2.png"), indices=True).pixels == 1).all()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 16, 16, 3)), "shape"),
        (np.array([[{}] * 16] * 16, object), "Python objects"),
        (np.full((16, 16), np.nan), "not finite"),
        (np.full((16, 16), "x"), "holds <U1 values"),
        (np.zeros((16, 16), complex), "holds complex128 values"),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_an_array_that_is_no_picture_is_refused(tmp_path, array, said, ending):
    path = tmp_path / f"1.{ending}"
    (np.save if ending == "npy" else np.savez)(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=said) as caught:
        decode(of_file(path))
    assert str(path) in str(caught.value)


def test_several_arrays_in_one_file_are_refused(tmp_path):
    np.savez(tmp_path / "1.npz", a=np.zeros((16, 16)), b=np.zeros((16, 16)))
    with pytest.raises(ValueError, match="holds 2 arrays"):
        decode(of_file(tmp_path / "1.npz"))


@pytest.mark.parametrize("kind", ["png", "deep png", "tiff", "npy", "npz"])
def test_a_small_file_that_claims_to_be_huge_is_not_opened(tmp_path, monkeypatch, kind):
    suffix = kind.split()[-1]
    pixels = np.zeros((64, 64, 3), np.uint16 if kind != "png" else np.uint8)
    path = tmp_path / f"1.{suffix}"
    np.savez(path, pixels) if suffix == "npz" else write_picture(path, pixels)
    monkeypatch.setattr(pictures, "LARGEST", 64 * 64 * 3 - 1)
    with pytest.raises(ValueError, match="enormous number of pixels") as caught:
        decode(of_file(path))
    assert str(path) in str(caught.value)


def test_pixels_and_bytes_are_pictures_too(tmp_path, colours):
    path = save(tmp_path, colours)
    for content in (path.read_bytes(), colours):
        assert np.array_equal(decode(Encoded("record 1", content)).pixels, colours)
    assert decode(Encoded("record 1", colours[..., 0])).pixels.shape == (16, 24, 1)


def test_the_grey_pages_of_a_tiff_are_its_channels(tmp_path):
    import tifffile

    pixels = np.random.default_rng(0).integers(0, 65536, (5, 16, 24)).astype(np.uint16)
    for name, options in (("pages", {}), ("planes", {"planarconfig": "separate"})):
        path = tmp_path / f"{name}.tiff"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None, **options)
        assert np.array_equal(decode(of_file(path)).pixels, np.moveaxis(pixels, 0, -1))


def test_pages_without_end_are_refused(tmp_path, monkeypatch):
    import tifffile

    monkeypatch.setattr(pictures, "MOST_PAGES", 4)
    tifffile.imwrite(tmp_path / "1.tiff", np.zeros((5, 16, 16), np.uint16), photometric="minisblack", metadata=None)
    with pytest.raises(ValueError, match="more than 4 pages"):
        decode(of_file(tmp_path / "1.tiff"))


def test_the_transparency_of_a_deep_tiff_is_known(tmp_path):
    import tifffile

    pixels = np.zeros((16, 24, 4), np.uint16)
    for name, extra in (("alpha", "unassalpha"), ("more", "unspecified")):
        tifffile.imwrite(tmp_path / f"{name}.tiff", pixels, photometric="rgb", extrasamples=[extra], metadata=None)
        assert decode(of_file(tmp_path / f"{name}.tiff")).has_alpha == (name == "alpha")


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_few_bits_gives_its_numbers_when_asked(tmp_path, bits):
    ids = np.random.default_rng(0).integers(0, 2**bits, (16, 16)).astype(np.uint8)
    rows = np.packbits(np.unpackbits(ids[..., None], axis=-1)[..., -bits:].reshape(16, -1), axis=-1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 16, 16, bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    encoded = Encoded("x", b"\x89PNG\r\n\x1a\n" + data)
    assert np.array_equal(decode(encoded, indices=True).pixels[..., 0], ids)
    assert np.array_equal(decode(encoded).pixels[..., 0], ids * (255 // (2**bits - 1)))


def test_class_numbers_in_an_array_may_be_whole_numbers_of_any_width():
    ids = np.arange(256).reshape(16, 16)
    assert decode(Encoded("x", ids), indices=True).pixels.dtype == np.uint8
    assert decode(Encoded("x", ids + 1), indices=True).pixels.dtype == np.float32
    assert decode(Encoded("x", ids)).pixels.dtype == np.float32


@pytest.mark.parametrize(("channels", "photometric"), [(2, "minisblack"), (4, "minisblack"), (4, "rgb")])
def test_channels_of_a_tiff_that_are_no_transparency_are_kept(tmp_path, channels, photometric):
    import tifffile

    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, channels), np.uint8)
    more = channels - (3 if photometric == "rgb" else 1)
    tifffile.imwrite(
        tmp_path / "1.tiff", pixels, photometric=photometric, planarconfig="contig", extrasamples=["unspecified"] * more,
        metadata=None,
    )  # fmt: skip
    read = decode(of_file(tmp_path / "1.tiff"))
    assert np.array_equal(read.pixels, pixels)
    assert not read.has_alpha


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_white_however_a_tiff_stores_it(tmp_path, dtype):
    import tifffile

    stored = np.random.default_rng(0).integers(0, 200, (16, 24)).astype(dtype)
    tifffile.imwrite(tmp_path / "1.tiff", stored, photometric="miniswhite", metadata=None)
    assert np.array_equal(decode(of_file(tmp_path / "1.tiff")).pixels[..., 0], np.iinfo(dtype).max - stored)
