"""A decoded picture, and what every decoder needs: the budget, the errors of libraries, arrays as pixels."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from p2p_jax.files.names import printable
from p2p_jax.limits.budget import DECODING, OverBudget


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
        problem: what is wrong, in words that follow the file's name. Libraries quote bytes of the file in their messages,
            so control characters are escaped.
        advice: what the user can do about it.
    """

    def __init__(self, problem: str, advice: str):
        super().__init__(problem, advice)
        self.problem, self.advice = printable(problem), advice


@contextmanager
def library_errors() -> Iterator[None]:
    """Raises `Unreadable` in place of any exception of a library: decoders raise every kind of them for damaged files."""
    try:
        yield
    except (Unreadable, OverBudget):
        raise
    except UnidentifiedImageError:
        raise Unreadable("is not a picture in a known format", "give another file, or move it elsewhere") from None
    except Image.DecompressionBombError:
        raise enormous("it has more pixels than Pillow opens") from None
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        reason = " ".join(reason.split()).rstrip(".").lower()
        raise Unreadable(f"cannot be read ({reason})", "replace it or remove it") from None


@contextmanager
def reserve(size: int) -> Iterator[None]:
    """Reserves `size` bytes of the memory for decoding, and waits until they are free; see `MemoryBudget.reserve`.

    Raises:
        Unreadable: no picture may need so much.
    """
    try:
        with DECODING.reserve(size):
            yield
    except OverBudget as error:
        raise enormous(f"it {error}") from None


def enormous(reason: str) -> Unreadable:
    """The error about a picture that needs more memory than is allowed."""
    return Unreadable(f"claims an enormous number of pixels and was not opened ({reason})", "make it smaller")


def refuse_other_arrays(shape: tuple[int, ...], dtype: Any) -> None:
    """Refuses an array that cannot be a picture, by its shape and its type of values.

    Raises:
        Unreadable: it has no pixels, another number of axes than 2 or 3, or holds no real numbers.
    """
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise Unreadable(f"holds an array of shape {shape}", "save an array (height, width) or (height, width, channels)")
    if dtype.kind not in "buif":
        raise Unreadable(f"holds {dtype} values", "save integers or floating-point numbers")


def as_pixels(array: np.ndarray, indices: bool) -> np.ndarray:
    """An array of numbers as pixels.

    Args:
        array: (h, w) or (h, w, c) of any kind of number.
        indices: return integers from 0 to 255 as uint8, whatever their width, and 1 instead of 255 for True.

    Returns:
        (h, w, c) of uint8, uint16 or float32.

    Raises:
        Unreadable: it has another shape, or holds no numbers.
    """
    refuse_other_arrays(array.shape, array.dtype)
    array = array[..., None] if array.ndim == 2 else array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(1 if indices else 255)
    if indices and array.dtype.kind in "ui" and array.min() >= 0 and array.max() <= 255:
        return np.ascontiguousarray(array, np.uint8)  # NumPy files hold class numbers as integers of any width
    kept = {np.dtype(np.uint8): np.uint8, np.dtype(np.uint16): np.uint16}
    with np.errstate(over="ignore"):  # too large for float32: infinity, which `decode` refuses
        return np.ascontiguousarray(array, kept.get(array.dtype.newbyteorder("="), np.float32))


def pixels_cost(shape: tuple[int, ...], dtype: Any, *, copied: bool) -> int:
    """The bytes of memory for reading an array and converting it with `as_pixels`.

    Args:
        shape, dtype: of the array.
        copied: whether the array is copied even if `as_pixels` keeps its dtype.
    """
    count = math.prod(shape)
    is_kept = dtype.isnative and (dtype.kind, dtype.itemsize) in (("u", 1), ("u", 2), ("f", 4))
    copy = 0 if is_kept and not copied else count * max(4, dtype.itemsize if copied else 0)
    checked = count if dtype.kind == "f" else 0  # one Boolean for each value, when all are checked to be finite
    return count * dtype.itemsize + copy + checked


def turn_upright(pixels: np.ndarray, orientation: Any) -> np.ndarray:
    """Undoes an EXIF orientation from 1 to 8; other values change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::rows, ::columns])
