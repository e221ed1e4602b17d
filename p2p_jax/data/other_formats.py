"""Recognizes by their first bytes files that are no pictures to this program, so that messages call them what they are."""

from p2p_jax.data.decoded import Unreadable

START = 352
"""Number of bytes at the beginning of a file that decide."""

TO_PNG = "convert it to PNG or JPEG"
TO_SLICES = "convert it to 16-bit PNG, TIFF or NPY, one slice per file (for example with SimpleITK)"
TO_NUMBERS = "convert it to TIFF or NPY"

BY_START = (
    (b"GIF8", "is a GIF", TO_PNG),
    (b"\xff\x0a", "is a JPEG XL", TO_PNG),
    (b"\0\0\0\x0cJXL ", "is a JPEG XL", TO_PNG),
    (b"\0\0\0\x0cjP  ", "is a JPEG 2000", TO_PNG),
    (b"8BPS", "is a Photoshop file", TO_PNG),
    (b"%PDF", "is a PDF", "export its pictures as PNG"),
    (b"%!PS", "is PostScript", "export it as PNG"),
    (b"<svg", "is an SVG", "export it as PNG"),
    (b"v/1\x01", "is an OpenEXR file", TO_NUMBERS),
    (b"#?RADIANCE", "is a Radiance HDR file", TO_NUMBERS),
    (b"\x89HDF", "is an HDF5 file", "save its arrays as NPY, one per file"),
    (b"\x1f\x8b", "is compressed with gzip", "unpack it; convert a .nii.gz to NPY or TIFF, one slice per file"),
    (b"PK\x05\x06", "is an empty ZIP archive", "give a picture"),
    (b"Rar!", "is an archive", "unpack it"),
    (b"7z\xbc\xaf", "is an archive", "unpack it"),
    (b"RIFF", "is a video or sound file", "extract its frames as PNG"),
    (b"version https://git-lfs", "is a pointer of Git LFS instead of the file", "run git lfs pull"),
    (b"<!doctype html", "is a web page, as of a failed download", "download the picture again"),
    (b"<html", "is a web page, as of a failed download", "download the picture again"),
)
"""(first bytes, in lower case where they are text; what the file is; what to do)."""

BRANDS = {
    b"avif": "an AVIF",
    b"avis": "an AVIF",
    b"heic": "a HEIC",
    b"heix": "a HEIC",
    b"mif1": "a HEIC",
    b"msf1": "a HEIC",
}


def refuse_other_formats(start: bytes) -> None:
    """Refuses a file that is known to be in another format than those of pictures that are read.

    Args:
        start: the first `START` bytes of the file, or all of a shorter file.

    Raises:
        Unreadable: it is empty, or in another format.
    """
    if not start:
        raise Unreadable("is empty", "copy or download it again")
    if start[4:8] == b"ftyp":
        what = BRANDS.get(start[8:12])
        raise Unreadable(f"is {what}", TO_PNG) if what else Unreadable("is a video", "extract its frames as PNG")
    if start[128:132] == b"DICM":
        raise Unreadable("is a DICOM file", TO_SLICES)
    if start[344:348] in (b"n+1\0", b"ni1\0"):
        raise Unreadable("is a NIfTI file", TO_SLICES)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        raise Unreadable("is an SVG", "export it as PNG")
    for magic, what, advice in BY_START:
        if magic == b"RIFF" and start[8:12] == b"WEBP":
            continue
        if start.startswith(magic) or text.startswith(magic.lower()):
            raise Unreadable(what, advice)
