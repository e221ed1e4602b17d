"""Pure functions on pictures (height, width, c) that several tools use: side by side, brightness, transparency."""

from typing import Any

import numpy as np

from p2p_jax.data.pictures import Picture
from p2p_jax.errors import UserError

INTEGERS = (np.dtype(np.uint8), np.dtype(np.uint16))


def join_halves(a: Picture, b: Picture) -> np.ndarray:
    """Puts two pictures side by side, A at the left, without loss.

    Beside RGB, grey becomes RGB. Beside a picture with alpha, an opaque one gets an alpha channel. Beside 16 bits, 8 bits
    become 16 (times 257).

    Args:
        a: (h, w, c).
        b: (h, w, c'), of the same height and width.

    Returns:
        (h, 2 w, c''), uint8, uint16 or float32.

    Raises:
        UserError: they differ in size, or in channels or depths that cannot be combined.
    """
    if a.pixels.shape[:2] != b.pixels.shape[:2]:
        raise UserError(
            f"the halves have {_size(a.pixels)} and {_size(b.pixels)} pixels: both pictures of a pair have the same size."
        )
    halves = _same_channels(a, b)
    dtypes = {half.dtype for half in halves}
    if dtypes == set(INTEGERS):
        halves = [half if half.dtype == np.uint16 else half.astype(np.uint16) * np.uint16(257) for half in halves]
    elif len(dtypes) > 1:
        raise UserError("one half holds floating-point numbers and the other integers: save both as the same kind.")
    return np.concatenate(halves, axis=1)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


def _same_channels(a: Picture, b: Picture) -> list[np.ndarray]:
    counts = [picture.pixels.shape[-1] for picture in (a, b)]
    if counts[0] == counts[1]:
        return [a.pixels, b.pixels]
    colours = [count - picture.has_alpha for count, picture in zip(counts, (a, b), strict=True)]
    if not set(colours) <= {1, 3}:
        raise UserError(f"the halves have {counts[0]} and {counts[1]} channels: both must have the same number.")
    halves = []
    for picture in (a, b):
        pixels = to_colour(picture) if max(colours) == 3 else picture.pixels
        if (a.has_alpha or b.has_alpha) and not picture.has_alpha:
            opaque = np.full_like(pixels[..., :1], to_level(255, pixels.dtype))
            pixels = np.concatenate([pixels, opaque], axis=-1)
        halves.append(pixels)
    return halves


def to_colour(picture: Picture) -> np.ndarray:
    """Converts grey to RGB, (h, w, 3) or (h, w, 4) with alpha; returns other pictures unchanged."""
    pixels = picture.pixels
    colours = pixels.shape[-1] - picture.has_alpha
    return pixels if colours > 1 else np.concatenate([pixels[..., :1]] * 3 + [pixels[..., 1:]], axis=-1)


def cut_halves(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a side-by-side picture (h, 2 w, c) into two halves (h, w, c): the reverse of `join_halves`.

    Raises:
        UserError: the width is odd.
    """
    width = pixels.shape[1]
    if width % 2:
        raise UserError(
            f"it is {width} pixels wide, so its halves differ in size: a side-by-side picture has an even width."
        )
    return pixels[:, : width // 2], pixels[:, width // 2 :]


def to_level(value: int, dtype: Any) -> Any:
    """Converts a brightness from 0 to 255 to a dtype: unchanged for uint8, times 257 for uint16, over 255 for float32."""
    return {np.uint8: np.uint8(value), np.uint16: np.uint16(value * 257)}.get(np.dtype(dtype).type, np.float32(value / 255))


def flatten_on_white(picture: Picture) -> np.ndarray:
    """Blends a picture with white by its alpha channel, which is then removed: (h, w, c) of the same dtype."""
    if not picture.has_alpha:
        return picture.pixels
    colours, alpha = picture.pixels[..., :-1].astype(np.float32), picture.pixels[..., -1:].astype(np.float32)
    white = np.float32(to_level(255, picture.pixels.dtype))
    mixed = white + (colours - white) * (alpha / white)
    return (np.round(mixed) if picture.pixels.dtype in INTEGERS else mixed).astype(picture.pixels.dtype)


def refuse_brightness(option: str, value: float) -> None:
    """Raises UserError if the value of an option is not a brightness from 0 to 255."""
    if not 0 <= value <= 255:
        raise UserError(f"{option} was given {value}: it is a brightness from 0 to 255.")
