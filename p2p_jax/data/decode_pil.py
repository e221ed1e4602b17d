"""Decodes what PIL reads: JPEG, WebP, BMP, most PNG and the usual TIFF."""

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from p2p_jax.data.decoded import Picture, Unreadable, as_pixels, library_errors, reserve, turn_upright
from p2p_jax.limits.budget import MIB

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
PNG_START = b"\x89PNG\r\n\x1a\n"

# Pillow warns of large photos, some of them only while it decodes. The budget decides instead.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

STRIP = 4 * MIB
"""Pixels that are converted to an array at a time, so that a large picture is not copied several times."""

MAX_SCANNED = 2_500_000_000
"""Limit on the pixels that all scans of a JPEG cover together. A progressive JPEG has about ten scans; a malicious one has
thousands, which take hours to decode."""


def decode_with_pil(file: Any, size: int, indices: bool) -> Picture:
    """Decodes a file that PIL reads.

    Args:
        file: open for reading, at its beginning.
        size: of the file, in bytes.
        indices: as for `decoders.decode_file`.

    Raises:
        Unreadable: it is damaged, is no picture, or needs more memory than is allowed.
    """
    start = file.read(32)
    file.seek(0)
    with reserve(2 * size if start[:4] == b"RIFF" else 0):  # PIL keeps a whole WebP file in memory
        with library_errors():
            opened = _open(file)
        with opened, reserve(_cost(opened, file, indices)):
            with library_errors():
                opened.load()
                orientation = opened.getexif().get(274, 1)
                array, has_alpha = _to_array(opened, indices)
            opened.close()  # frees its copy of the pixels
            pixels = as_pixels(turn_upright(array, orientation), indices)
    if indices and not has_alpha and start[:4] == PNG_START[:4] and start[24] in (2, 4) and start[25] == 0:
        pixels = pixels // (255 // (2 ** start[24] - 1))  # grey of 2 or 4 bits, which PIL scales to 8
    return Picture(pixels, has_alpha)


def read_palette(path: Path) -> tuple[str, list[int]] | None:
    """The mode and colours of a file with a palette ("P") or of a bitmap ("1"); None for all others."""
    try:
        with path.open("rb") as file, library_errors(), _open(file) as opened:
            return (opened.mode, opened.getpalette() or []) if opened.mode in ("P", "1") else None
    except (Unreadable, OSError):
        return None


def _open(file: Any) -> Image.Image:
    """Opens a file as `Image.open` does, but without PIL's own limit on pixels, which warns of large photos.

    Raises:
        UnidentifiedImageError: it is in none of `FORMATS`.
    """
    start = file.read(16)
    if not set(FORMATS) <= set(Image.OPEN):
        Image.init()
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is None or accept(start) is True:
            file.seek(0)
            try:
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error):
                continue
    raise UnidentifiedImageError


def _cost(opened: Any, file: Any, indices: bool) -> int:
    """The bytes of memory for decoding an opened file and converting it to an array.

    Raises:
        Unreadable: it would take too long to decode.
    """
    pixels, mode = opened.width * opened.height, opened.mode
    stored = 1 if mode in ("1", "L", "P") else 2 if mode.startswith("I;") else 4
    channels = 1 if indices and mode in ("1", "P") else {"1": 1, "L": 1, "I": 8, "F": 5, "LA": 2, "RGB": 3, "CMYK": 3}
    made = channels if isinstance(channels, int) else channels.get(mode, 2 if mode.startswith("I;") else 4)
    if "transparency" in opened.info and not indices:
        made = 4
    working = 0
    if opened.format == "JPEG" or opened.format == "MPO":
        working = _cost_of_scans(opened, file)
    elif opened.format == "WEBP":
        working = 20
    elif opened.format in ("BMP", "DIB", "TIFF"):
        working = 4
    return pixels * max(stored + working, stored + made, 2 * made)


def _cost_of_scans(opened: Any, file: Any) -> int:
    """Bytes for each pixel that libjpeg needs for a picture in several scans, whose coefficients it keeps."""
    place, scans, overlap = file.tell(), 0, b""
    file.seek(0)
    while chunk := file.read(MIB):
        scans += (overlap + chunk).count(b"\xff\xda")
        overlap = chunk[-1:]
    file.seek(place)
    if scans * opened.width * opened.height > MAX_SCANNED:
        raise Unreadable(f"has {scans} scans, which would take very long to decode", "save it again")
    return 2 * len(opened.getbands()) if scans > 2 or "progressive" in opened.info else 0


def _to_array(picture: Image.Image, indices: bool) -> tuple[np.ndarray, bool]:
    """The values of a PIL image, and whether its last channel is transparency."""
    mode, has_alpha = None, False
    if picture.mode.startswith(("I", "F")) or (indices and picture.mode in ("P", "1")):
        pass
    elif picture.has_transparency_data:
        mode, has_alpha = "LA" if picture.mode in ("LA", "La") else "RGBA", True
    elif picture.mode not in ("L", "RGB"):
        mode = "L" if picture.mode == "1" else "RGB"
    rows = max(1, STRIP // picture.width)
    if rows >= picture.height:
        return np.asarray(picture.convert(mode) if mode else picture), has_alpha
    array = None
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        values = np.asarray(strip.convert(mode) if mode else strip)
        if array is None:
            array = np.empty((picture.height, *values.shape[1:]), values.dtype)
        array[top : top + len(values)] = values
    return np.asarray(array), has_alpha
