"""Decoders: convert the bytes of a PNG, JPEG, WebP, BMP, TIFF, NPY or NPZ file to pixels, with all their bits.

Each call of a decoding library is wrapped in `library_errors`, which raises `Unreadable` in place of any exception of that
library. An error in this code itself is not caught.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_VALUES = 2**27  # values in one picture (134 million); a file that claims more is taken for a decompression bomb
MAX_PAGES = 256  # of a TIFF
PIL_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
PNG_START = b"\x89PNG\r\n\x1a\n"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Picture(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: (h, w, c): uint8, uint16, or float32.
        has_alpha: whether the last channel is transparency.
    """

    pixels: np.ndarray
    has_alpha: bool = False


class Unreadable(Exception):
    """A file cannot be decoded.

    Attributes:
        problem: what is wrong, in words that follow the file's name.
        advice: what the user can do about it.
    """

    def __init__(self, problem: str, advice: str):
        super().__init__(problem, advice)
        self.problem, self.advice = problem, advice


@contextmanager
def library_errors() -> Iterator[None]:
    """Raises `Unreadable` in place of any exception of a library: decoders raise every kind of them for damaged files."""
    try:
        yield
    except UnidentifiedImageError:
        raise Unreadable("is not a picture in a known format", "give another file, or move it elsewhere") from None
    except Image.DecompressionBombError:
        raise _enormous() from None
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        reason = " ".join(reason.split()).rstrip(".").lower()
        raise Unreadable(f"cannot be read ({reason})", "replace it or remove it") from None


def decode_bytes(data: bytes, indices: bool) -> Picture:
    """Decodes a file by its content, upright.

    Args:
        data: the whole file.
        indices: return the indices of a palette instead of its colours, and 1 instead of 255 for the white of a bitmap.

    Raises:
        Unreadable: it is no picture, is damaged, or claims more than `MAX_VALUES` values.
    """
    if data[:6] == b"\x93NUMPY":
        return Picture(as_pixels(_read_npy(data), indices))
    if data[:4] == b"PK\x03\x04":
        return Picture(as_pixels(_read_npz(data), indices))
    picture = _decode_tiff(data, indices) if data[:4] in TIFF_STARTS else None
    return picture or _decode_deep_png(data) or _decode_with_pil(data, indices)


def as_pixels(array: np.ndarray, indices: bool) -> np.ndarray:
    """An array of numbers as pixels.

    Args:
        array: (h, w) or (h, w, c) of any kind of number.
        indices: as for `decode_bytes`.

    Returns:
        (h, w, c) of uint8, uint16 or float32.

    Raises:
        Unreadable: it has another shape, or holds no numbers.
    """
    if array.ndim not in (2, 3) or array.size == 0:
        raise Unreadable(
            f"holds an array of shape {array.shape}", "save an array (height, width) or (height, width, channels)"
        )
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * (1 if indices else 255)
    if array.dtype.kind not in "uif":
        raise Unreadable(f"holds {array.dtype} values", "save integers or floating-point numbers")
    if indices and array.dtype.kind in "ui" and array.min() >= 0 and array.max() <= 255:
        return np.ascontiguousarray(array, np.uint8)  # NumPy files hold class numbers as integers of any width
    kept = {np.dtype(np.uint8): np.uint8, np.dtype(np.uint16): np.uint16}
    with np.errstate(over="ignore"):  # too large for float32: infinity, which `decode` refuses
        return np.ascontiguousarray(array, kept.get(array.dtype.newbyteorder("="), np.float32))


def _enormous() -> Unreadable:
    return Unreadable("claims an enormous number of pixels and was not opened", "make it smaller")


def _refuse_enormous(shape: tuple[int, ...]) -> None:
    if np.prod([float(length) for length in shape]) > MAX_VALUES:
        raise _enormous()


def _read_npy(data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    with library_errors():
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise Unreadable("holds Python objects, which are never loaded", "save an array of numbers")
    _refuse_enormous(shape)
    with library_errors():
        stream.seek(0)
        return np.load(stream, allow_pickle=False)


def _read_npz(data: bytes) -> np.ndarray:
    limit = 8 * MAX_VALUES + 4096  # bytes
    with library_errors(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries, content = archive.infolist(), b""
        if len(entries) == 1 and entries[0].file_size <= limit:
            with archive.open(entries[0]) as stream:
                content = stream.read(limit)
    if len(entries) != 1:
        raise Unreadable(f"holds {len(entries)} arrays", "save an NPZ that holds one")
    if entries[0].file_size > limit:
        raise _enormous()
    return _read_npy(content)


class _TiffPage(NamedTuple):
    """The tags of a TIFF's first page that decide how it is decoded."""

    axes: str
    shape: tuple[int, ...]
    dtype: Any
    bits: int
    colours: int
    has_alpha: bool
    photometric: int
    orientation: int


def _decode_tiff(data: bytes, indices: bool) -> Picture | None:
    """Decodes a TIFF of more bits, channels or pages than PIL reads; None for those that PIL reads."""
    import tifffile

    with library_errors():
        try:
            opened = tifffile.TiffFile(io.BytesIO(data))
        except tifffile.TiffFileError:
            return None
    with opened as tiff:
        pages = _list_pages(tiff)
        with library_errors():
            first, kinds = _describe_page(pages[0]), {(page.axes, tuple(page.shape)) for page in pages}
        usual = first.colours in (1, 3) or first.photometric == 5  # CMYK
        if len(pages) == 1 and first.dtype == np.uint8 and usual and first.bits in (1, 8):
            return None
        if set(first.axes) - set("YXS") or (len(pages) > 1 and (len(kinds) > 1 or first.axes != "YX")):
            raise Unreadable(
                f"is a stack ({first.axes}, {len(pages)} pages)",
                "save one page, or one grey page per channel",
            )
        _refuse_enormous((*first.shape, len(pages)))
        with library_errors():
            planes = [page.asarray() for page in pages]
    if len({plane.shape for plane in planes}) > 1:
        raise Unreadable("holds pages of different sizes", "save one page, or pages of one size")
    array = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)
    array = np.moveaxis(array, 0, -1) if first.axes == "SYX" else array
    if first.photometric == 0 and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array  # stored as ink: 0 is white
    return Picture(_turn_upright(as_pixels(array, indices), first.orientation), first.has_alpha)


def _list_pages(tiff: Any) -> list[Any]:
    """The pages of a TIFF, without its thumbnails. They are read one by one, as a damaged file may have endless pages."""
    pages: list[Any] = []
    with library_errors():
        while len(pages) <= MAX_PAGES:
            try:
                pages.append(tiff.pages[len(pages)] if pages else tiff.pages.first)
            except IndexError:
                break
    if len(pages) > MAX_PAGES:
        raise Unreadable(f"claims more than {MAX_PAGES} pages", "save one page, or one for each channel")
    if not pages:
        raise Unreadable("holds no page", "replace it or remove it")
    with library_errors():
        return [page for page in pages if not page.is_reduced] or pages[:1]


def _describe_page(page: Any) -> _TiffPage:
    has_alpha = page.extrasamples[-1:] in ((1,), (2,))
    return _TiffPage(
        axes=page.axes,
        shape=tuple(map(int, page.shape)),  # a damaged file may hold a tuple in place of a number
        dtype=page.dtype,
        bits=page.bitspersample,
        colours=int(page.samplesperpixel) - has_alpha,
        has_alpha=has_alpha,
        photometric=int(page.photometric),
        orientation=int(page.tags.valueof(274, 1)),
    )


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::rows, ::columns])


def _decode_deep_png(data: bytes) -> Picture | None:
    """Decodes a PNG of 16 bits and several channels, of which PIL would drop the lower 8 bits; None for all others."""
    if data[:8] != PNG_START or len(data) < 33 or data[24] != 16 or data[25] == 0:
        return None
    _refuse_enormous((int.from_bytes(data[16:20]), int.from_bytes(data[20:24]), 4))
    import imagecodecs

    with library_errors():
        array = imagecodecs.png_decode(data)
    return Picture(as_pixels(array, indices=False), has_alpha=data[25] in (4, 6))


def _decode_with_pil(data: bytes, indices: bool) -> Picture:
    with library_errors():
        opened = Image.open(io.BytesIO(data), formats=PIL_FORMATS)
    with opened:
        _refuse_enormous((*opened.size, len(opened.getbands())))
        with library_errors():
            picture = ImageOps.exif_transpose(opened)
            picture.load()
            array, has_alpha = _to_array(picture, indices)
    pixels = as_pixels(array, indices)
    if indices and not has_alpha and data[:4] == PNG_START[:4] and data[24] in (2, 4) and data[25] == 0:
        pixels = pixels // (255 // (2 ** data[24] - 1))  # grey of 2 or 4 bits, which PIL scales to 8
    return Picture(pixels, has_alpha)


def _to_array(picture: Image.Image, indices: bool) -> tuple[np.ndarray, bool]:
    """The values of a PIL image, and whether its last channel is transparency."""
    if picture.mode.startswith(("I", "F")) or (indices and picture.mode in ("P", "1")):
        return np.asarray(picture), False
    if picture.has_transparency_data:
        return np.asarray(picture.convert("LA" if picture.mode in ("LA", "La") else "RGBA")), True
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    return np.asarray(picture), False
