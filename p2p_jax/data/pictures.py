"""Reading and writing one picture: any depth and number of channels, as an array (height, width, c).

Every error message names the picture and says what to do. A file is recognised by its content, not by the ending of its
name.
"""

import io
import stat
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import Image

from p2p_jax.data.decoded import Picture as Picture
from p2p_jax.data.decoded import Unreadable, as_pixels, library_errors
from p2p_jax.data.decoders import decode_bytes, decode_file
from p2p_jax.errors import UserError
from p2p_jax.files.writing import atomic_file
from p2p_jax.limits.budget import UNCOUNTED

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".npy", ".npz"})
MIN_SIDE = 8  # pixels; nothing can be learned from a smaller picture, so it counts as a mistake
MAX_PREFIX = 40  # characters of a name at the beginning of a temporary one
MAX_CHANNELS = 64  # more are taken for the width of an array with the channels first, if its height is small, too
PIL_NAMES = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip


class Encoded(NamedTuple):
    """One picture that is not decoded yet.

    Attributes:
        name: for messages: the file's path, or the record's name.
        content: the file, its bytes, or the pixels themselves as (h, w) or (h, w, c).
    """

    name: str
    content: Path | bytes | np.ndarray


class TooSmall(UserError):
    """A picture has fewer than `MIN_SIDE` pixels on a side."""


class HoldsNaN(UserError):
    """A picture holds NaN or infinity."""


def is_picture(path: Path) -> bool:
    """Whether a file's name is that of a picture that can be read. Hidden files do not count."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def seems_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether the shape of pixels seems to be (channels, height, width) instead of (height, width, channels)."""
    first, second, third = shape
    return third >= MIN_SIDE and 2 * first < min(second, third) and (first < MIN_SIDE or third > MAX_CHANNELS)


def of_file(path: Path) -> Encoded:
    """The picture in a file, not decoded yet."""
    return Encoded(str(path), path)


def decode(encoded: Encoded, *, indices: bool = False, otherwise: str = "", allow_nan: bool = False) -> Picture:
    """Decodes a picture, upright, with all its bits and channels.

    Args:
        encoded: PNG, JPEG, WebP, BMP, TIFF, NPY, or NPZ with one array.
        indices: return the indices of a palette instead of its colours, and 1 instead of 255 for the white of a bitmap.
        otherwise: text about what the user can do instead, such as ", or …"; it is appended to the advice of a message.
        allow_nan: whether pixels may hold NaN.

    Raises:
        UserError: it cannot be read, is no picture, needs more memory than `limits.budget` allows, or holds Python objects
            or a kind of number that no picture has.
        HoldsNaN: it holds infinity, or NaN that is not allowed.
        TooSmall: it has fewer than `MIN_SIDE` pixels on a side.
    """
    name = encoded.name
    try:
        picture = _decode(encoded.content, indices)
    except Unreadable as error:
        raise UserError(f"{name} {error.problem}: {error.advice}{otherwise}.") from None
    height, width, _ = picture.pixels.shape
    if height < MIN_SIDE and seems_channels_first(picture.pixels.shape):
        raise UserError(
            f"{name} has the shape {picture.pixels.shape}, which seems to be (channels, height, width): save it as "
            "(height, width, channels)."
        )
    if min(height, width) < MIN_SIDE:
        raise TooSmall(f"{name} has {width} x {height} pixels: a picture needs at least {MIN_SIDE} on each side.")
    refused = np.isinf if allow_nan else lambda pixels: ~np.isfinite(pixels)
    if picture.pixels.dtype == np.float32 and refused(picture.pixels).any():
        raise HoldsNaN(f"{name} holds values that are not finite (NaN or infinity): replace them{otherwise}.")
    return picture


def _decode(content: Any, indices: bool) -> Picture:
    if isinstance(content, np.ndarray):
        return Picture(as_pixels(content, indices))
    if isinstance(content, Path):
        return _decode_path(content, indices)
    if not isinstance(content, bytes):
        raise Unreadable(f"holds {type(content).__name__} instead of a picture", "name a feature that holds pictures")
    return decode_bytes(content, indices)


def _decode_path(path: Path, indices: bool) -> Picture:
    """Decodes a file. A large one is not read as a whole where its decoder can read it bit by bit."""
    with library_errors():
        status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not path.is_dir():
        raise Unreadable("is not a regular file", "give a picture file")  # reading a pipe or a device may never end
    with library_errors():
        opened = path.open("rb")
    with opened as file:
        if status.st_size > UNCOUNTED:
            return decode_file(file, status.st_size, indices)
        with library_errors():
            content = file.read(UNCOUNTED + 1)
    return decode_bytes(content, indices)


def suffix_for(pixels: np.ndarray) -> str:
    """The suffix of a format that keeps every value: ".png", or ".tiff" for float32 or more than 4 channels."""
    return ".tiff" if pixels.dtype == np.float32 or pixels.shape[-1] > 4 else ".png"


def write_picture(path: Path, pixels: np.ndarray, **options: Any) -> None:
    """Writes a picture in the format of its name's ending, and replaces the file only once it is complete.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff or .npy; its folder is made if it does not exist.
        pixels: (h, w, c), uint8, uint16 or float32; one channel is grey, three RGB, four RGBA, two grey and alpha.
        options: of PIL's encoder, such as `quality`.

    Raises:
        UserError: the format cannot hold so many bits, channels or pixels.
        OSError: the disk is full, or the folder cannot be written.
    """
    suffix = path.suffix.lower()
    with atomic_file(path, sync=False) as file:
        if suffix == ".npy":
            np.save(file, pixels, allow_pickle=False)
        elif suffix in (".tif", ".tiff") and (pixels.dtype != np.uint8 or pixels.shape[-1] > 4):
            _write_tiff(file, pixels)
        else:
            _write_with_pil(file, suffix, pixels, options)


def _write_tiff(file: IO[bytes], pixels: np.ndarray) -> None:
    import tifffile

    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    photometric = "rgb" if pixels.shape[-1] == 3 else "minisblack"
    planar: dict[str, Any] = {"planarconfig": "contig"} if flat.ndim == 3 else {}
    tifffile.imwrite(file, flat, photometric=photometric, compression="deflate", metadata=None, **planar)


def _write_with_pil(file: IO[bytes], suffix: str, pixels: np.ndarray, options: dict[str, Any]) -> None:
    channels = pixels.shape[-1]
    most = {".png": 4, ".tif": 4, ".tiff": 4, ".webp": 4}.get(suffix, 3)
    if suffix not in PIL_NAMES or channels > most or (channels == 2 and most < 4):
        raise UserError(f"a picture of {channels} channels cannot be written as {suffix}: write .tiff or .npy.")
    if pixels.dtype != np.uint8:
        if suffix != ".png" or pixels.dtype != np.uint16:
            raise UserError(f"{pixels.dtype} pictures cannot be written as {suffix}: write .tiff or .npy.")
        import imagecodecs

        file.write(imagecodecs.png_encode(np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels)))
        return
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
    if suffix == ".webp" and channels < 3:  # WebP has no grey
        picture = picture.convert("RGB" if channels == 1 else "RGBA")
    encoded = io.BytesIO()  # so that an OSError below comes from the encoder and never from the disk
    try:
        picture.save(encoded, format=PIL_NAMES[suffix], **options)
    except (OSError, ValueError, struct.error) as error:
        raise UserError(
            f"a picture of {picture.width} x {picture.height} pixels cannot be written as {suffix} ({error}): write .png."
        ) from None
    file.write(encoded.getbuffer())
