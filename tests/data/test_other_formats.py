"""Files in other formats are called what they are, whatever their names end in, with what to do."""

import io

import pytest
from PIL import Image

from p2p_jax.data.pictures import decode, of_file
from p2p_jax.errors import UserError


def gif() -> bytes:
    file = io.BytesIO()
    Image.new("P", (16, 16)).save(file, "GIF")
    return file.getvalue()


FILES = {
    "gif": (gif(), "is a GIF: convert it to PNG"),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "is an AVIF: convert it"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC: convert it"),
    "mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0", "is a video: extract its frames"),
    "dicom": (bytes(128) + b"DICM" + bytes(100), "is a DICOM file: convert it to 16-bit PNG, TIFF or NPY"),
    "nifti": (b"\\\x01\0\0" + bytes(340) + b"n+1\0" + bytes(100), "is a NIfTI file: convert it"),
    "nii.gz": (b"\x1f\x8b\x08" + bytes(50), "is compressed with gzip: unpack it"),
    "svg": (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="x"/>', "is an SVG: export it as PNG"),
    "page": (b"\n<!DOCTYPE HTML><html><body>404</body></html>", "is a web page, as of a failed download"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "run git lfs pull"),
    "empty": (b"", "is empty: copy or download it again"),
    "psd": (b"8BPS\0\x01" + bytes(50), "is a Photoshop file"),
    "jxl": (b"\xff\x0a" + bytes(50), "is a JPEG XL"),
    "exr": (b"v/1\x01" + bytes(50), "is an OpenEXR file: convert it to TIFF or NPY"),
}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".npy"])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_called_what_it_is(tmp_path, kind, suffix):
    content, expected = FILES[kind]
    path = tmp_path / f"1{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="^" + str(path)) as caught:
        decode(of_file(path))
    assert expected in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_pictures_of_known_formats_are_read(tmp_path, kind):
    path = tmp_path / "1.jfif"
    Image.new("RGB", (16, 16), (1, 2, 3)).save(path, kind)
    assert decode(of_file(path)).pixels.shape == (16, 16, 3)
