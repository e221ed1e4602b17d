"""Reading one picture file: every failure names the file and says what to do."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
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


def resize(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Resizes by PIL's bicubic, as the reference does.

    Args:
        picture: grey or RGB.
        size: (height, width) in pixels.

    Returns:
        uint8 (height, width, c).
    """
    height, width = size
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    array = np.asarray(picture)
    return array[..., None] if array.ndim == 2 else array


def _is_transparent(picture: Image.Image) -> bool:
    return np.asarray(picture.convert("RGBA"))[..., 3].min() < 255
