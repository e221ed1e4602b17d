"""What the header of a picture's file says: EXIF orientation, compression, and the value that GDAL marks as unknown."""

import mmap
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

ORIENTATION, COMPRESSION, GDAL_NODATA = 274, 259, 42113  # numbers of TIFF tags; EXIF uses the first one, too
LOSSY = (6, 7, 50001)  # compressions of TIFF: JPEG, twice, and WebP


class Tags(NamedTuple):
    """Tags of a picture's file.

    Attributes:
        orientation: of EXIF, from 1 (upright) to 8.
        nodata: the value of pixels of which nothing is known, which may be NaN; None without such a tag.
        lossy: whether the compression changes values.
    """

    orientation: int = 1
    nodata: float | None = None
    lossy: bool = False


def read_tags(file: Path) -> Tags:
    """Reads the tags of a file; those of a file that cannot be opened are the defaults."""
    try:  # the libraries raise every kind of error; a file that they cannot open has no tags
        if file.suffix.lower() in (".tif", ".tiff"):
            return _read_tiff_tags(file)
        if file.suffix.lower() in (".npy", ".npz", ".bmp"):
            return Tags()
        with Image.open(file) as opened:
            if opened.format == "PNG" and not _mentions_exif(file):
                return Tags()  # Pillow would decode the whole picture to look for EXIF behind its pixels
            lossy = opened.format == "JPEG" or (opened.format == "WEBP" and not _is_lossless_webp(file))
            return Tags(_as_orientation(opened.getexif().get(ORIENTATION)), lossy=lossy)
    except Exception:
        return Tags()


def _read_tiff_tags(file: Path) -> Tags:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        tags: Any = tiff.pages.first.tags
        nodata = _as_number(tags.valueof(GDAL_NODATA))
        return Tags(_as_orientation(tags.valueof(ORIENTATION)), nodata, tags.valueof(COMPRESSION) in LOSSY)


def _mentions_exif(png: Path) -> bool:
    """Whether a PNG may hold an orientation: its chunk of EXIF, or a text with EXIF or XMP."""
    with png.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(mark) >= 0 for mark in (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp"))


def _is_lossless_webp(file: Path) -> bool:
    with file.open("rb") as opened:
        return b"VP8L" in opened.read(64)


def _as_orientation(value: Any) -> int:
    return int(value) if value in range(1, 9) else 1


def _as_number(value: Any) -> float | None:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    try:
        return float(text.strip(" \0"))
    except ValueError:
        return None
