"""Resizing arrays of pixels, and converting them to grey, as PIL does."""

from typing import Any, Literal

import numpy as np
from PIL import Image

Method = Literal["bicubic", "bilinear", "nearest", "area"]
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # Source: ITU-R BT.601, as PIL's "L"


def resize(pixels: np.ndarray, size: tuple[int, int], method: str = "bicubic") -> np.ndarray:
    """Resizes each channel with PIL, whose bicubic filter is that of the PyTorch original.

    Args:
        pixels: (h, w, c), uint8, uint16 or float32.
        size: (height, width) in pixels.
        method: bicubic, bilinear, nearest, or area: the mean of the old pixels that a new one covers, as in TensorFlow.

    Returns:
        (height, width, c) of the same dtype; integers are rounded and clipped to their range.
    """
    height, width = size
    if pixels.shape[:2] == size:
        return pixels
    if method == "area":
        return _resize_by_area(pixels, size)
    if pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        return np.asarray(Image.fromarray(pixels).resize((width, height), FILTERS[method]))
    mode_dtype = np.uint8 if pixels.dtype == np.uint8 else np.float32
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(channel, mode_dtype)).resize((width, height), FILTERS[method]))
        for channel in np.moveaxis(pixels, -1, 0)
    ]
    return _to_dtype(np.stack(channels, axis=-1), pixels.dtype)


def _to_dtype(values: np.ndarray, dtype: Any) -> np.ndarray:
    if values.dtype == dtype or dtype == np.float32:
        return values.astype(dtype, copy=False)
    return np.round(values).clip(0, np.iinfo(dtype).max).astype(dtype)


def _resize_by_area(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = (_coverage(old, new) for old, new in zip(pixels.shape[:2], size, strict=True))
    return _to_dtype(np.einsum("yh,xw,hwc->yxc", rows, columns, pixels, optimize=True), pixels.dtype)


def _coverage(old: int, new: int) -> np.ndarray:
    """The fraction of each new pixel that each old one covers, along one axis: (new, old)."""
    edges = np.arange(new + 1)[:, None] * (old / new)
    covered = np.clip(edges - np.arange(old), 0, 1)  # of each old pixel, up to each edge
    return np.diff(covered, axis=0) * (new / old)


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """Converts (h, w, 3) to (h, w, 1) of the same dtype, with the weights of PIL's "L"."""
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return _to_dtype((pixels @ GREY)[..., None], pixels.dtype)
