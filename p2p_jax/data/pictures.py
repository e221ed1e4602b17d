"""Reading and writing one picture: any depth and number of channels, as an array (height, width, c).

Every failure names the picture and says what to do. A file is known by what is in it, not by its name's ending.
"""

import io
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from p2p_jax.errors import UserError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".npy", ".npz"})
SMALLEST = 8  # pixels a side: below it there is nothing to learn from, so it is a mistake
LARGEST = 2**27  # values in one picture (134 million); what claims more is taken for a decompression bomb
MOST_PAGES = 256  # of a TIFF
OPEN_WITH_PIL = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Encoded(NamedTuple):
    """One picture as it lies in a file or a record.

    Attributes:
        name: what to call it in messages: the file's path, or the record's name.
        content: the file, its bytes, or the pixels themselves as (h, w) or (h, w, c).
    """

    name: str
    content: Path | bytes | np.ndarray


class Picture(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: (h, w, c): uint8, uint16, or float32.
        has_alpha: whether the last channel is transparency.
    """

    pixels: np.ndarray
    has_alpha: bool = False


def is_picture(path: Path) -> bool:
    """Whether a file's name is that of a picture that can be read; hidden files are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def of_file(path: Path) -> Encoded:
    """The picture in a file, not read yet."""
    return Encoded(str(path), path)


def decode(encoded: Encoded, *, indices: bool = False, otherwise: str = "") -> Picture:
    """Decodes a picture, upright, with all the bits and channels that it has.

    Args:
        encoded: PNG, JPEG, WebP, BMP, TIFF, NPY, or NPZ with one array.
        indices: give a palette's numbers instead of its colours, and 1 instead of 255 for the white of a bitmap.
        otherwise: what else than removing a bad file its user may do, for messages: " or …".

    Raises:
        UserError: it cannot be read, is no picture, is too small, claims more than `LARGEST` values, holds Python
            objects, numbers that are not finite, or a kind of number that no picture has.
    """
    name = encoded.name
    try:
        picture = _decode(encoded, indices)
        return picture._replace(pixels=_checked(picture.pixels, name))
    except _Refused as refused:
        raise UserError(str(refused)) from None
    except UnidentifiedImageError:
        raise UserError(f"{name} is not a picture, whatever its name says: remove it{otherwise}.") from None
    except Image.DecompressionBombError:
        raise UserError(_too_large(name)) from None
    except Exception as error:  # decoders raise anything at all on damaged files
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        reason = " ".join(reason.split()).rstrip(".").lower()
        raise UserError(f"{name} cannot be read ({reason}): replace it or remove it{otherwise}.") from None


def _decode(encoded: Encoded, indices: bool) -> Picture:
    name, content = encoded
    if isinstance(content, np.ndarray):
        return Picture(_as_pixels(content, name, indices))
    data = content.read_bytes() if isinstance(content, Path) else content
    if data[:6] == b"\x93NUMPY":
        return Picture(_as_pixels(_read_npy(data, name), name, indices))
    if data[:4] == b"PK\x03\x04":
        return Picture(_as_pixels(_read_npz(data, name), name, indices))
    picture = _decode_tiff(data, name, indices) if data[:4] in TIFF_STARTS else None
    return picture or _decode_deep_png(data, name) or _decode_with_pil(data, name, indices)


class _Refused(Exception):
    """A sentence that is fit to be shown as it is, on its way out of `decode`."""


def _too_large(name: str) -> str:
    return f"{name} claims an enormous number of pixels and was not opened: make it smaller."


def _refuse_enormous(shape: tuple[int, ...], name: str) -> None:
    if np.prod([float(side) for side in shape]) > LARGEST:
        raise _Refused(_too_large(name))


def _checked(pixels: np.ndarray, name: str) -> np.ndarray:
    height, width, _ = pixels.shape
    if min(height, width) < SMALLEST:
        raise _Refused(f"{name} has {width} x {height} pixels: a picture needs at least {SMALLEST} on each side.")
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise _Refused(f"{name} holds values that are not finite (NaN or infinity): replace them.")
    return pixels


def _as_pixels(array: np.ndarray, name: str, indices: bool) -> np.ndarray:
    """(h, w, c) of uint8, uint16 or float32, from (h, w) or (h, w, c) of any kind of number."""
    if array.ndim not in (2, 3) or array.size == 0:
        raise _Refused(
            f"{name} holds an array of shape {array.shape}: a picture is (height, width) or (height, width, channels)."
        )
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * (1 if indices else 255)
    if array.dtype.kind not in "uif":
        raise _Refused(f"{name} holds {array.dtype} values: a picture holds whole or real numbers.")
    if indices and array.dtype.kind in "ui" and array.min() >= 0 and array.max() <= 255:
        return np.ascontiguousarray(array, np.uint8)  # class numbers are whole numbers of any width in NumPy files
    kept = {np.dtype(np.uint8): np.uint8, np.dtype(np.uint16): np.uint16}
    return np.ascontiguousarray(array, kept.get(array.dtype.newbyteorder("="), np.float32))


def _read_npy(data: bytes, name: str) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise _Refused(f"{name} holds Python objects, which are never loaded: save an array of numbers.")
    _refuse_enormous(shape, name)
    stream.seek(0)
    return np.load(stream, allow_pickle=False)


def _read_npz(data: bytes, name: str) -> np.ndarray:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) != 1:
            raise _Refused(f"{name} holds {len(entries)} arrays: a picture is an NPZ with one.")
        if entries[0].file_size > 8 * LARGEST + 4096:
            raise _Refused(_too_large(name))
        with archive.open(entries[0]) as stream:
            return _read_npy(stream.read(8 * LARGEST + 4096), name)


def _decode_tiff(data: bytes, name: str, indices: bool) -> Picture | None:
    """A TIFF of more bits, channels or pages than PIL reads; None for those it does read."""
    import tifffile

    try:
        opened = tifffile.TiffFile(io.BytesIO(data))
    except tifffile.TiffFileError:
        return None
    with opened as tiff:
        pages = _tiff_pages(tiff, name)
        first = pages[0]
        has_alpha = first.extrasamples[-1:] in ((1,), (2,))
        colours = first.samplesperpixel - has_alpha
        usual = colours in (1, 3) or int(first.photometric) == 5  # CMYK
        if len(pages) == 1 and first.dtype == np.uint8 and usual and first.bitspersample in (1, 8):
            return None
        if set(first.axes) - set("YXS") or (len(pages) > 1 and {page.axes for page in pages} != {"YX"}):
            raise _Refused(f"{name} is a stack ({first.axes}, {len(pages)} pages): give one page, or a grey one a channel.")
        _refuse_enormous((*first.shape, len(pages)), name)
        array = first.asarray() if len(pages) == 1 else np.stack([page.asarray() for page in pages], axis=-1)
        array = np.moveaxis(array, 0, -1) if first.axes == "SYX" else array
        if int(first.photometric) == 0 and array.dtype.kind == "u":
            array = np.iinfo(array.dtype).max - array  # stored as ink: 0 is white
        orientation = int(first.tags.valueof(274, 1))
    return Picture(_upright(_as_pixels(array, name, indices), orientation), has_alpha)


def _tiff_pages(tiff: Any, name: str) -> list[Any]:
    """The pages of a TIFF, less its thumbnails. One by one: a damaged file may claim to have pages without end."""
    pages = []
    for index in range(MOST_PAGES + 1):
        try:
            pages.append(tiff.pages.first if index == 0 else tiff.pages[index])
        except IndexError:
            return [page for page in pages if not page.is_reduced] or pages[:1]
    raise _Refused(f"{name} claims more than {MOST_PAGES} pages: a picture has one, or one for each channel.")


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::rows, ::columns])


def _decode_deep_png(data: bytes, name: str) -> Picture | None:
    """A PNG of 16 bits and several channels, of which PIL would drop the lower 8 bits; None for all others."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 33 or data[24] != 16 or data[25] == 0:
        return None
    _refuse_enormous((int.from_bytes(data[16:20]), int.from_bytes(data[20:24]), 4), name)
    import imagecodecs

    return Picture(_as_pixels(imagecodecs.png_decode(data), name, indices=False), has_alpha=data[25] in (4, 6))


def _decode_with_pil(data: bytes, name: str, indices: bool) -> Picture:
    with Image.open(io.BytesIO(data), formats=OPEN_WITH_PIL) as opened:
        _refuse_enormous((*opened.size, len(opened.getbands())), name)
        picture = ImageOps.exif_transpose(opened)
        picture.load()
    if picture.mode.startswith(("I", "F")) or (indices and picture.mode in ("P", "1")):
        return Picture(_as_pixels(np.asarray(picture), name, indices))
    if picture.has_transparency_data:
        picture = picture.convert("LA" if picture.mode in ("LA", "La") else "RGBA")
        return Picture(np.asarray(picture), has_alpha=True)
    picture = picture if picture.mode in ("L", "RGB") else picture.convert("L" if picture.mode == "1" else "RGB")
    pixels = np.asarray(picture)
    if indices and data[:4] == b"\x89PNG" and data[24] in (2, 4) and data[25] == 0:
        pixels = pixels // (255 // (2 ** data[24] - 1))  # grey of 2 or 4 bits, which PIL spreads over 8
    return Picture(pixels[..., None] if pixels.ndim == 2 else pixels)


def suffix_for(pixels: np.ndarray) -> str:
    """The ending of the format that keeps a picture whole: ".png", or ".tiff" for real numbers or over 4 channels."""
    return ".tiff" if pixels.dtype == np.float32 or pixels.shape[-1] > 4 else ".png"


def write_picture(path: Path, pixels: np.ndarray, **options: Any) -> None:
    """Writes a picture whole, in the format of its name's ending, replacing the file only once it is complete.

    Args:
        path: ends in .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff or .npy; its folder is made.
        pixels: (h, w, c), uint8, uint16 or float32; one channel is grey, three RGB, four RGBA, two grey and alpha.
        options: of PIL's encoder, such as `quality`.

    Raises:
        UserError: the format cannot hold so many bits or channels.
    """
    suffix = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            if suffix == ".npy":
                np.save(file, pixels, allow_pickle=False)
            elif suffix in (".tif", ".tiff") and (pixels.dtype != np.uint8 or pixels.shape[-1] > 4):
                _write_tiff(file, pixels)
            else:
                _write_with_pil(file, suffix, pixels, options)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_tiff(file: Any, pixels: np.ndarray) -> None:
    import tifffile

    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    photometric = "rgb" if pixels.shape[-1] == 3 else "minisblack"
    planar: dict[str, Any] = {"planarconfig": "contig"} if flat.ndim == 3 else {}
    tifffile.imwrite(file, flat, photometric=photometric, compression="deflate", metadata=None, **planar)


def _write_with_pil(file: Any, suffix: str, pixels: np.ndarray, options: dict[str, Any]) -> None:
    formats = {
        ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
    }  # fmt: skip
    channels = pixels.shape[-1]
    most = {".png": 4, ".tif": 4, ".tiff": 4, ".webp": 4}.get(suffix, 3)
    grey = suffix != ".webp"
    if suffix not in formats or channels > most or (channels == 2 and most < 4):
        raise UserError(f"a picture of {channels} channels cannot be written as {suffix}: write .tiff or .npy.")
    if pixels.dtype != np.uint8:
        if suffix != ".png" or pixels.dtype != np.uint16:
            raise UserError(f"{pixels.dtype} pictures cannot be written as {suffix}: write .tiff or .npy.")
        import imagecodecs

        file.write(imagecodecs.png_encode(np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels)))
        return
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
    picture = picture if grey or channels > 2 else picture.convert("RGB" if channels == 1 else "RGBA")
    picture.save(file, format=formats[suffix], **options)
