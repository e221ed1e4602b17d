"""Decoders: convert a PNG, JPEG, WebP, BMP, TIFF, NPY or NPZ file to pixels, with all their bits.

Each call of a decoding library is wrapped in `library_errors`, which raises `Unreadable` in place of any exception of that
library. An error in this code itself is not caught. Each decoder reserves the memory that it needs, see `limits.budget`.
"""

import io
from typing import Any

from p2p_jax.data.decode_numpy import decode_npy, decode_npz
from p2p_jax.data.decode_pil import PNG_START, decode_with_pil
from p2p_jax.data.decode_tiff import decode_tiff
from p2p_jax.data.decoded import Picture, as_pixels, library_errors, reserve
from p2p_jax.data.other_formats import START, refuse_other_formats

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of each colour type of a PNG, without palettes


def decode_bytes(data: bytes, indices: bool) -> Picture:
    """Decodes the bytes of a file; arguments and errors are those of `decode_file`."""
    return decode_file(io.BytesIO(data), len(data), indices)


def decode_file(file: Any, size: int, indices: bool) -> Picture:
    """Decodes a file by its content, upright.

    Args:
        file: open for reading, at its beginning.
        size: of the file, in bytes.
        indices: return the indices of a palette instead of its colours, and 1 instead of 255 for the white of a bitmap.

    Raises:
        Unreadable: it is no picture, is damaged, is in another format, or needs more memory than is allowed.
    """
    with library_errors():
        start = file.read(START)
        file.seek(0)
    refuse_other_formats(start)
    if start[:6] == b"\x93NUMPY":
        return Picture(decode_npy(file, size, indices))
    if start[:4] == b"PK\x03\x04":
        return Picture(decode_npz(file, size, indices))
    picture = decode_tiff(file, indices) if start[:4] in TIFF_STARTS else _decode_deep_png(file, size, start)
    if picture is None:
        file.seek(0)
        picture = decode_with_pil(file, size, indices)
    return picture


def _decode_deep_png(file: Any, size: int, start: bytes) -> Picture | None:
    """Decodes a PNG of 16 bits and several channels, of which PIL would drop the lower 8 bits; None for all others."""
    if start[:8] != PNG_START or size < 33 or start[24] != 16 or start[25] == 0:
        return None
    width, height = int.from_bytes(start[16:20]), int.from_bytes(start[20:24])
    with reserve(2 * width * height * CHANNELS.get(start[25], 4) + size):
        import imagecodecs

        with library_errors():
            array = imagecodecs.png_decode(file.read())
        return Picture(as_pixels(array, indices=False), has_alpha=start[25] in (4, 6))
