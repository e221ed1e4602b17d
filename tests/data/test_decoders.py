"""Decoding picture files: every format, depth and orientation, and damaged files, each refused with its name."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.drawing import pixels_of, smooth
from PIL import Image

from p2p_jax.data import decode_numpy, decode_pil, decode_tiff
from p2p_jax.data.decoded import Unreadable, library_errors
from p2p_jax.data.pictures import Encoded, decode, is_picture, of_file, write_picture
from p2p_jax.errors import UserError
from p2p_jax.limits import budget
from p2p_jax.limits.budget import DECODING


def save(folder: Path, array: np.ndarray, name: str = "1.png", **options) -> Path:
    Image.fromarray(array).save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("ending", ["png", "PNG", "bmp", "tiff", "tif", "webp", "jpg", "jpeg"])
def test_every_format_is_read(tmp_path, ending):
    colours = smooth()
    lossy = ending in ("jpg", "jpeg")
    options = {"quality": 100} if lossy else {"lossless": True} if ending == "webp" else {}
    path = save(tmp_path, colours, f"1.{ending}", **options)
    assert is_picture(path)
    read = pixels_of(path)
    assert read.shape == (16, 24, 3)
    difference = np.abs(read.astype(int) - colours).max()
    assert difference <= (30 if lossy else 0)


def test_palette_pictures_have_their_colours(tmp_path):
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 12, 34, 56])
    picture.save(tmp_path / "1.png")
    assert (pixels_of(tmp_path / "1.png") == (12, 34, 56)).all()


def test_bitmaps_are_black_and_white(tmp_path):
    Image.new("1", (10, 10), 1).save(tmp_path / "1.png")
    assert (pixels_of(tmp_path / "1.png") == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_camera_is_applied(tmp_path, orientation):
    colours = smooth()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path, colours, exif=exif)
    upright = {
        1: colours, 2: colours[:, ::-1], 3: colours[::-1, ::-1], 4: colours[::-1], 5: colours.swapaxes(0, 1),
        6: np.rot90(colours, -1), 7: np.rot90(colours.swapaxes(0, 1), 2), 8: np.rot90(colours, 1),
    }  # fmt: skip
    assert np.array_equal(pixels_of(path), upright[orientation])


@pytest.mark.parametrize("fraction", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("ending", ["jpg", "png", "tiff", "bmp", "webp"])
def test_truncated_files_are_named(tmp_path, ending, fraction):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(tmp_path, noise, f"1.{ending}")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    with pytest.raises(ValueError, match=r"cannot be read|is not a picture") as caught:
        pixels_of(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["hello", "", "\x89PNG\r\n\x1a\n"])
def test_text_files_named_as_pictures_are_named(tmp_path, text):
    path = tmp_path / "1.png"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"is not a picture|cannot be read|is empty") as caught:
        pixels_of(path)
    assert str(path) in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match="no such file") as caught:
        pixels_of(tmp_path / "1.png")
    assert str(tmp_path / "1.png") in str(caught.value)


def test_folders_named_as_pictures_are_named(tmp_path):
    (tmp_path / "1.png").mkdir()
    with pytest.raises(ValueError, match="cannot be read") as caught:
        pixels_of(tmp_path / "1.png")
    assert str(tmp_path / "1.png") in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_deep_tiff_is_applied(tmp_path, orientation):
    colours = smooth()
    tag = [(274, "H", 1, orientation, True)]
    deep = colours.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "1.tiff", deep, photometric="rgb", metadata=None, extratags=tag)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(colours).save(tmp_path / "1.png", exif=exif)
    expected = decode(of_file(tmp_path / "1.png")).pixels.astype(np.uint16) * 257
    assert np.array_equal(decode(of_file(tmp_path / "1.tiff")).pixels, expected)


def test_the_indices_of_a_palette_are_read_on_request(tmp_path):
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
def test_arrays_that_are_no_pictures_are_refused(tmp_path, array, said, ending):
    path = tmp_path / f"1.{ending}"
    (np.save if ending == "npy" else np.savez)(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=said) as caught:
        decode(of_file(path))
    assert str(path) in str(caught.value)


def test_files_with_several_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "1.npz", a=np.zeros((16, 16)), b=np.zeros((16, 16)))
    with pytest.raises(ValueError, match="holds 2 arrays"):
        decode(of_file(tmp_path / "1.npz"))


@pytest.mark.parametrize("kind", ["png", "deep png", "tiff", "npy", "npz", "jpg", "bmp", "webp"])
def test_small_files_that_claim_to_be_huge_are_not_opened(tmp_path, monkeypatch, kind):
    suffix = kind.split()[-1]
    deep = kind in ("deep png", "tiff", "npy", "npz")
    pixels = np.zeros((64, 64, 3), np.uint16 if deep else np.uint8)
    path = tmp_path / f"1.{suffix}"
    np.savez(path, pixels) if suffix == "npz" else write_picture(path, pixels)
    monkeypatch.setattr(DECODING, "total", pixels.nbytes - 1)
    with pytest.raises(ValueError, match="enormous number of pixels") as caught:
        decode(of_file(path))
    assert str(path) in str(caught.value)


def test_the_grey_pages_of_a_tiff_are_its_channels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 16, 24)).astype(np.uint16)
    for name, options in (("pages", {}), ("planes", {"planarconfig": "separate"})):
        path = tmp_path / f"{name}.tiff"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None, **options)
        assert np.array_equal(decode(of_file(path)).pixels, np.moveaxis(pixels, 0, -1))


def test_tiffs_of_too_many_pages_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "PAGES", 4)
    tifffile.imwrite(tmp_path / "1.tiff", np.zeros((5, 16, 16), np.uint16), photometric="minisblack", metadata=None)
    with pytest.raises(ValueError, match="claims more than 4 pages"):
        decode(of_file(tmp_path / "1.tiff"))


def test_the_transparency_of_a_deep_tiff_is_recognised(tmp_path):
    pixels = np.zeros((16, 24, 4), np.uint16)
    for name, extra in (("alpha", "unassalpha"), ("more", "unspecified")):
        tifffile.imwrite(tmp_path / f"{name}.tiff", pixels, photometric="rgb", extrasamples=[extra], metadata=None)
        assert decode(of_file(tmp_path / f"{name}.tiff")).has_alpha == (name == "alpha")


@pytest.mark.parametrize("bits", [2, 4])
def test_class_numbers_of_few_bits_are_read_on_request(tmp_path, bits):
    ids = np.random.default_rng(0).integers(0, 2**bits, (16, 16)).astype(np.uint8)
    rows = np.packbits(np.unpackbits(ids[..., None], axis=-1)[..., -bits:].reshape(16, -1), axis=-1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 16, 16, bits, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    encoded = Encoded("x", b"\x89PNG\r\n\x1a\n" + data)
    assert np.array_equal(decode(encoded, indices=True).pixels[..., 0], ids)
    assert np.array_equal(decode(encoded).pixels[..., 0], ids * (255 // (2**bits - 1)))


def test_class_numbers_in_arrays_may_be_integers_of_any_width():
    ids = np.arange(256).reshape(16, 16)
    assert decode(Encoded("x", ids), indices=True).pixels.dtype == np.uint8
    assert decode(Encoded("x", ids + 1), indices=True).pixels.dtype == np.float32
    assert decode(Encoded("x", ids)).pixels.dtype == np.float32


@pytest.mark.parametrize(("channels", "photometric"), [(2, "minisblack"), (4, "minisblack"), (4, "rgb")])
def test_channels_of_a_tiff_that_are_no_transparency_are_kept(tmp_path, channels, photometric):
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
    stored = np.random.default_rng(0).integers(0, 200, (16, 24)).astype(dtype)
    tifffile.imwrite(tmp_path / "1.tiff", stored, photometric="miniswhite", metadata=None)
    assert np.array_equal(decode(of_file(tmp_path / "1.tiff")).pixels[..., 0], np.iinfo(dtype).max - stored)


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "1.tiff") as writer:
        for size in (16, 24):
            writer.write(np.zeros((size, size), np.uint16), photometric="minisblack", metadata=None)
    with pytest.raises(UserError, match=r"1\.tiff is a stack .*one grey page per channel"):
        decode(of_file(tmp_path / "1.tiff"))


def test_numbers_beyond_float32_are_not_finite():
    with pytest.raises(UserError, match="not finite"):
        decode(Encoded("x", np.full((16, 16), 1e300)))


def test_a_value_that_is_no_picture_is_refused():
    with pytest.raises(UserError, match="x holds int instead of a picture"):
        decode(Encoded("x", 3))  # pyright: ignore


@pytest.mark.parametrize("content", ["png", "npy", "tiff"])
def test_a_mistake_of_the_program_is_no_unreadable_picture(tmp_path, monkeypatch, content):
    write_picture(tmp_path / f"1.{content}", np.zeros((16, 16, 1), np.uint16))
    for module in (decode_pil, decode_numpy, decode_tiff):
        monkeypatch.setattr(module, "as_pixels", lambda *_: int("x"))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        decode(of_file(tmp_path / f"1.{content}"))
    assert not isinstance(caught.value, UserError)


def test_bytes_of_a_file_that_a_library_quotes_are_escaped():
    with pytest.raises(Unreadable) as caught, library_errors():
        raise SyntaxError("broken PNG file (chunk b'px\x05\x1b[2J\udcff')")
    assert caught.value.problem.isprintable()
    assert r"px\x05\x1b" in caught.value.problem
