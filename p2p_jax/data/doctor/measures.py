"""Measures of one picture, from which the check tells label maps from images, and kinds of images from each other."""

import hashlib

import numpy as np

from p2p_jax.data.resizing import to_grey

MAX_COLOURS = 64  # a picture with more distinct colours is not taken for a label map
SAMPLE = 2**15  # pixels for measures that need not be exact


def measure_flat(lines: np.ndarray) -> float:
    """The fraction of neighbours in a row of numbers (rows, columns) that are equal."""
    return float((lines[:, 1:] == lines[:, :-1]).mean())


def hash_pixels(pixels: np.ndarray) -> str:
    """A hash of the pixels, their dtype and their shape."""
    hashed = hashlib.blake2b(f"{pixels.dtype} {pixels.shape}".encode(), digest_size=16)
    hashed.update(np.ascontiguousarray(pixels).data)
    return hashed.hexdigest()


def to_grey_levels(values: np.ndarray) -> np.ndarray:
    """Converts stored values to grey: (h, w) float32 on the same scale."""
    if values.shape[-1] == 3:
        return to_grey(np.ascontiguousarray(values))[..., 0].astype(np.float32)
    return values.astype(np.float32).mean(axis=-1)


def pack_colours(values: np.ndarray) -> np.ndarray:
    """One number for each pixel, (h, w): 0xRRGGBB for RGB of 8 bits, otherwise the value of the first channel."""
    if values.dtype != np.uint8 or values.shape[-1] != 3:
        return values[..., 0]
    return (values[..., 0].astype(np.uint32) << 16) | (values[..., 1].astype(np.uint32) << 8) | values[..., 2]


def distinct(numbers: np.ndarray) -> np.ndarray:
    """The distinct numbers, in order."""
    ordered = np.sort(numbers, axis=None)  # np.unique is several times slower where most numbers differ
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]


def sample_rows(values: np.ndarray) -> np.ndarray:
    """Evenly spaced rows of a picture, about `SAMPLE` pixels."""
    return values[:: max(1, values.shape[0] * values.shape[1] // SAMPLE)]


def mean_blocks(values: np.ndarray) -> np.ndarray:
    """Means of blocks of 4 x 4 pixels in evenly spaced rows of blocks: (rows, columns, c) float32.

    The noise of JPEG mostly cancels out in them.
    """
    rows, columns = values.shape[0] // 4, values.shape[1] // 4
    blocks = values[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4, values.shape[-1])
    sample = blocks[:: max(1, rows * columns * 16 // SAMPLE)]
    return sample.sum(axis=1, dtype=np.float32).sum(axis=2) / 16  # rows first, as NumPy is slow on two axes at once


def list_colours(values: np.ndarray, sample: np.ndarray) -> tuple[float, ...] | None:
    """The distinct colours of a picture in order, packed, or None if there are over `MAX_COLOURS`.

    Args:
        values: (h, w, c).
        sample: packed colours of some rows.
    """
    can_pack = values.shape[-1] == 1 or (values.dtype == np.uint8 and values.shape[-1] == 3)
    if not can_pack or len(distinct(sample)) > MAX_COLOURS:  # avoids sorting all pixels of a large photo
        return None
    colours = distinct(pack_colours(values))
    return tuple(colours.tolist()) if len(colours) <= MAX_COLOURS else None


def measure_even_blocks(values: np.ndarray, levels: np.ndarray) -> tuple[float, int]:
    """`even` and `even_colours` of `inspection.PictureStats`, from stored values (h, w, c) and brightness (h, w)."""
    rows, columns = (side // 8 for side in levels.shape)
    lines = levels[: rows * 8, : columns * 8].reshape(rows, 8, columns * 8)  # rows first: NumPy is fast on whole lines
    highest = lines.max(axis=1).reshape(rows, columns, 8).max(axis=-1)
    lowest = lines.min(axis=1).reshape(rows, columns, 8).min(axis=-1)
    even = highest - lowest <= 8
    if not even.any() or values.dtype != np.uint8:
        return float(even.mean()), 0
    middles = values[4 : rows * 8 : 8, 4 : columns * 8 : 8][even]
    coarse = np.round(middles / 51).astype(int)  # 6 levels of each channel
    numbers, counts = np.unique(coarse, axis=0, return_counts=True)
    return float(even.mean()), int((counts >= max(2, 0.02 * even.sum())).sum()) if len(numbers) else 0


def measure_traits(values: np.ndarray, levels: np.ndarray, flat: float, packed: np.ndarray) -> tuple[float, ...]:
    """Flatness, number of colours, sharpness, contrast, brightness, saturation, fraction of values at either extreme."""
    sharpness = np.abs(np.diff(sample_rows(levels), 2, axis=1)).mean()
    sample = sample_rows(values).astype(np.float32)
    channels = sample if values.dtype == np.uint8 else sample * np.float32(255 / max(float(sample.max()), 1e-12))
    planes = np.ascontiguousarray(np.moveaxis(channels, -1, 0))  # contiguous planes are faster to compare
    saturation = (np.maximum.reduce(planes) - np.minimum.reduce(planes)).mean()
    extreme = ((channels <= 8) | (channels >= 247)).mean()
    count = len(distinct(packed))
    numbers = (
        flat,
        np.log(count),
        np.log1p(sharpness),
        levels.std() / 64,
        levels.mean() / 64,
        saturation / 64,
        extreme,
    )
    return tuple(float(number) for number in numbers)
