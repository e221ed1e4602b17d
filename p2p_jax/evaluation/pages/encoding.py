"""Encodes pictures for a page: exact PNG for label maps and where it is small, WebP otherwise, within a budget of bytes."""

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

QUALITIES = (90, 80, 70, 55, 40, 25)
"""Qualities of WebP, of which the first is used that keeps a page within its budget."""

SAMPLED = 7
"""The quality is first sought with every seventh picture, which takes less time."""

LARGEST_SIDE = 1024
"""Pixels to which the longer side of larger pictures is reduced."""


class Encoded(NamedTuple):
    """A picture in a page.

    Attributes:
        source: a data URI.
        width: in pixels.
        height: in pixels.
    """

    source: str
    width: int
    height: int


class Picture(NamedTuple):
    """A picture to encode.

    Attributes:
        pixels: uint8 (h, w, 1) or (h, w, 3).
        exact: it must not change, because its colours are classes.
    """

    pixels: np.ndarray
    exact: bool = False


def encode_all(pictures: Sequence[Picture], budget: int) -> tuple[list[Encoded], int]:
    """Encodes pictures at the best quality with which they fit into a budget, or at the lowest one.

    Args:
        pictures: to encode.
        budget: bytes of all data URIs together.

    Returns:
        the encoded pictures, and the quality of those that are WebP; 100 if all are PNG.
    """
    images = [_as_image(picture) for picture in pictures]
    exact = [_save(image, "PNG") for image in images]
    open_ones = [not picture.exact for picture in pictures]
    rest = list(zip(images, exact, open_ones, strict=True))
    some = rest[::SAMPLED]
    started = next((each for each in QUALITIES if _size(_encode(some, each)) * SAMPLED <= budget), QUALITIES[-1])
    for quality in QUALITIES[QUALITIES.index(started) :]:
        made = _encode(rest, quality)
        if _size(made) <= budget:
            break
    encoded = [Encoded(_as_uri(data), *image.size) for data, image in zip(made, images, strict=True)]
    return encoded, quality if any(data is not png for data, png in zip(made, exact, strict=True)) else 100


def _encode(pictures: Sequence[tuple[Image.Image, bytes, bool]], quality: int) -> list[bytes]:
    """Encodes pictures that come with their PNG and with whether WebP may replace it."""
    return [
        _smaller(png, _save(image, "WEBP", quality=quality, method=2)) if is_open else png
        for image, png, is_open in pictures
    ]


def _size(encoded: Sequence[bytes]) -> float:
    """Bytes of the data URIs."""
    return sum(map(len, encoded)) * 4 / 3


def describe(quality: int) -> str:
    """A sentence on how the pictures of a page are stored."""
    if quality == 100:
        return "All pictures are exact (PNG)."
    return f"Pictures are stored as WebP of quality {quality}; label maps, and pictures that are small as PNG, are exact."


def _as_image(picture: Picture) -> Image.Image:
    pixels = picture.pixels[..., 0] if picture.pixels.shape[-1] == 1 else picture.pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if max(image.size) > LARGEST_SIDE:
        method = Image.Resampling.NEAREST if picture.exact else Image.Resampling.LANCZOS
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), method)
    return image


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _smaller(png: bytes, other: bytes) -> bytes:
    return png if len(png) <= len(other) else other


def _as_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
