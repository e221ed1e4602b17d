"""Converts the encoded pictures of a side (input or target) to stored values, and those to pictures for display.

Stored values are uint8, uint16 or float32 as in the files, (h, w, channels); for a one-hot side they are class numbers,
(h, w, 1) uint8. `values.encode` converts them to floats in [-1, 1], inside the jitted step.
"""

from collections.abc import Sequence

import numpy as np

from p2p_jax.config import Side, count_classes, ignored_class
from p2p_jax.data.ignored import holds_ignored
from p2p_jax.data.palettes import MAX_CLASSES, nearest_class, read_palette
from p2p_jax.data.pictures import Encoded, Picture, decode, seems_channels_first
from p2p_jax.data.resizing import resize, to_grey
from p2p_jax.errors import UserError

LIMITS = {"8": (0.0, 255.0), "16": (0.0, 65535.0), "float": (0.0, 1.0)}


DTYPES = {"8": np.uint8, "16": np.uint16, "float": np.float32}


CONTRAST = np.array([31, 119, 180], np.int64)  # RGB steps between the colours of consecutive classes that have no palette


OR_SKIP = ", or skip such files with --data.on-error skip"


def value_range(side: Side) -> tuple[float, float]:
    """The stored values that become -1 and 1."""
    return side.range or LIMITS[side.depth]


def stored_channels(side: Side) -> int:
    """Channels of the stored values: 1 for a one-hot side."""
    return 1 if count_classes(side) else sum(side.channels)


def holds_class_numbers(side: Side) -> bool:
    """Whether the pixels are class numbers, such as the indices of a palette."""
    return side.classes is not None and not side.palette


def to_stored(
    picture: Picture, name: str, side: Side, index: int, *, option: str | None, transparency: str, clip: bool = False
) -> np.ndarray:
    """Converts one picture to stored values: at its own size, with the channels and depth of its side.

    Args:
        picture: decoded, with `indices` where the side has classes without a palette.
        name: of the file, for messages.
        side: channels, depth, range and classes that are expected.
        index: of the picture among those of its side.
        option: the prefix of the side's options, for messages: "--data.input"; None after training, when options are fixed.
        transparency: "refuse" or "drop".
        clip: whether values out of range become the nearest ones in it.

    Returns:
        (h, w, channels of this picture), or for a one-hot side the classes (h, w, 1). Ignored pixels keep their value; in a
        one-hot side they have their class (see `config.ignored_class`).

    Raises:
        UserError: the picture has another number of channels, more bits, or values out of range.
    """
    if side.palette:
        return nearest_class(_to_channels(picture, name, 3, option, transparency), read_palette(side.palette))[0][..., None]
    if side.classes:
        picture = _to_class_numbers(picture, name, option)
        return _to_classes(_to_channels(picture, name, 1, option, transparency), name, side, option)
    pixels = _to_channels(picture, name, side.channels[index], option, transparency)
    pixels = _to_depth(pixels, name, side.depth, option)
    return _to_range(pixels, name, side, option, clip) if side.range is not None or side.depth == "float" else pixels


def _to_range(pixels: np.ndarray, name: str, side: Side, option: str | None, clip: bool) -> np.ndarray:
    """The same values; refuses those out of the side's range, or clips them. Ignored pixels are kept."""
    low, high = value_range(side)
    if pixels.min() >= low and pixels.max() <= high:
        return pixels
    ignored = holds_ignored(pixels, side)
    known = pixels[~ignored[..., 0]]
    if not np.isfinite(known).all():
        raise UserError(f"{name} holds NaN: replace it, or give {option or '--data.SIDE'}.ignore VALUE.")
    if clip:
        return np.where(ignored, pixels, np.clip(pixels, low, high)).astype(pixels.dtype)
    if known.size and (known.min() < low or known.max() > high):
        raise UserError(
            f"{name} has values from {known.min():g} to {known.max():g}, outside of {low:g} to {high:g}: "
            + _advise_range(option, side)
        )
    return pixels


def _advise_range(option: str | None, side: Side) -> str:
    if option is None:
        return "give pictures like those of training, or --clip to replace such values by the nearest ones in the range."
    ignore = "" if side.ignore is not None else f", or {option}.ignore VALUE if one value means that nothing is known there"
    return f"give {option}.range LOW HIGH that holds all pictures{ignore}."


def _to_classes(numbers: np.ndarray, name: str, side: Side, option: str | None) -> np.ndarray:
    """Class numbers (h, w, 1) uint8, from numbers of any dtype."""
    classes = side.classes or 0
    ignored = holds_ignored(numbers, side)
    known = numbers[~ignored] if ignored.any() else numbers
    if numbers.dtype == np.float32 and (known != np.floor(known)).any():
        raise UserError(
            f"{name} holds floating-point numbers, where class numbers are expected: save them as integers from 0 to "
            f"{classes - 1}."
        )
    lowest, highest = (int(known.min()), int(known.max())) if known.size else (0, 0)
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise UserError(
            f"{name} holds the class {wrong}, but classes are numbered from 0 to {classes - 1}: "
            + _advise_class(option, wrong)
        )
    own = ignored_class(side)
    numbers = numbers if own is None else np.where(ignored, own, numbers)
    return numbers.astype(np.uint8, copy=False)


def _advise_class(option: str | None, wrong: int) -> str:
    if option is None:
        return "give pictures like those of training."
    ignore = f"{option}.ignore {wrong} if nothing is known of such pixels"
    if not 0 <= wrong < MAX_CLASSES:
        return f"give {ignore}, or number the classes from 0 to at most {MAX_CLASSES - 1}."
    count = f"{option}.classes {wrong + 1} if it is a class"
    first, second = (ignore, count) if wrong == MAX_CLASSES - 1 else (count, ignore)
    return f"give {first}, {second}, or {option}.palette if its values are colours."


def _to_class_numbers(picture: Picture, name: str, option: str | None) -> Picture:
    """A map of class numbers with one channel. Grey that was saved as RGB is accepted, colours are refused."""
    numbers = picture.pixels[..., : picture.pixels.shape[-1] - picture.has_alpha]
    if numbers.shape[-1] > 1 and (numbers != numbers[..., :1]).any():
        raise UserError(
            f"{name} has colours, where class numbers are expected: "
            + _advice(option, "palette", " for colours, or save the numbers as grey or with a palette")
        )
    return Picture(numbers[..., :1])


def _advice(option: str | None, value: str, more: str = "") -> str:
    return f"give {option}.{value}{more.format(option=option)}." if option else "give pictures like those of training."


def _to_channels(picture: Picture, name: str, wanted: int, option: str | None, transparency: str) -> np.ndarray:
    pixels = picture.pixels
    channels = pixels.shape[-1]
    if picture.has_alpha and channels != wanted:
        opaque = pixels[..., -1].min() == (1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max)
        if transparency == "refuse" and not opaque:
            raise UserError(
                f"{name} has {channels} channels, one of them transparency, where {wanted} are expected: flatten it, "
                f"give --data.transparency drop, or, to train on it, {option}.channels {channels}."
            )
        pixels, channels = pixels[..., :-1], channels - 1
    if channels == wanted:
        return pixels
    if channels == 1 and wanted == 3:
        return np.repeat(pixels, 3, axis=-1)
    if channels == 3 and wanted == 1:
        return to_grey(pixels)
    if pixels.shape[0] == wanted and seems_channels_first(pixels.shape):
        raise UserError(
            f"{name} has the shape {pixels.shape}, which seems to be (channels, height, width): save it as (height, width, "
            "channels)."
        )
    expected = "channel is" if wanted == 1 else "channels are"
    raise UserError(
        f"{name} has {channels} channels, where {wanted} {expected} expected: {_advice(option, f'channels {channels}')}"
    )


def _to_depth(pixels: np.ndarray, name: str, depth: str, option: str | None) -> np.ndarray:
    if depth == "float":
        return pixels.astype(np.float32)
    if depth == "16" and pixels.dtype == np.uint8:
        return pixels.astype(np.uint16) * 257
    if pixels.dtype != DTYPES[depth]:
        found, give = ("16 bits", "16") if pixels.dtype == np.uint16 else ("floating-point numbers", "float")
        raise UserError(
            f"{name} has {found} per channel, where {depth} bits are expected: "
            + _advice(option, f"depth {give}", f", or save it with {depth} bits")
        )
    return pixels


def read_side(
    encoded: Sequence[Encoded], side: Side, *, option: str | None, transparency: str, clip: bool = False
) -> list[tuple[str, np.ndarray]]:
    """Reads all pictures of a side at their own sizes: [(name, pixels)], see `to_stored`.

    Raises:
        UserError: their number is not that of `side.channels`, or one of them does not suit the side.
    """
    if len(encoded) != len(side.channels):
        several = " ".join("3" for _ in encoded)
        raise UserError(
            f"{encoded[0].name} is one of {len(encoded)} pictures on its side of the pair, but {option}.channels names "
            f"{len(side.channels)}: give a number for each, such as {option}.channels {several}."
        )
    numbered, nan, otherwise = holds_class_numbers(side), side.ignore is not None, OR_SKIP if option else ""
    pictures = [decode(one, indices=numbered, otherwise=otherwise, allow_nan=nan) for one in encoded]
    return [
        (one.name, to_stored(picture, one.name, side, i, option=option, transparency=transparency, clip=clip))
        for i, (one, picture) in enumerate(zip(encoded, pictures, strict=True))
    ]


def read_mask(picture: Picture, name: str) -> np.ndarray:
    """Converts a picture to a mask, (h, w, 1) uint8, 255 where a pixel counts in full.

    Raises:
        UserError: it holds floating-point numbers, colours of more than three channels, or is nearly black everywhere, such
            as one that holds only 0 and 1.
    """
    pixels = picture.pixels[..., : picture.pixels.shape[-1] - picture.has_alpha]
    if pixels.dtype == np.float32 or pixels.shape[-1] not in (1, 3):
        raise UserError(f"{name} is no mask: a mask is grey, of 8 or 16 bits, and white where a pixel counts.")
    pixels = to_grey(pixels) if pixels.shape[-1] == 3 else pixels
    mask = pixels if pixels.dtype == np.uint8 else np.round(pixels / 257).astype(np.uint8)
    if pixels.max() > 0 and mask.max() <= 1:
        held = "only 0 and 1" if pixels.max() == 1 else f"no more than {pixels.max()}"
        white = np.iinfo(pixels.dtype).max
        raise UserError(f"{name} holds {held}, which is nearly black: a mask is white ({white}) where a pixel counts.")
    return mask


def resize_side(pixels: np.ndarray, size: tuple[int, int], side: Side, method: str) -> np.ndarray:
    """Resizes stored values (h, w, c) to (height, width, c): images with `method`, labels to the nearest pixel."""
    resized = resize(pixels, size, "nearest" if side.kind == "labels" else method)
    if resized.dtype == np.float32 and resized is not pixels:
        return np.clip(resized, *value_range(side))  # bicubic overshoots at edges; integers are clipped by `resize`
    return resized


def show(side: Side, pixels: np.ndarray) -> list[np.ndarray]:
    """Converts stored values (h, w, c) for display: one uint8 picture, RGB or grey, for each picture of the side.

    Classes get the colours of the palette, or built-in ones. Other depths are scaled from the side's range to 0 to 255. If
    there are more than three channels, the first three are shown.
    """
    if side.palette:
        return [read_palette(side.palette)[pixels[..., 0]]]
    if side.classes:
        return [(pixels.astype(np.int64) * CONTRAST % 256).astype(np.uint8)]
    if side.depth != "8" or side.range is not None:
        low, high = value_range(side)
        pixels = np.round((pixels.astype(np.float32) - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
    ends = np.cumsum(side.channels)
    pictures = [pixels[..., end - count : end] for end, count in zip(ends, side.channels, strict=True)]
    return [picture[..., :3] if picture.shape[-1] >= 3 else picture[..., :1] for picture in pictures]
