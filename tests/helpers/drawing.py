"""Pictures of noise in folders, and the tools run on them."""

from pathlib import Path

import numpy as np

from p2p_jax.cli.data import data
from p2p_jax.data.pictures import decode, of_file, write_picture


def tool(name: str, *argv: object) -> None:
    assert data([name, *(str(word) for word in argv)]) == 0


def pixels_of(path: Path, *, indices: bool = False) -> np.ndarray:
    return decode(of_file(path), indices=indices).pixels


def draw(seed: int, size: tuple[int, int] = (12, 10), channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    highest = 1 if dtype == np.float32 else np.iinfo(dtype).max + 1
    return (np.random.default_rng(seed).random((*size, channels)) * highest).astype(dtype)


def fill(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    for name, pixels in pictures.items():
        write_picture(folder / name, pixels)
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def square(contrast: int = 100, size: int = 40) -> np.ndarray:
    """A square from row and column 12 up to 28 on grey."""
    pixels = np.full((size, size, 3), 80, np.uint8)
    pixels[12:28, 12:28] += np.uint8(contrast)
    return pixels


DEFAULTS = {"sigma": 1.5, "low": 12.0, "high": 30.0, "shortest": 12}
