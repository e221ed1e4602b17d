"""Small pictures, and folders of them."""

from pathlib import Path
from typing import Any

import numpy as np

from p2p_jax.data.pictures import decode, of_file, write_picture


def pixels_of(path: Path, *, indices: bool = False) -> np.ndarray:
    return decode(of_file(path), indices=indices).pixels


def draw(seed: int, size: tuple[int, int] = (12, 10), channels: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    """Noise, (height, width, channels)."""
    highest = 1 if dtype == np.float32 else np.iinfo(dtype).max + 1
    return (np.random.default_rng(seed).random((*size, channels)) * highest).astype(dtype)


def smooth() -> np.ndarray:
    """Smooth colours, (16, 24, 3) uint8."""
    y, x = np.mgrid[:16, :24]
    return np.stack([x * 10, y * 15, 255 - x * 5], -1).astype(np.uint8)


def square(contrast: int = 100, size: int = 40) -> np.ndarray:
    """A square from row and column 12 up to 28 on grey."""
    pixels = np.full((size, size, 3), 80, np.uint8)
    pixels[12:28, 12:28] += np.uint8(contrast)
    return pixels


def fill(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    """Writes pictures by their names in a folder."""
    for name, pixels in pictures.items():
        write_picture(folder / name, pixels)
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
