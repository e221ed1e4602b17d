"""Pixels of which nothing is known: those that hold the value of `config.Side.ignore`."""

import numpy as np

from p2p_jax.config import Side, ignored_class


def holds_ignored(pixels: np.ndarray, side: Side) -> np.ndarray:
    """Where the values of a file are those of ignored pixels.

    A value within the side's range must fill all channels of a pixel, as a single channel may hold it by chance. One
    channel is enough for a value outside of the range and for NaN, which can mean nothing else.

    Args:
        pixels: (h, w, c), values as in the file.
        side: with `ignore` and range.

    Returns:
        (h, w, 1) bool.
    """
    if side.ignore is None:
        return np.zeros((*pixels.shape[:2], 1), bool)
    with np.errstate(over="ignore"):  # a number that float32 cannot hold is infinite, and equals no pixel
        equal = pixels == side.ignore
    low, high = side.range or (0.0, 1.0)
    beyond = side.depth == "float" and not low <= side.ignore <= high
    found = equal.any(-1, keepdims=True) if beyond else equal.all(-1, keepdims=True)
    return found | np.isnan(pixels).any(-1, keepdims=True) if pixels.dtype.kind == "f" else found


def known_pixels(pixels: np.ndarray, side: Side) -> np.ndarray:
    """Where something is known, from stored values: (h, w, 1) uint8, 255 for known pixels and 0 for ignored ones."""
    number = ignored_class(side)
    ignored = holds_ignored(pixels, side) if number is None else pixels == number
    return np.where(ignored, 0, 255).astype(np.uint8)


def fill_unknown(pixels: np.ndarray, known: np.ndarray, side: Side) -> np.ndarray:
    """Gives each ignored pixel of an image the value of the nearest known one, so that resizing mixes no foreign values.

    Args:
        pixels: stored values (h, w, c).
        known: from `known_pixels`.
        side: its kind and range; label maps are returned as they are, since their ignored pixels are a class.

    Returns:
        (h, w, c); the lowest value of the range everywhere if no pixel is known.
    """
    if side.kind == "labels":
        return pixels
    return fill_from_nearest(pixels, known) if known.any() else np.full_like(pixels, side.range[0] if side.range else 0)


def fill_from_nearest(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Gives each pixel that is not known the value of the nearest known one, of which there must be some.

    Args:
        pixels: (h, w, c).
        known: (h, w, 1), not 0 where a pixel is known.
    """
    if known.all():
        return pixels
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(known[..., 0] == 0, return_distances=False, return_indices=True)
    rows, columns = nearest  # pyright: ignore[reportGeneralTypeIssues]
    return pixels[rows, columns]
