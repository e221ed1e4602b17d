"""Reading one picture file: every failure names the file and says what to do."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}
SMALLEST = 8  # pixels a side: below it there is nothing to learn from, so it is a mistake


def is_picture(path: Path) -> bool:
    """Whether a file's name is that of a picture that can be read; hidden files are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_picture(path: Path, *, channels: int, transparency: str = "refuse") -> Image.Image:
    """Reads a picture, upright, as 8-bit grey or RGB.

    Args:
        path: the file.
        channels: 1 for grey, 3 for RGB; colour and grey are converted into each other.
        transparency: "refuse" a picture with a transparent pixel, or "drop" its transparency.

    Raises:
        ValueError: the file cannot be read, is no picture, is too small or too large, has 16 bits, or is transparent.
    """
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            picture.load()
    except UnidentifiedImageError:
        raise ValueError(
            f"{path} is not a picture, whatever its name says: remove it "
            "(training leaves such files out with --data.on-error skip)."
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path} claims an enormous number of pixels and was not opened: make it smaller.") from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ValueError(
            f"{path} cannot be read ({reason.rstrip('.').lower()}): replace it or remove it "
            "(training leaves such files out with --data.on-error skip)."
        ) from None
    if min(picture.size) < SMALLEST:
        raise ValueError(
            f"{path} has {picture.width} x {picture.height} pixels: a picture needs at least {SMALLEST} on each side."
        )
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"{path} has more than 8 bits per channel (mode {picture.mode}): save it with 8 bits.")
    if transparency == "refuse" and picture.has_transparency_data and _is_transparent(picture):
        raise ValueError(
            f"{path} has 4 channels, one of them transparency, where {channels} are expected: flatten it, or give "
            "--data.transparency drop."
        )
    return picture.convert("L" if channels == 1 else "RGB")


def resize(picture: Image.Image, size: tuple[int, int], method: str = "bicubic") -> np.ndarray:
    """Resizes by PIL, whose bicubic is the reference's.

    Args:
        picture: grey or RGB.
        size: (height, width) in pixels.
        method: bicubic, bilinear, nearest, or area, the mean of what a new pixel covers of the old ones, as TensorFlow
            computes it.

    Returns:
        uint8 (height, width, c).
    """
    height, width = size
    if picture.size != (width, height) and method != "area":
        picture = picture.resize((width, height), FILTERS[method])
    array = np.asarray(picture)
    array = array[..., None] if array.ndim == 2 else array
    return array if array.shape[:2] == size else _resize_by_area(array, size)


def _resize_by_area(array: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = (_shares(old, new) for old, new in zip(array.shape[:2], size, strict=True))
    return np.round(np.einsum("yh,xw,hwc->yxc", rows, columns, array, optimize=True)).astype(np.uint8)


def _shares(old: int, new: int) -> np.ndarray:
    """Which share of each new pixel is covered by each old one, along one axis: (new, old)."""
    edges = np.arange(new + 1)[:, None] * (old / new)
    covered = np.clip(edges - np.arange(old), 0, 1)  # of each old pixel, up to each edge
    return np.diff(covered, axis=0) * (new / old)


def _is_transparent(picture: Image.Image) -> bool:
    return np.asarray(picture.convert("RGBA"))[..., 3].min() < 255
