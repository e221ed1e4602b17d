"""Values that mean that nothing is known of a pixel, such as -9999 in maps of heights: found in pictures and on a side."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from p2p_jax.data.doctor.tags import Tags
from p2p_jax.data.ignored import fill_from_nearest

FEW_VALUES = 64  # a picture with so few distinct values is a map of labels, of which no value is a lone one
MIN_PIXELS = 4  # fewer pixels of a lone value are taken for noise
STAND_IN = -9999.0  # what is advised where NaN is the only value that means nothing, as NaN itself is no option's value


class Nodata(NamedTuple):
    """The value of pixels of which nothing is known.

    Attributes:
        value: as in the file; NaN is possible.
        tagged: whether the file's header names it.
        pixels: number of pixels that hold it.
    """

    value: float
    tagged: bool
    pixels: int


def find_nodata(values: np.ndarray, tags: Tags) -> Nodata | None:
    """Finds the value of a picture that means nothing.

    That is the value that its header names, or NaN, or else a lone extreme: the lowest or highest value, if it is farther
    from all others than those are from each other.

    Args:
        values: (h, w, c) without alpha.
        tags: of the file.

    Returns:
        The value, or None if no pixel holds such a value.
    """
    tag = tags.nodata
    if tag is not None and math.isfinite(tag):
        equal = values == tag
        held = int((equal.all(-1) if values.dtype == np.uint8 else equal.any(-1)).sum())
        if held:
            return Nodata(tag, tagged=True, pixels=held)
    if values.dtype == np.uint8:
        return None
    if values.dtype == np.float32 and (unknown := int(np.isnan(values).any(-1).sum())):
        return Nodata(math.nan, tagged=tag is not None and math.isnan(tag), pixels=unknown)
    return _find_lone_extreme(values)


def _find_lone_extreme(values: np.ndarray) -> Nodata | None:
    low, high = float(values.min()), float(values.max())
    for extreme in (low, high):
        others = values[values != values.dtype.type(extreme)]
        if not others.size:
            return None
        nearest, farthest = sorted((float(others.min()), float(others.max())), key=lambda value: abs(value - extreme))
        pixels = (values.size - others.size) // values.shape[-1]
        if abs(nearest - extreme) > abs(farthest - nearest) > 0 and pixels >= MIN_PIXELS:
            few = len(np.unique(others[:: max(1, others.size // 2**15)])) <= FEW_VALUES
            return None if few else Nodata(extreme, tagged=False, pixels=pixels)
    return None


def without_nodata(pixels: np.ndarray, nodata: Nodata | None) -> np.ndarray:
    """The pixels (h, w, c) with the nearest known values in place of those that mean nothing."""
    if nodata is None:
        return pixels
    held: np.ndarray = np.isnan(pixels) if math.isnan(nodata.value) else pixels == nodata.value
    unknown = held.all(-1, keepdims=True) if pixels.dtype == np.uint8 else held.any(-1, keepdims=True)
    return pixels if unknown.all() else fill_from_nearest(pixels, np.logical_not(unknown))


def common_nodata(found: Sequence[Nodata | None]) -> Nodata | None:
    """The value that means nothing in all pictures of a side; None if there is none, or if they do not agree on one.

    Args:
        found: of each picture.
    """
    values = Counter(one.value for one in found if one is not None and not math.isnan(one.value))
    known = [one for one in found if one is not None]
    if len(values) > 1 or not known:
        return None
    value = next(iter(values), math.nan)
    return Nodata(value, any(one.tagged for one in known), sum(one.pixels for one in known))
