"""Tags of pictures' files."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from p2p_jax.data.doctor.tags import ORIENTATION, Tags, read_tags


def exif():
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    return tags


def before_pixels(path):
    Image.new("RGB", (8, 8)).save(path, exif=exif())


def behind_pixels(path):
    Image.new("RGB", (8, 8)).save(path)
    content, packed = path.read_bytes(), exif().tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(packed)) + b"eXIf" + packed + struct.pack(">I", zlib.crc32(b"eXIf" + packed))
    path.write_bytes(content[:-12] + chunk + content[-12:])


def in_xmp(path):
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
    Image.new("RGB", (8, 8)).save(path, pnginfo=text)


@pytest.mark.parametrize("write", [before_pixels, behind_pixels, in_xmp])
def test_the_orientation_of_a_png_is_found_wherever_it_stands(tmp_path, write):
    write(tmp_path / "a.png")
    assert read_tags(tmp_path / "a.png").orientation == 6


def test_a_png_without_exif_is_not_decoded_for_its_tags(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("the pixels were decoded"))
    assert read_tags(tmp_path / "a.png") == Tags()
