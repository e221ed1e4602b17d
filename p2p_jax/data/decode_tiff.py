"""Decodes TIFFs of more bits, channels or pages than PIL reads."""

import io
import logging
import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from p2p_jax.data.decoded import (
    Picture,
    Unreadable,
    as_pixels,
    enormous,
    library_errors,
    pixels_cost,
    reserve,
    turn_upright,
)
from p2p_jax.limits.budget import OverBudget, check_pages

for library in ("tifffile", "imagecodecs"):  # what they log about a damaged file, they also raise
    logging.getLogger(library).setLevel(logging.CRITICAL)

BOUNDED = frozenset({1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000})
"""Compressions whose decoders stop at the size of the tile: none, CCITT, LZW, Deflate, PackBits, LZMA, Zstandard."""

PICTURES = {6: "JPEG", 7: "JPEG", 34712: "JPEG2000", 33003: "JPEG2000", 33004: "JPEG2000", 33005: "JPEG2000"} | {
    34933: "PNG",
    50001: "WEBP",
}
"""Compressions where each tile or strip is a file with a size of its own, and PIL's name of its format."""


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


def decode_tiff(file: Any, indices: bool) -> Picture | None:
    """Decodes a TIFF of more bits, channels or pages than PIL reads; None for those that PIL reads.

    Args:
        file: open for reading, at its beginning.
        indices: as for `decoders.decode_file`.

    Raises:
        Unreadable: it is damaged, is no picture, or needs more memory or pages than are allowed.
    """
    import tifffile

    with library_errors():
        try:
            opened = tifffile.TiffFile(file)
        except tifffile.TiffFileError:
            return None
    with opened as tiff:
        pages = _list_pages(tiff)
        with library_errors():
            first, kinds = _describe_page(pages[0]), {_kind(page) for page in pages}
        usual = first.colours in (1, 3) or first.photometric == 5  # CMYK
        if len(pages) == 1 and first.dtype == np.uint8 and usual and first.bits in (1, 8):
            return None
        if set(first.axes) - set("YXS") or (len(pages) > 1 and (len(kinds) > 1 or first.axes != "YX")):
            raise Unreadable(
                f"is a stack ({first.axes}, {len(pages)} pages)",
                "save one page, or one grey page per channel",
            )
        with library_errors():
            cost = _cost(pages, first)
        with reserve(cost):
            array = _read_pages(pages)
            array = np.moveaxis(array, 0, -1) if first.axes == "SYX" else array
            if first.photometric == 0 and array.dtype.kind == "u":
                np.subtract(np.iinfo(array.dtype).max, array, out=array)  # stored as ink: 0 is white
            return Picture(turn_upright(as_pixels(array, indices), first.orientation), first.has_alpha)


def _kind(page: Any) -> tuple[Any, ...]:
    return page.axes, tuple(page.shape), str(page.dtype)


def _list_pages(tiff: Any) -> list[Any]:
    """The pages of a TIFF, without its thumbnails. They are read one by one, as a damaged file may have endless pages."""
    pages: list[Any] = []
    try:
        with library_errors():
            while True:
                try:
                    pages.append(tiff.pages[len(pages)] if pages else tiff.pages.first)
                except IndexError:
                    break
                check_pages(len(pages))
    except OverBudget as error:
        raise Unreadable(str(error), "save one page, or one for each channel") from None
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


def _cost(pages: list[Any], first: _TiffPage) -> int:
    """The bytes of memory for reading the pages of one shape, for one tile or strip, and for converting them."""
    if first.dtype is None:
        raise ValueError("its type of values is unknown")
    dtype = np.dtype(first.dtype)
    chunks = [int(math.prod(page.chunks)) * dtype.itemsize for page in pages]
    copied = first.axes == "SYX" or first.orientation in range(2, 9)
    page = 0 if len(pages) == 1 else math.prod(first.shape) * dtype.itemsize
    return pixels_cost((*first.shape, len(pages)), dtype, copied=copied) + page + 2 * max(chunks)


def _read_pages(pages: list[Any]) -> np.ndarray:
    """The pages as one array; several grey pages become its channels."""
    for page in pages:
        _check_tiles(page)
    with library_errors():
        first = pages[0].asarray(maxworkers=1)
        if len(pages) == 1:
            return first if first.flags.writeable else first.copy()
        array = np.empty((*first.shape, len(pages)), first.dtype)
        for index, page in enumerate(pages):
            array[..., index] = page.asarray(maxworkers=1)
        return array


def _check_tiles(page: Any) -> None:
    """Refuses a page whose tiles or strips claim to be larger than the page says.

    Raises:
        Unreadable: one does, or its compression does not tell its size beforehand.
    """
    with library_errors():
        compression = int(page.compression)
        if compression in BOUNDED:
            return
        if compression not in PICTURES:
            advice = "save it with Deflate or LZW compression"
            raise Unreadable(f"is compressed with {page.compression!r}, which is not supported", advice)
        allowed = 4 * max(math.prod(page.chunks), 64)
        handle = page.parent.filehandle
        for place, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            if size:
                handle.seek(place)
                with Image.open(io.BytesIO(handle.read(size)), formats=[PICTURES[compression]]) as tile:
                    if tile.width * tile.height > allowed:
                        raise enormous(f"a tile of {page.chunks} claims {tile.width} x {tile.height} pixels")
